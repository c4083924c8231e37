"""Label matchers, with Prometheus's semantics: an absent label has the empty value."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

import re2
from msgspec import Struct
from msgspec.structs import force_setattr

from backbeat.model.errors import RegexError
from backbeat.model.gotext import is_utf8, readable
from backbeat.model.labels import Labels, quote, quote_label_name

_OPERATORS = re.compile(r"[\\.+*?()\[\]{}^$]")
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.dot_nl = True


class MatchOp(StrEnum):
    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


def compile_regex(pattern: str) -> Any:
    """Compile with RE2, Prometheus's own syntax; linear time whatever the input. Raises RegexError."""
    if not is_utf8(pattern):
        raise RegexError(f"invalid regular expression {quote(pattern)}: invalid UTF-8")
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        detail = error.args[0] if error.args else error
        text = detail.decode() if isinstance(detail, bytes) else str(detail)
        raise RegexError(f"invalid regular expression {pattern!r}: {text}") from None


class Matcher(Struct, frozen=True):
    """One condition on one label. Regular expressions are anchored at both ends."""

    name: str
    op: MatchOp
    value: str
    _regex: Any = None
    _hash: int = 0

    def __post_init__(self) -> None:
        # Selectors are keys of everything that is remembered of queries.
        force_setattr(self, "_hash", hash((self.name, str(self.op), self.value)))
        if self.op in (MatchOp.REGEX, MatchOp.NOT_REGEX):
            # Plain alternatives need not be UTF-8: Prometheus compares them without a regular expression.
            plain = _OPERATORS.search(self.value) is None
            force_setattr(self, "_regex", compile_regex(readable(self.value) if plain else self.value))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Matcher):
            return NotImplemented
        return self.name == other.name and self.op is other.op and self.value == other.value

    def __repr__(self) -> str:
        return f"Matcher(name={self.name!r}, op={self.op!r}, value={self.value!r})"

    def matches(self, value: str) -> bool:
        """Whether a label of this value (empty where absent) satisfies the condition."""
        if self.op is MatchOp.EQUAL:
            return value == self.value
        if self.op is MatchOp.NOT_EQUAL:
            return value != self.value
        found = self._regex.fullmatch(value) is not None
        return found if self.op is MatchOp.REGEX else not found

    def accepts(self, labels: Labels) -> bool:
        return self.matches(labels.get(self.name))

    @property
    def matches_empty(self) -> bool:
        return self.matches("")

    def __str__(self) -> str:
        return f"{quote_label_name(self.name)}{self.op}{quote(self.value)}"
