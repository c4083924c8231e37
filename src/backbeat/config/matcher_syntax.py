"""Alertmanager's matchers in both of its syntaxes: `severity="critical"`, `{"größe"=~"x|y"}`, `foo=bar,a!=b`.

Pure: text in, matchers out. As Alertmanager does, the UTF-8 syntax is tried beside the classic one, and where
both read a text but differ, the classic reading counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from backbeat.model.errors import RegexError
from backbeat.model.matchers import Matcher, MatchOp, compile_regex

_CLASSIC = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|=|!=|!~)\s*(.*?)\s*", re.DOTALL)
_RESERVED = "{}!=~,\\\"'`"
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "\\": "\\", '"': '"'}
_QUOTED = re.compile(
    r'\\(?:([ntrabfv\\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3}))|[^\\"\n]',
    re.DOTALL,
)

Triple = tuple[str, str, str]
_Reader = Callable[[str], list[Triple]]


class MatcherError(ValueError):
    """A text that is no matcher; the message says why."""


def parse_matchers(text: str) -> list[Matcher]:
    """Zero or more matchers, separated by commas, with or without braces. Raises MatcherError."""
    return [make_matcher(*each) for each in _either(text, _modern, _classic)]


def parse_matcher(text: str) -> Matcher:
    """One matcher, without braces. Raises MatcherError."""
    if text.startswith("{") or text.endswith("}"):
        raise MatcherError(f"unexpected open or close brace: {text}")
    (found,) = _either(text, _modern_one, lambda single: [_classic_matcher(single)])
    return make_matcher(*found)


def _either(text: str, modern: _Reader, classic: _Reader) -> list[Triple]:
    """What both syntaxes read, or the one that can; where they differ, the classic one counts."""
    found, reason = None, ""
    try:
        found = modern(text)
    except MatcherError as error:
        reason = str(error)
    try:
        return classic(text)
    except MatcherError as error:
        if found is None:
            raise MatcherError(f"{error} ({reason})") from None
        return found


def _modern_one(text: str) -> list[Triple]:
    found = _modern(text)
    if len(found) != 1:
        raise MatcherError(f"expected 1 matcher, found {len(found)}")
    return found


def make_matcher(name: str, op: str, value: str) -> Matcher:
    """Raises MatcherError where the value must be a regular expression and is none."""
    try:
        if op in ("=~", "!~"):
            compile_regex(value)
        return Matcher(name, MatchOp(op), value)
    except RegexError as error:
        raise MatcherError(str(error)) from None


def _classic(text: str) -> list[Triple]:
    body = text.removeprefix("{").removesuffix("}")
    tokens, token, inside, escaped = [], "", False, False
    for character in body:
        if character == "," and not inside:
            tokens.append(token)
            token, escaped = "", escaped
            continue
        if character == '"':
            inside, escaped = (inside, False) if escaped else (not inside, escaped)
        elif character == "\\":
            escaped = not escaped
        else:
            escaped = False
        token += character
    if token.strip():
        tokens.append(token.strip())
    return [_classic_matcher(each) for each in tokens]


def _classic_matcher(text: str) -> Triple:
    match = _CLASSIC.fullmatch(text)
    if match is None:
        raise MatcherError(f"bad matcher format: {text!r}")
    raw, value, escaped = match[3], "", False
    closing = raw.startswith('"')
    raw = raw.removeprefix('"')
    for index, character in enumerate(raw):
        last = index == len(raw) - 1
        if escaped:
            escaped = False
            value += {"n": "\n", '"': '"', "\\": "\\"}.get(character, "\\" + character)
        elif character == "\\" and not last:
            escaped = True
        elif character == '"':
            if not closing or not last:
                raise MatcherError(f"matcher value contains unescaped double quote: {match[3]!r}")
            closing = False
        else:
            value += character
    if closing:
        raise MatcherError(f"matcher value contains unescaped double quote: {match[3]!r}")
    return match[1], match[2], value


class _Modern:
    """The UTF-8 syntax, read token by token."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def skip(self) -> str:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        return self.text[self.at : self.at + 1]

    def accept(self, token: str) -> bool:
        self.skip()
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def word(self, what: str) -> str:
        first = self.skip()
        start = self.at
        if first == '"':
            return self._quoted()
        while (
            self.at < len(self.text)
            and not self.text[self.at].isspace()
            and self.text[self.at] not in _RESERVED
        ):
            self.at += 1
        if self.at == start:
            found = repr(first) if first else "the end"
            raise MatcherError(f"at character {start + 1}: found {found}, expected {what}")
        return self.text[start : self.at]

    def _quoted(self) -> str:
        start, value = self.at, ""
        self.at += 1
        while self.at < len(self.text) and self.text[self.at] != '"':
            match = _QUOTED.match(self.text, self.at)
            if match is None:
                raise MatcherError(f"at character {self.at + 1}: invalid text in quotes")
            code = match[2] or match[3] or match[4]
            if match[1]:
                value += _ESCAPES[match[1]]
            elif code or match[5]:
                number = int(code, 16) if code else int(match[5], 8)
                if (
                    number > 0x10FFFF
                    or 0xD800 <= number < 0xE000
                    or (not (match[3] or match[4]) and number > 0x7F)
                ):
                    raise MatcherError(f"at character {self.at + 1}: no valid character")
                value += chr(number)
            else:
                value += match[0]
            self.at = match.end()
        if self.at >= len(self.text):
            raise MatcherError(f"at character {start + 1}: missing end quote")
        self.at += 1
        return value

    def operator(self) -> str:
        for op in ("=~", "!~", "!=", "="):
            if self.accept(op):
                return op
        raise MatcherError(
            f"at character {self.at + 1}: expected an operator such as '=', '!=', '=~' or '!~'"
        )


def _modern(text: str) -> list[Triple]:
    reader, found = _Modern(text), []
    braced = reader.accept("{")
    while reader.skip() not in ("", "}"):
        name = reader.word("a label name")
        op = reader.operator()
        found.append((name, op, reader.word("a label value")))
        if not reader.accept(","):
            break
    if braced and not reader.accept("}"):
        raise MatcherError(f"at character {reader.at + 1}: expected a comma or close brace")
    if reader.skip():
        raise MatcherError(f"at character {reader.at + 1}: expected end of input")
    return found
