"""What templates work on: str, int, float, bool, None, lists, mappings with text keys, and Records.

Nothing else is reachable: a Record says itself which fields and methods a template may see, so no template
can walk from a value to the program around it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeGuard

from backbeat.templating.errors import FunctionFailure, did_you_mean

Method = Callable[..., object]


class Html(str):
    """Text that is HTML already: the HTML mode writes it as it is."""

    __slots__ = ()


class Url(str):
    """A URL that was declared safe, whatever its scheme."""

    __slots__ = ()


class Record:
    """A value with fields and methods of its own, like a struct in Go.

    A subclass overrides what it has. `content` makes it a list or a mapping as well (for range, len, index);
    `text` is how it prints.
    """

    __slots__ = ()
    go_type = "struct"

    def fields(self) -> Mapping[str, object]:
        return {}

    def methods(self) -> Mapping[str, Method]:
        return {}

    def content(self) -> Sequence[object] | Mapping[str, object] | None:
        return None

    def text(self) -> str | None:
        """None: printed as its content, or as its fields in braces."""
        return None

    def json(self) -> object:
        """What toJson writes."""
        content = self.content()
        return dict(self.fields()) if content is None else content


def is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, list | tuple)


def content(value: object) -> object:
    """A Record's list or mapping, or the value itself."""
    if isinstance(value, Record):
        inner = value.content()
        return value if inner is None else inner
    return value


def type_name(value: object) -> str:
    """The value's type in Go's words."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "float64"
        case str():
            return "string"
        case Record():
            return value.go_type
        case Mapping():
            return "map[string]string" if holds_only_text(value) else "map[string]interface {}"
        case _:
            return (
                "[]string"
                if is_list(value) and all(isinstance(one, str) for one in value)
                else "[]interface {}"
            )


def holds_only_text(value: Mapping[str, object]) -> bool:
    return all(isinstance(one, str) for one in value.values())


def truth(value: object) -> bool:
    """Go's: zero, empty and nil are false, every other struct is true."""
    inner = content(value)
    if inner is None or isinstance(inner, bool | int | float):
        return bool(inner)
    if isinstance(inner, str | Mapping) or is_list(inner):
        return len(inner) > 0
    return True


def lookup(value: object, name: str) -> tuple[object, bool]:
    """The field, key or method `name` of a value: (it, whether it is a method).

    A key that is not there is empty text in a mapping of texts (labels), else nil.
    """
    if value is None:
        raise FunctionFailure(f"nil has no field {name}")
    if isinstance(value, Record):
        method = value.methods().get(name)
        if method is not None:
            return method, True
        fields = value.fields()
        if name in fields:
            return fields[name], False
    inner = content(value)
    if isinstance(inner, Mapping):
        if name in inner:
            return inner[name], False
        return ("" if holds_only_text(inner) else None), False
    known = (*value.fields(), *value.methods()) if isinstance(value, Record) else ()
    raise FunctionFailure(
        f"can't evaluate field {name} in type {type_name(value)}{did_you_mean(name, known, '.')}"
    )
