"""The functions that every Go template has: comparisons, logic, index, slice, len, printing, escaping."""

from __future__ import annotations

import html as stdlib_html
from collections.abc import Callable, Mapping
from urllib.parse import quote_plus

from backbeat.templating.errors import FunctionFailure
from backbeat.templating.goprint import sprint, sprintf, sprintln
from backbeat.templating.values import Html, content, is_list, truth, type_name


def _kind(value: object) -> str:
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case None:
            return "nil"
        case _:
            return "other"


def _same(one: object, other: object) -> bool:
    kinds = (_kind(one), _kind(other))
    if "other" in kinds:
        raise FunctionFailure(f"can't compare {type_name(one)} and {type_name(other)}")
    if kinds[0] != kinds[1]:
        if "nil" in kinds:
            return False
        raise FunctionFailure(f"incompatible types for comparison: {type_name(one)} and {type_name(other)}")
    return one == other


def _eq(first: object, *others: object) -> bool:
    """Whether the first equals any of the others."""
    if not others:
        raise FunctionFailure("missing argument for comparison")
    return any(_same(first, other) for other in others)


def _less(one: object, other: object) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one < other
    if _kind(one) == _kind(other) == "number":
        assert isinstance(one, int | float)
        assert isinstance(other, int | float)
        return one < other
    if _kind(one) == _kind(other):
        raise FunctionFailure(f"{type_name(one)} has no order")
    raise FunctionFailure(f"incompatible types for comparison: {type_name(one)} and {type_name(other)}")


def _len(value: object) -> int:
    inner = content(value)
    if isinstance(inner, str):
        return len(inner.encode("utf-8", "replace"))
    if isinstance(inner, Mapping) or is_list(inner):
        return len(inner)
    raise FunctionFailure(f"len of type {type_name(value)}")


def _place(value: object, size: int, *, is_end: bool = False) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise FunctionFailure(f"cannot index with type {type_name(value)}")
    if not 0 <= value < size + is_end:
        raise FunctionFailure(f"index out of range: {value}")
    return value


def _index(value: object, *indexes: object) -> object:
    for index in indexes:
        inner = content(value)
        if isinstance(inner, Mapping):
            if not isinstance(index, str):
                raise FunctionFailure(f"a map's key is a string, not {type_name(index)}")
            absent = "" if inner and all(isinstance(one, str) for one in inner.values()) else None
            value = inner.get(index, absent)
        elif is_list(inner):
            value = inner[_place(index, len(inner))]
        elif isinstance(inner, str):
            encoded = inner.encode("utf-8", "replace")
            value = encoded[_place(index, len(encoded))]
        else:
            raise FunctionFailure(f"can't index item of type {type_name(value)}")
    return value


def _slice(value: object, *places: object) -> object:
    inner = content(value)
    if len(places) > 3 or (len(places) == 3 and isinstance(inner, str)):
        raise FunctionFailure(f"too many slice indexes: {len(places)}")
    if isinstance(inner, str):
        encoded = inner.encode("utf-8", "replace")
        start, end = _bounds(places, len(encoded))
        return encoded[start:end].decode("utf-8", "replace")
    if not is_list(inner):
        raise FunctionFailure(f"can't slice item of type {type_name(value)}")
    start, end = _bounds(places, len(inner))
    return list(inner[start:end])


def _bounds(places: tuple[object, ...], size: int) -> tuple[int, int]:
    found = [_place(place, size, is_end=True) for place in places]
    start = found[0] if found else 0
    end = found[1] if len(found) > 1 else size
    if start > end:
        raise FunctionFailure(f"invalid slice index: {start} > {end}")
    return start, end


def escape_html(text: str) -> Html:
    escaped = stdlib_html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")
    return Html(escaped.replace("\0", "\ufffd"))


_JS = {"\\": "\\\\", "'": "\\'", '"': '\\"'}


def _js(*values: object) -> str:
    return "".join(_js_char(char) for char in sprint(values))


def _js_char(char: str) -> str:
    if char in _JS:
        return _JS[char]
    return f"\\u{ord(char):04X}" if char < " " or char in "<>&=" else char


def _printf(form: object, *values: object) -> str:
    if not isinstance(form, str):
        raise FunctionFailure(f"printf needs a format, not {type_name(form)}")
    return sprintf(form, values)


def _call(function: object, *_: object) -> object:
    raise FunctionFailure(f"non-function of type {type_name(function)}")


BUILTINS: Mapping[str, Callable[..., object]] = {
    "and": lambda *values: next((one for one in values if not truth(one)), values[-1]),
    "or": lambda *values: next((one for one in values if truth(one)), values[-1]),
    "not": lambda value: not truth(value),
    "eq": _eq,
    "ne": lambda one, other: not _same(one, other),
    "lt": _less,
    "le": lambda one, other: _less(one, other) or _same(one, other),
    "gt": lambda one, other: not (_less(one, other) or _same(one, other)),
    "ge": lambda one, other: not _less(one, other),
    "len": _len,
    "index": _index,
    "slice": _slice,
    "print": lambda *values: sprint(values),
    "println": lambda *values: sprintln(values),
    "printf": _printf,
    "html": lambda *values: escape_html(sprint(values)),
    "js": _js,
    "urlquery": lambda *values: quote_plus(sprint(values)),
    "call": _call,
}
