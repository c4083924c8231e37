"""From a section to a struct whose attributes are named as the fields are.

A value comes from the section, else from the field of `global` that it inherits, else the struct has a
default. `_ms` ends the names of durations, and `_` those that Python keeps for itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields, replace

from backbeat.config.http_client import NO_SECRET, HTTPClient, SecretSource
from backbeat.config.http_fields import http_client, secret_source
from backbeat.config.nodes import Node
from backbeat.config.plain import plain
from backbeat.config.schema import Section

T = TypeVar("T")
Inherited = Mapping[str, str]
"""Names of fields → names of the fields of `global` that they inherit."""
_UNSET: Any = object()


def filled(
    kind: type[T],
    own: Section | None,
    shared: Section | None = None,
    inherited: Inherited | None = None,
    **given: object,
) -> T:
    """The typed value of a section that was read without mistakes; `given` wins over what it says."""
    made: Any = kind
    return made(**{**_values(kind, own, shared, inherited or {}), **given})  # type: ignore[no-any-return]


def _values(kind: type, own: Section | None, shared: Section | None, inherited: Inherited) -> dict[str, Any]:
    hints = _hints(kind)
    found: dict[str, Any] = {}
    for field in fields(kind):
        name = field_name(field.name)
        value: Any
        if hints[field.name] is HTTPClient:
            value = _http(own, shared)
        elif hints[field.name] is SecretSource:
            value = _secret(own, name, shared, inherited.get(name, ""))
        else:
            value = _value(field, hints[field.name], name, own)
            if name in inherited and (value is _UNSET or not value):
                value = (shared.get(inherited[name]) if shared is not None else None) or _UNSET
        if value is not _UNSET:
            found[field.name] = value
    return found


def field_name(attribute: str) -> str:
    """The YAML field of an attribute."""
    return attribute.removesuffix("_ms").rstrip("_")


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _value(field: FieldInfo, hint: Any, name: str, own: Section | None) -> Any:
    if own is None or name not in own.values:
        return _UNSET
    written = own.values[name]
    inner = _struct_in(hint)
    if inner is None:
        return _plain(written)
    if get_origin(hint) is tuple:
        return tuple(filled(inner, each) for each in own.sections(name))
    if written is None:
        return _UNSET
    default = _default(field)
    if isinstance(written, Section):
        given = _values(inner, written, None, {})
        return inner(**given) if default is None else replace(default, **given)
    return inner(written)


def _struct_in(hint: Any) -> Any:
    """The struct that a hint such as `X`, `X | None` or `tuple[X, ...]` is about."""
    candidates = get_args(hint) if get_origin(hint) in (tuple, UnionType) else (hint,)
    return next((each for each in candidates if isinstance(each, type) and issubclass(each, Struct)), None)


def _default(field: FieldInfo) -> Any:
    if field.default is not NODEFAULT:
        return field.default
    return field.default_factory() if field.default_factory is not NODEFAULT else None


def _plain(value: Any) -> Any:
    """Values that pass as they stand lose their places in the file."""
    if isinstance(value, Node):
        return plain(value)
    if isinstance(value, tuple):
        return tuple(_plain(each) for each in value)
    return value


def _secret(own: Section | None, name: str, shared: Section | None, shared_name: str) -> SecretSource:
    """The section's own secret, inline or in a file, else the one of `global`."""
    given = secret_source(own, name, f"{name}_file") if own is not None else NO_SECRET
    if given or shared is None or not shared_name:
        return given
    return secret_source(shared, shared_name, f"{shared_name}_file")


def _http(own: Section | None, shared: Section | None) -> HTTPClient:
    section = own.get("http_config") if own is not None else None
    if section is None and shared is not None:
        section = shared.get("http_config")
    return http_client(section)
