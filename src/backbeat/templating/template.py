"""Templates to keep and render: one text, or a set of named ones that call each other.

In:  texts, the names of functions and variables. Out: `Template.render(data)` gives text.
A parsed template is immutable; renderings share nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from msgspec import Struct

from backbeat.templating.builtins import BUILTINS
from backbeat.templating.errors import Source
from backbeat.templating.interpreter import Functions, Interpreter, Limits, Unit
from backbeat.templating.parser import parse
from backbeat.templating.values import Html

_NO_LIMITS_CHANGED = Limits()
_TMPL = "tmpl"
MAX_TEMPLATE_BYTES = 1024 * 1024


class TemplateSet:
    """Named templates (`{{ define "x" }}`) from any number of texts; a later one replaces an earlier."""

    def __init__(self, functions: Functions | None = None) -> None:
        self.functions: Functions = functions or {}
        self._units: dict[str, Unit] = {}

    def add(self, text: str, name: str = "") -> None:
        """Take in a file of definitions; its own text is the template `name`. Raises TemplateError."""
        source = _source(text, name)
        parsed = parse(source, _names(self.functions))
        self._units |= {own: Unit(source, body) for own, body in parsed.defines.items()}
        if name:
            self._units[name] = Unit(source, parsed.body)

    def parse(
        self, text: str, name: str = "", *, html: bool = False, variables: Collection[str] = ()
    ) -> Template:
        """A text that may call every template of this set, as the set is now. Raises TemplateError."""
        return Template.parse(
            text, name, functions=self.functions, html=html, variables=variables, templates=self
        )

    @property
    def names(self) -> Iterable[str]:
        return self._units.keys()

    @property
    def units(self) -> Mapping[str, Unit]:
        """As they are now; what is added later is not in it."""
        return dict(self._units)


class Template(Struct, frozen=True):
    """One parsed template."""

    name: str
    text: str
    functions_used: frozenset[str]
    """the names of all functions it calls, but not those of templates it invokes"""
    html: bool
    _unit: Unit
    _templates: Mapping[str, Unit]
    _functions: Functions
    _variables: frozenset[str] = frozenset()

    @classmethod
    def parse(
        cls,
        text: str,
        name: str = "",
        *,
        functions: Functions | None = None,
        html: bool = False,
        variables: Collection[str] = (),
        templates: TemplateSet | None = None,
    ) -> Template:
        """Raises TemplateError: syntax, an unknown function, an undefined variable.

        variables: names (without the dollar) that every rendering is given.
        """
        source = _source(text, name)
        functions = functions or {}
        parsed = parse(source, _names(functions), variables)
        own = {defined: Unit(source, body) for defined, body in parsed.defines.items()}
        units = {**({} if templates is None else templates.units), **own}
        return cls(
            name,
            text,
            frozenset(parsed.functions),
            html,
            Unit(source, parsed.body),
            units,
            functions,
            frozenset(variables),
        )

    def render(
        self,
        data: object = None,
        *,
        functions: Functions | None = None,
        variables: Mapping[str, object] | None = None,
        limits: Limits = _NO_LIMITS_CHANGED,
    ) -> str:
        """The text for `data`. Raises TemplateError.

        functions: replace those it was parsed with, by name (what depends on the moment, such as `query`).
        """
        bound: dict[str, Callable[..., object]] = {**self._functions, **(functions or {})}
        interpreter = Interpreter(self._templates, bound, limits, html=self.html)
        if _TMPL in bound:
            bound[_TMPL] = lambda name, dot: _invoke(interpreter, name, dot, html=self.html)
        given = dict.fromkeys(self._variables) | dict(variables or {})
        return interpreter.render(self._unit, data, given)


def _invoke(interpreter: Interpreter, name: object, dot: object, *, html: bool) -> str:
    """`tmpl "name" data`: a named template's output as a value, which is HTML already in HTML mode."""
    text = interpreter.invoke(str(name), dot)
    return Html(text) if html else text


def _names(functions: Functions) -> Collection[str]:
    return {*functions, *BUILTINS}


def _source(text: str, name: str) -> Source:
    source = Source(text, name)
    if len(text) > MAX_TEMPLATE_BYTES:
        raise source.mistake(
            0, 0, f"template has {len(text)} characters, expected at most {MAX_TEMPLATE_BYTES}"
        )
    return source
