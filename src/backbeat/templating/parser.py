"""The grammar of Go's text/template: tokens to a tree.

In:  a source, the names of its functions and of the variables it is given. Out: the body and what it defines.
Unknown functions and variables are mistakes here, before anything is rendered.
"""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct, field

from backbeat.model import gotext
from backbeat.templating import tree
from backbeat.templating.errors import Source, TemplateError, did_you_mean
from backbeat.templating.lexer import Token, tokens
from backbeat.templating.numbers import parse_number

MAX_NESTING = 100
_CALLABLE = (tree.Field, tree.Function, tree.Variable, tree.Chain)
_KEYWORDS = ("if", "range", "with", "template", "define", "block", "break", "continue", "else", "end")


class Parsed(Struct):
    body: tree.Body = ()
    defines: dict[str, tree.Body] = field(default_factory=dict)
    functions: set[str] = field(default_factory=set)
    """every function that is called somewhere"""


def parse(source: Source, functions: Collection[str], variables: Collection[str] = ()) -> Parsed:
    """Raises TemplateError."""
    parser = _Parser(source, functions, variables)
    parsed = parser.parsed
    parsed.body, stop = parser.body()
    if stop is not None:
        raise parser.mistake(stop, f"unexpected {{{{ {stop.text} }}}}")
    return parsed


