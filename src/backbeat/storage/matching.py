"""Which values of a label a matcher accepts, without asking the regular expression more than needed.

Most expressions that people write are a few alternatives (`a|b|c`) or a prefix (`api/.*`); those are
answered by dict lookups and `startswith`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable

from backbeat.model.matchers import Matcher, MatchOp

_PLAIN = r"[\w \-/:,=@%&~#!<>\"';]"
_LITERAL = rf"(?:{_PLAIN}|\\[.+*?()\[\]{{}}^$\\/\-])*"
_ALTERNATIVES = re.compile(rf"(\(?(?:(?<=\()\?:)?)({_LITERAL}(?:\|{_LITERAL})*)(\)?)")
_PREFIX = re.compile(rf"({_PLAIN}+)\.([*+])")
_ESCAPED = re.compile(r"\\(.)")


def literal_alternatives(pattern: str) -> tuple[str, ...] | None:
    """The finite set of texts that the pattern accepts, where it is plainly one; else None."""
    found = _ALTERNATIVES.fullmatch(pattern)
    if found is None or bool(found[1]) != bool(found[3]):
        return None
    return tuple(_ESCAPED.sub(r"\1", each) for each in found[2].split("|"))


def accepted_values(matcher: Matcher, values: Collection[str]) -> Iterable[str]:
    """Those of the label's known values (never empty ones) that the matcher accepts."""
    if matcher.op is MatchOp.EQUAL:
        return (matcher.value,) if matcher.value in values else ()
    if matcher.op is MatchOp.NOT_EQUAL:
        return [value for value in list(values) if value != matcher.value]
    regex = matcher.op is MatchOp.REGEX
    alternatives = literal_alternatives(matcher.value)
    if alternatives is not None:
        if regex:
            return [value for value in dict.fromkeys(alternatives) if value in values]
        unwanted = frozenset(alternatives)
        return [value for value in list(values) if value not in unwanted]
    accepts = _prefix_test(matcher) or matcher.matches
    return [value for value in list(values) if accepts(value)]


def refused_values(matcher: Matcher, values: Collection[str]) -> Iterable[str]:
    """Those of the label's known values that the matcher refuses."""
    accepted = frozenset(accepted_values(matcher, values))
    return [value for value in list(values) if value not in accepted]


def _prefix_test(matcher: Matcher) -> Callable[[str], bool] | None:
    found = _PREFIX.fullmatch(matcher.value) if matcher.op is MatchOp.REGEX else None
    if found is None:
        return None
    prefix, least = found[1], len(found[1]) + (found[2] == "+")
    return lambda value: value.startswith(prefix) and len(value) >= least
