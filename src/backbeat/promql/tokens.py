"""One query's tokens with a place in them: looking ahead by one, literals, and complaints.

A token is read only when it is needed: a mistake that the grammar finds first is reported first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

from backbeat.model import gotext
from backbeat.model.durations import parse_duration
from backbeat.model.errors import DurationError
from backbeat.model.results import BadQuery
from backbeat.promql.ast import NumberLiteral, Span
from backbeat.promql.lexer import DURATION, Lexer, Token
from backbeat.promql.mistakes import bad_query

MAX_DEPTH = 200
_PART = re.compile(r"([0-9]+)([^0-9]+)")
_UNITS = ("y", "w", "d", "h", "m", "s", "ms")
_OCTAL = re.compile(r"0_?[0-7]+(?:_[0-7]+)*")


class TokenReader:
    """The parser's view of one query."""

    __slots__ = ("_contexts", "_depth", "_lexer", "_token", "last_end", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.last_end = 0
        self._lexer = Lexer(text)
        self._token: Token | None = None
        self._depth = 0
        self._contexts: list[tuple[str, str]] = []

    def peek(self) -> Token:
        if self._token is None:
            self._token = self._lexer.next()
        return self._token

    def take(self) -> Token:
        token = self.peek()
        self._token = None
        self.last_end = token.end
        return token

    def expect(self, kind: str) -> Token:
        if self.peek().kind != kind:
            raise self.unexpected()
        return self.take()

    @contextmanager
    def inside(self, context: str, expected: str = "") -> Iterator[None]:
        """While it lasts, whatever is unexpected is unexpected `in context, expected ...`."""
        self._contexts.append((context, expected))
        yield
        self._contexts.pop()

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """One level of nesting."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self.too_deep(self.peek().start)
        yield
        self._depth -= 1

    def check_chain(self, links: int, start: int) -> None:
        """A chain of operators nests as well: its tree is as deep as it is long."""
        if links > MAX_DEPTH:
            raise self.too_deep(start)

    def too_deep(self, start: int) -> BadQuery:
        return self.mistake(
            start, f"query nests deeper than {MAX_DEPTH} levels; split it with recording rules"
        )

    def mistake(self, start: int, message: str, hint: str = "") -> BadQuery:
        return bad_query(self.text, start, message, hint)

    def unexpected(self, context: str = "", expected: str = "", hint: str = "") -> BadQuery:
        """Complain about the token that comes next."""
        token = self.peek()
        if not context and self._contexts:
            context, expected = self._contexts[-1]
        message = f"unexpected {token.describe()}"
        message += f" in {context}" if context else ""
        message += f", expected {expected}" if expected else ""
        return self.mistake(token.start, message, hint)

    def number(self) -> NumberLiteral:
        """Take a NUMBER or a DURATION; durations are seconds."""
        token = self.take()
        is_duration = token.kind == DURATION
        value = self._duration(token) if is_duration else self._number(token)
        return NumberLiteral(value, Span(token.start, token.end), token.text, is_duration)

    def string(self) -> str:
        token = self.take()
        try:
            return gotext.unquote(token.text, any_bytes=True)
        except ValueError as error:
            quoted = gotext.quote(token.text)
            raise self.mistake(token.start, f"error unquoting string {quoted}: {error}") from None

    def _number(self, token: Token) -> float:
        text = token.text
        problem = "invalid syntax"
        try:
            if text[:2] in ("0x", "0X"):
                whole = int(text, 16)
                if whole < 2**63:
                    return float(whole)
            else:
                octal = int(text.replace("_", ""), 8) if _OCTAL.fullmatch(text) else 2**63
                value = float(octal) if octal < 2**63 else float(text)
                if abs(value) != float("inf") or text.lower() == "inf":
                    return value
                problem = "value out of range"
        except ValueError:
            pass
        quoted = gotext.quote(text)
        raise self.mistake(
            token.start, f"error parsing number: strconv.ParseFloat: parsing {quoted}: {problem}"
        )

    def _duration(self, token: Token) -> float:
        try:
            return parse_duration(token.text) / 1000
        except (DurationError, ValueError):
            pass
        raise self.mistake(token.start, _duration_complaint(token.text))


def _duration_complaint(text: str) -> str:
    """What Prometheus says about a text that looks like a duration and is none."""
    quoted = gotext.quote(text)
    parts = _PART.findall(text)
    unknown = [unit for _, unit in parts if unit not in _UNITS]
    if unknown:
        return f"unknown unit {gotext.quote(unknown[0])} in duration {quoted}"
    places = [_UNITS.index(unit) for _, unit in parts]
    is_ordered = all(one < two for one, two in pairwise(places))
    fits = all(int(count[:25]) < 2**64 for count, _ in parts)
    if is_ordered and fits and text[0].isdigit():
        return "duration out of range"
    return f"not a valid duration string: {quoted}"