class _Parser:
    def __init__(self, source: Source, functions: Collection[str], variables: Collection[str]) -> None:
        self.parsed = Parsed()
        self._source = source
        self._functions = functions
        self._variables = list(variables)
        self._tokens = list(tokens(source))
        self._at = 0
        self._depth = 0
        self._loops = 0
        self._defined: set[str] = set()
        """templates with a text of their own"""

    # Reading

    def mistake(self, token: Token, message: str) -> TemplateError:
        return self._source.mistake(token.start, max(token.end, token.start + 1), message)

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _skip_space(self) -> None:
        while self._peek().kind == "space":
            self._at += 1

    def _close(self, what: str) -> Token:
        self._skip_space()
        if self._peek().kind != "close":
            raise self._unexpected(what)
        return self._take()

    def _unexpected(self, what: str) -> TemplateError:
        token = self._peek()
        shown = {"end": "end of the template", "close": "}}"}.get(token.kind, repr(token.text))
        return self.mistake(token, f"unexpected {shown} in {what}")

    # Blocks

    def body(self) -> tuple[tree.Body, Token | None]:
        """Nodes until `{{ end }}` or `{{ else`, whose word is taken and returned, or the end of the text."""
        self._depth += 1
        nodes: list[tree.Node] = []
        while True:
            token = self._take()
            if self._depth > MAX_NESTING:
                raise self.mistake(token, f"nested deeper than {MAX_NESTING} levels")
            if token.kind == "end":
                self._at -= 1
                break
            if token.kind == "text":
                nodes.append(tree.Text(token.text))
                continue
            self._skip_space()
            word = self._peek()
            if word.kind == "name" and word.text in ("else", "end"):
                self._take()
                self._depth -= 1
                return tuple(nodes), word
            node = self._action(token, word)
            if node is not None:
                nodes.append(node)
        self._depth -= 1
        return tuple(nodes), None

    def _action(self, opening: Token, word: Token) -> tree.Node | None:
        keyword = word.text if word.kind == "name" and word.text in _KEYWORDS else ""
        if not keyword:
            pipe = self._pipe("command")
            self._close("command")
            return tree.Action(pipe)
        self._take()
        match keyword:
            case "if" | "with" | "range":
                return self._control(keyword, opening)
            case "template":
                return self._invoke(opening)
            case "define":
                self._define(opening)
                return None
            case "block":
                return self._block(opening)
            case _:
                if not self._loops:
                    raise self.mistake(word, f"{{{{{keyword}}}}} outside {{{{range}}}}")
                self._close(keyword)
                return tree.Break() if keyword == "break" else tree.Continue()

    def _control(self, keyword: str, opening: Token) -> tree.Node:
        scope = len(self._variables)
        pipe = self._pipe(keyword, is_range=keyword == "range")
        self._close(keyword)
        self._loops += keyword == "range"
        body, stop = self.body()
        self._loops -= keyword == "range"
        otherwise: tree.Body = ()
        if stop is not None and stop.text == "else":
            otherwise, stop = self._else(keyword, stop)
        if stop is None:
            raise self.mistake(opening, f"{{{{{keyword}}}}} without {{{{end}}}}")
        if stop.text == "end":
            self._close("end")
        del self._variables[scope:]
        if keyword == "range":
            return tree.Range(pipe, body, otherwise)
        return tree.If(pipe, body, otherwise) if keyword == "if" else tree.With(pipe, body, otherwise)

    def _else(self, keyword: str, word: Token) -> tuple[tree.Body, Token | None]:
        """After `else`: a body, or for `else if` and `else with` one node that takes the `end` with it."""
        self._skip_space()
        again = self._peek()
        if again.kind == "name" and again.text == keyword and keyword in ("if", "with"):
            self._take()
            self._depth += 1
            if self._depth > MAX_NESTING:
                raise self.mistake(again, f"nested deeper than {MAX_NESTING} levels")
            node = self._control(keyword, word)
            self._depth -= 1
            return (node,), Token("name", "closed", word.start, word.end)
        self._close("else")
        body, stop = self.body()
        if stop is not None and stop.text == "else":
            raise self.mistake(stop, "expected {{end}}; found {{else}}")
        return body, stop

    def _define(self, opening: Token) -> None:
        if self._depth > 1 or self._loops:
            raise self.mistake(
                opening, "{{define}} belongs at the top of a template, not inside another block"
            )
        name = self._template_name("define")
        self._close("define")
        self._define_body(name, "define", opening)

    def _define_body(self, name: str, keyword: str, opening: Token) -> None:
        outside, self._variables = self._variables, []
        loops, self._loops = self._loops, 0
        body, stop = self.body()
        self._variables, self._loops = outside, loops
        if stop is None or stop.text != "end":
            raise self.mistake(stop or opening, f"{{{{{keyword}}}}} without {{{{end}}}}")
        self._close("end")
        has_text = any(not isinstance(node, tree.Text) or node.text.strip() for node in body)
        if not has_text:
            self.parsed.defines.setdefault(name, body)
        elif name in self._defined:
            raise self.mistake(opening, f'multiple definition of template "{name}"')
        else:
            self._defined.add(name)
            self.parsed.defines[name] = body

    def _block(self, opening: Token) -> tree.Invoke:
        name = self._template_name("block")
        pipe = self._pipe("block")
        end = self._close("block").end
        self._define_body(name, "block", opening)
        return tree.Invoke(name, pipe, opening.start, end)

    def _invoke(self, opening: Token) -> tree.Invoke:
        name = self._template_name("template")
        self._skip_space()
        pipe = None if self._peek().kind == "close" else self._pipe("template")
        return tree.Invoke(name, pipe, opening.start, self._close("template").end)

    def _template_name(self, what: str) -> str:
        self._skip_space()
        if self._peek().kind != "string":
            raise self._unexpected(f"{what}, expected a quoted name")
        return self._string(self._take())

    # Pipelines

    def _pipe(self, what: str, *, is_range: bool = False) -> tree.Pipe:
        self._depth += 1
        self._skip_space()
        start = self._peek()
        if self._depth > MAX_NESTING:
            raise self.mistake(start, f"nested deeper than {MAX_NESTING} levels")
        names, assigns = self._declared(is_range)
        commands = [self._command(what)]
        while self._peek().text == "|" and self._peek().kind == "mark":
            self._take()
            commands.append(self._command(what))
            first = commands[-1].args[0]
            if not isinstance(first, _CALLABLE):
                raise self._source.mistake(
                    first.start, first.end, f"a pipe needs a function or method in stage {len(commands)}"
                )
        if not assigns:
            self._variables += names
        self._depth -= 1
        return tree.Pipe(tuple(commands), tuple(names), assigns, start.start, commands[-1].end)

    def _declared(self, is_range: bool) -> tuple[list[str], bool]:
        """`$x :=`, `$x =`, and in range `$i, $x :=`: the names, and whether they exist already."""
        begin = self._at
        found: list[Token] = []
        while self._peek().kind == "variable":
            found.append(self._take())
            self._skip_space()
            if not (is_range and self._peek().text == "," and len(found) == 1):
                break
            self._take()
            self._skip_space()
            if self._peek().kind != "variable":
                raise self._unexpected("range, expected a variable behind the comma")
        mark = self._peek()
        if not found or mark.kind != "mark" or mark.text not in (":=", "="):
            self._at = begin
            return [], False
        self._take()
        if mark.text == "=":
            for token in found:
                self._known(token)
        return [token.text[1:] for token in found], mark.text == "="

    def _command(self, what: str) -> tree.Command:
        self._skip_space()
        args: list[tree.Operand] = []
        while True:
            token = self._peek()
            if self._ends_command(token):
                break
            args.append(self._operand(what))
            if self._peek().kind == "space":
                self._skip_space()
            elif self._peek().kind not in ("close", "end", "mark") or (
                self._peek().kind == "mark" and self._peek().text not in ("|", ")")
            ):
                raise self._unexpected("operand")
        if not args:
            raise self.mistake(self._peek(), f"missing value for {what}")
        if isinstance(args[0], tree.Literal) and args[0].value is None:
            raise self._source.mistake(args[0].start, args[0].end, "nil is not a command")
        if len(args) > 1 and isinstance(args[0], tree.Literal | tree.Dot | tree.Pipe):
            raise self._source.mistake(args[0].start, args[0].end, "not a function, so it takes no arguments")
        return tree.Command(tuple(args), args[0].start, args[-1].end)

    @staticmethod
    def _ends_command(token: Token) -> bool:
        return token.kind in ("close", "end") or (token.kind == "mark" and token.text in ("|", ")"))

    def _operand(self, what: str) -> tree.Operand:
        token = self._take()
        match token.kind:
            case "string":
                return self._no_fields(tree.Literal(self._string(token), token.start, token.end))
            case "number" | "char":
                return self._no_fields(tree.Literal(self._number(token), token.start, token.end))
            case "name":
                return self._no_fields(self._name(token))
            case "dot":
                return tree.Dot(token.start, token.end)
            case "field":
                names, end = self._fields(token.end)
                return tree.Field((token.text[1:], *names), token.start, end)
            case "variable":
                self._known(token)
                names, end = self._fields(token.end)
                return tree.Variable(token.text[1:], names, token.start, end)
        if token.text != "(":
            self._at -= 1
            raise self._unexpected(what)
        pipe = self._pipe("parenthesized pipeline")
        self._skip_space()
        if self._peek().text != ")":
            raise self._unexpected("parentheses; is a ) missing?")
        closing = self._take()
        names, end = self._fields(closing.end)
        return tree.Chain(pipe, names, token.start, end) if names else pipe

    def _fields(self, end: int) -> tuple[tuple[str, ...], int]:
        names: list[str] = []
        while self._peek().kind == "field":
            token = self._take()
            names.append(token.text[1:])
            end = token.end
        return tuple(names), end

    def _no_fields(self, operand: tree.Literal | tree.Function) -> tree.Operand:
        if self._peek().kind == "field":
            raise self.mistake(self._peek(), f"unexpected {self._peek().text!r} after a constant or function")
        return operand

    def _name(self, token: Token) -> tree.Literal | tree.Function:
        constants = {"true": True, "false": False, "nil": None}
        if token.text in constants:
            return tree.Literal(constants[token.text], token.start, token.end)
        if token.text not in self._functions:
            hint = did_you_mean(token.text, self._functions)
            raise self.mistake(token, f'function "{token.text}" not defined{hint}')
        self.parsed.functions.add(token.text)
        return tree.Function(token.text, token.start, token.end)

    def _known(self, token: Token) -> None:
        name = token.text[1:]
        if name and name not in self._variables:
            hint = did_you_mean(name, self._variables, "$")
            raise self.mistake(token, f'undefined variable "${name}"{hint}')

    def _string(self, token: Token) -> str:
        try:
            return gotext.unquote(token.text)
        except ValueError as error:
            raise self.mistake(token, f"{token.text} is no string: {error}") from None

    def _number(self, token: Token) -> int | float:
        try:
            if token.kind == "char":
                return ord(gotext.unquote(token.text))
            return parse_number(token.text)
        except (ValueError, TypeError):
            raise self.mistake(token, f"bad number syntax: {token.text}") from None
