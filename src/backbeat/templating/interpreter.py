"""Runs a template's tree over a value.

In:  the body, the named templates, functions, the dot and variables. Out: text.
Bounded in steps, time, output and depth; every failure is a TemplateError that names the place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from backbeat.templating import tree
from backbeat.templating.builtins import BUILTINS
from backbeat.templating.errors import FunctionFailure, Source, TemplateError, did_you_mean
from backbeat.templating.escape import Escaper
from backbeat.templating.goprint import to_text
from backbeat.templating.values import content, is_list, lookup, truth, type_name

Functions = Mapping[str, Callable[..., object]]
_MISSING = object()


class Limits(Struct, frozen=True):
    """What one rendering may use; the clock counts seconds."""

    seconds: float = 1.0
    steps: int = 500_000
    output_bytes: int = 256 * 1024
    made: int = 16 * 1024 * 1024
    """characters and list items that functions may make in total, so that variables cannot fill the memory"""
    depth: int = 50
    clock: Callable[[], float] = time.monotonic


class Unit(Struct, frozen=True):
    """A body with the source that its places belong to."""

    source: Source
    body: tree.Body


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class Interpreter:
    """One rendering. Not shared, not used twice."""

    def __init__(
        self, templates: Mapping[str, Unit], functions: Functions, limits: Limits, *, html: bool
    ) -> None:
        self._templates = templates
        self._functions = functions
        self._limits = limits
        self._deadline = limits.clock() + limits.seconds
        self._steps = 0
        self._made = 0
        self._depth = 0
        self._out: list[str] = []
        self._size = 0
        self._escaper = Escaper() if html else None
        self._source = Source("", "")
        self._place: tree.Operand | tree.Pipe | tree.Command | tree.Invoke = tree.Dot(0, 0)
        self._variables: list[tuple[str, object]] = []

    def render(self, unit: Unit, dot: object, variables: Mapping[str, object]) -> str:
        """Raises TemplateError."""
        try:
            self._unit(unit, dot, [("", dot), *variables.items()])
        except RecursionError:
            raise self._mistake("nested too deeply") from None
        return "".join(self._out)

    def invoke(self, name: str, dot: object) -> str:
        """Render a named template apart, for functions such as `tmpl`; limits go on counting."""
        outside, self._out = self._out, []
        try:
            self._call_template(name, dot)
            return "".join(self._out)
        finally:
            self._out = outside

    def _mistake(self, message: str) -> TemplateError:
        return self._source.mistake(self._place.start, self._place.end, message)

    def _unit(self, unit: Unit, dot: object, variables: list[tuple[str, object]]) -> None:
        before = (self._source, self._variables)
        self._source, self._variables = unit.source, variables
        self._body(unit.body, dot)
        self._source, self._variables = before

    def _step(self) -> None:
        self._steps += 1
        if self._steps > self._limits.steps:
            raise self._mistake(f"more than {self._limits.steps} steps; is there an endless loop?")
        if self._steps % 64 == 0 and self._limits.clock() > self._deadline:
            raise self._mistake(f"took longer than {self._limits.seconds:g} s")

    # Nodes

    def _body(self, body: tree.Body, dot: object) -> None:
        for node in body:
            self._step()
            match node:
                case tree.Text(text):
                    self._write(text)
                case tree.Action(pipe):
                    value = self._pipe(pipe, dot)
                    if not pipe.variables:
                        self._print(value, pipe)
                case tree.Range():
                    self._range(node, dot)
                case tree.If() | tree.With():
                    self._branch(node, dot)
                case tree.Invoke():
                    self._place = node
                    argument = None if node.pipe is None else self._pipe(node.pipe, dot)
                    self._place = node
                    self._call_template(node.template, argument)
                case tree.Break():
                    raise _Break
                case tree.Continue():
                    raise _Continue

    def _branch(self, node: tree.If | tree.With, dot: object) -> None:
        scope = len(self._variables)
        value = self._pipe(node.pipe, dot)
        if truth(value):
            self._body(node.body, value if isinstance(node, tree.With) else dot)
        else:
            self._body(node.otherwise, dot)
        del self._variables[scope:]

    def _range(self, node: tree.Range, dot: object) -> None:
        scope = len(self._variables)
        pairs = self._pairs(self._pipe(node.pipe, dot, declares=False), node.pipe)
        is_empty = True
        for key, value in pairs:
            is_empty = False
            self._step()
            self._declare_pair(node.pipe, key, value)
            mark = len(self._variables)
            try:
                self._body(node.body, value)
            except _Break:
                break
            except _Continue:
                pass
            finally:
                del self._variables[mark:]
                if not node.pipe.assigns:
                    del self._variables[scope:]
        if is_empty:
            self._body(node.otherwise, dot)
        del self._variables[scope:]

    def _declare_pair(self, pipe: tree.Pipe, key: object, value: object) -> None:
        names = pipe.variables
        values = (value,) if len(names) == 1 else (key, value)
        for name, one in zip(names, values, strict=False):
            if pipe.assigns:
                self._assign(name, one)
            else:
                self._variables.append((name, one))

    def _pairs(self, value: object, pipe: tree.Pipe) -> Iterable[tuple[object, object]]:
        inner = content(value)
        if inner is None:
            return ()
        if isinstance(inner, Mapping):
            return [(key, inner[key]) for key in sorted(inner)]
        if is_list(inner):
            return enumerate(list(inner))
        if isinstance(inner, int) and not isinstance(inner, bool):
            return ((index, index) for index in range(inner))
        self._place = pipe
        raise self._mistake(f"range can't iterate over {type_name(value)}")

    def _call_template(self, name: str, dot: object) -> None:
        unit = self._templates.get(name)
        if unit is None:
            raise self._mistake(f'template "{name}" not defined{did_you_mean(name, self._templates)}')
        self._depth += 1
        if self._depth > self._limits.depth:
            raise self._mistake(f"templates call each other deeper than {self._limits.depth} levels")
        place = self._place
        self._unit(unit, dot, [("", dot)])
        self._place = place
        self._depth -= 1

    # Output

    def _print(self, value: object, pipe: tree.Pipe) -> None:
        self._place = pipe
        if self._escaper is not None:
            self._write("" if value is None else self._escaper.escape(value, self._tail()))
        else:
            self._write("<no value>" if value is None else self._text(value))

    def _text(self, value: object) -> str:
        try:
            return to_text(value)
        except FunctionFailure as failure:
            raise self._mistake(str(failure)) from None

    def _tail(self) -> str:
        """The text written last, where an attribute may have been opened."""
        return "".join(self._out[-4:])[-200:]

    def _write(self, text: str) -> None:
        self._size += len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
        if self._size > self._limits.output_bytes:
            raise self._mistake(f"output is larger than {self._limits.output_bytes} bytes")
        self._out.append(text)

    # Pipelines

    def _pipe(self, pipe: tree.Pipe, dot: object, *, declares: bool = True) -> object:
        value: object = _MISSING
        for command in pipe.commands:
            value = self._command(command, dot, value)
        if declares:
            for name in pipe.variables:
                if pipe.assigns:
                    self._assign(name, value)
                else:
                    self._variables.append((name, value))
        return value

    def _assign(self, name: str, value: object) -> None:
        for index in range(len(self._variables) - 1, -1, -1):
            if self._variables[index][0] == name:
                self._variables[index] = (name, value)
                return

    def _variable(self, name: str) -> object:
        for own, value in reversed(self._variables):
            if own == name:
                return value
        raise self._mistake(f'undefined variable "${name}"')

    def _command(self, command: tree.Command, dot: object, piped: object) -> object:
        self._step()
        first = command.args[0]
        extra: tuple[object, ...] = () if piped is _MISSING else (piped,)
        if isinstance(first, tree.Function):
            return self._function(first, command, dot, extra)
        if len(command.args) == 1 and not extra:
            return self._operand(first, dot)
        args = [self._operand(one, dot) for one in command.args[1:]]
        return self._operand(first, dot, (*args, *extra))

    def _function(
        self, node: tree.Function, command: tree.Command, dot: object, extra: tuple[object, ...]
    ) -> object:
        if node.name in ("and", "or"):
            return self._and_or(node.name, command, dot, extra)
        args = [self._operand(one, dot) for one in command.args[1:]]
        self._place = command
        function = self._functions.get(node.name) or BUILTINS.get(node.name)
        if function is None:
            raise self._mistake(f'function "{node.name}" is not available here')
        return self._call(node.name, function, (*args, *extra))

    def _and_or(self, name: str, command: tree.Command, dot: object, extra: tuple[object, ...]) -> object:
        """The first operand that decides; those behind it are not evaluated."""
        value: object = _MISSING
        for arg in command.args[1:]:
            value = self._operand(arg, dot)
            if truth(value) is (name == "or"):
                return value
        if extra:
            return extra[0]
        if value is _MISSING:
            self._place = command
            raise self._mistake(f"wrong number of args for {name}: want at least 1 got 0")
        return value

    def _call(self, name: str, function: Callable[..., object], args: Sequence[object]) -> object:
        place = self._place
        try:
            value = function(*args)
        except FunctionFailure as failure:
            self._place = place
            raise self._mistake(f"error calling {name}: {failure}") from None
        except TypeError as error:
            if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
                raise
            raise self._mistake(f"wrong number of args for {name}: got {len(args)}") from None
        if isinstance(value, str | list):
            self._made += len(value)
            if self._made > self._limits.made:
                raise self._mistake(f"functions made more than {self._limits.made} characters and list items")
        return value

    def _operand(self, node: tree.Operand, dot: object, args: tuple[object, ...] | None = None) -> object:
        self._place = node
        match node:
            case tree.Dot():
                value = dot
            case tree.Literal(value):
                pass
            case tree.Pipe():
                scope = len(self._variables)
                value = self._pipe(node, dot)
                del self._variables[scope:]
            case tree.Function():
                return self._function(node, tree.Command((node,), node.start, node.end), dot, args or ())
            case tree.Field(names):
                if dot is None and not args:
                    return None  # as Go: no data has no value, however deep one asks
                return self._fields(dot, names, node, args)
            case tree.Variable(name, names):
                value = self._variable(name)
                return self._fields(value, names, node, args) if names else self._no_arguments(value, args)
            case tree.Chain(inner, names):
                return self._fields(self._operand(inner, dot), names, node, args)
        return self._no_arguments(value, args)

    def _no_arguments(self, value: object, args: tuple[object, ...] | None) -> object:
        if args is not None:
            raise self._mistake("can't give an argument to a value that is no function")
        return value

    def _fields(
        self, value: object, names: tuple[str, ...], node: tree.Operand, args: tuple[object, ...] | None
    ) -> object:
        self._place = node
        for index, name in enumerate(names):
            try:
                found, is_method = lookup(value, name)
            except FunctionFailure as failure:
                raise self._mistake(str(failure)) from None
            given = (args or ()) if index == len(names) - 1 else ()
            if is_method:
                assert callable(found)
                value = self._call(name, found, given)
            elif given:
                raise self._mistake(f"{name} is no method, so it takes no arguments")
            else:
                value = found
        return value
