"""Functions on texts: case, regular expressions, links, hosts. Regular expressions are RE2's."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus, unquote_to_bytes

import re2

from backbeat.templating.errors import FunctionFailure
from backbeat.templating.functions.checks import items, takes, text
from backbeat.templating.goprint import MAX_TEXT, Writer, sprint
from backbeat.templating.values import Html, Url

_QUIET = re2.Options()
_QUIET.log_errors = False
_WORD = re.compile(r"\w+(?:[.:'’·]\w+)*")
_REFERENCE = re.compile(r"\$(?:\$|(\w+)|\{(\w+)\})")
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")


@lru_cache(maxsize=512)
def _compile(pattern: str) -> Any:
    try:
        return re2.compile(pattern, _QUIET)
    except re2.error as error:
        detail = error.args[0] if error.args else error
        shown = detail.decode() if isinstance(detail, bytes) else str(detail)
        raise FunctionFailure(f"invalid regular expression {pattern!r}: {shown}") from None


def _encodable(value: str) -> str:
    return value.encode("utf-8", "replace").decode()


@takes(text, text)
def match(pattern: str, value: str) -> bool:
    """Whether the expression occurs anywhere in the text."""
    return _compile(_encodable(pattern)).search(_encodable(value)) is not None


@takes(text, text, text)
def re_replace_all(pattern: str, replacement: str, value: str) -> str:
    """Every occurrence replaced; `$1` and `${name}` stand for groups."""
    writer = Writer(MAX_TEXT)
    at = 0
    value = _encodable(value)
    for found in _compile(_encodable(pattern)).finditer(value):
        writer.write(value[at : found.start()])
        writer.write(_REFERENCE.sub(_group_of(found), replacement))
        at = found.end()
    writer.write(value[at:])
    return writer.text()


def _group_of(found: Any) -> Callable[[re.Match[str]], str]:
    def group(reference: re.Match[str]) -> str:
        name = reference[1] or reference[2]
        if name is None:
            return "$"
        try:
            return found.group(int(name) if name.isdecimal() else name) or ""
        except (IndexError, KeyError, re2.error):
            return ""

    return group


def _title(word: str, rest: Callable[[str], str]) -> str:
    return _WORD.sub(lambda found: found[0][:1].title() + rest(found[0][1:]), word)


@takes(text)
def title(value: str) -> str:
    """Each word with a capital, the rest as it was."""
    return _title(value, str)


@takes(text)
def title_lower(value: str) -> str:
    """Each word with a capital, the rest in lower case."""
    return _title(value, str.lower)


@takes(text)
def to_upper(value: str) -> str:
    return value.upper()


@takes(text)
def to_lower(value: str) -> str:
    return value.lower()


@takes(text)
def trim_space(value: str) -> str:
    return value.strip()


@takes(text)
def safe_html(value: str) -> Html:
    return Html(value)


@takes(text)
def safe_url(value: str) -> Url:
    return Url(value)


@takes(text, items)
def join(separator: str, values: Sequence[object]) -> str:
    """Of a list of anything: what is no text is printed."""
    parts = [sprint([value]) for value in values]
    if len(separator) * len(parts) + sum(map(len, parts)) > MAX_TEXT:
        raise FunctionFailure(f"text longer than {MAX_TEXT} characters")
    return separator.join(parts)


@takes(text)
def url_query_escape(value: str) -> str:
    return quote_plus(value, errors="replace")


@takes(text)
def url_unescape(value: str) -> str:
    wrong = _BAD_ESCAPE.search(value)
    if wrong is not None:
        raise FunctionFailure(f'invalid URL escape "{value[wrong.start() : wrong.start() + 3]}"')
    return unquote_to_bytes(value.replace("+", " ")).decode("utf-8", "replace")


@takes(text)
def graph_link(expr: str) -> str:
    return f"/graph?g0.expr={quote_plus(expr, errors='replace')}&g0.tab=0"


@takes(text)
def table_link(expr: str) -> str:
    return f"/graph?g0.expr={quote_plus(expr, errors='replace')}&g0.tab=1"


def _split_port(value: str) -> tuple[str, str] | None:
    """host:port or [host]:port; None for anything else."""
    found = re.fullmatch(r"\[([^\[\]]*)\]:([^:\[\]]*)|([^:\[\]]*):([^:\[\]]*)", value)
    if found is None:
        return None
    return (found[1], found[2]) if found[1] is not None else (found[3], found[4])


@takes(text)
def strip_port(value: str) -> str:
    split = _split_port(value)
    return value if split is None else split[0]


@takes(text)
def strip_domain(value: str) -> str:
    host, port = _split_port(value) or (value, "")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        short = host.split(".")[0]
        return f"{short}:{port}" if port else short
    return value
