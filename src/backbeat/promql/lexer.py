"""Tokens of a PromQL query, read on demand.

In:  the query text. Out: one Token a call of `next`, to `promql.parser`.
What a character means depends on the brackets around it: inside braces there are only names, strings and
matching operators, inside square brackets only durations and their arithmetic. Raises BadQuery.
"""

from __future__ import annotations

import re

from msgspec import Struct

from backbeat.model import gotext
from backbeat.promql.mistakes import bad_query

_FILLS = frozenset(("fill", "fill_left", "fill_right"))
AGGREGATORS = frozenset(("avg", "count", "group", "max", "min", "stddev", "stdvar", "sum"))
AGGREGATORS |= {"bottomk", "count_values", "limit_ratio", "limitk", "quantile", "topk"}
KEYWORDS = _FILLS | {"bool", "by", "group_left", "group_right", "ignoring", "on", "without"}
KEYWORDS |= {"anchored", "offset", "smoothed"}
PREPROCESSORS = frozenset(("start", "end", "step", "range", "max_of", "min_of"))
SET_OPERATORS = frozenset(("and", "or", "unless"))
COMPARISONS = frozenset(("==", "!=", "<=", "<", ">=", ">"))
_ARITHMETIC = frozenset(("+", "-", "*", "/", "%", "^", "atan2", "</", ">/"))
OPERATORS = SET_OPERATORS | COMPARISONS | _ARITHMETIC | {"=~", "!~", "@"}
_WORDS = AGGREGATORS | KEYWORDS | PREPROCESSORS | SET_OPERATORS | {"atan2"}
_DURATION_WORDS = frozenset(("step", "range", "max_of", "min_of"))

IDENTIFIER = "identifier"
METRIC_IDENTIFIER = "metric identifier"
NUMBER = "number"
DURATION = "duration"
STRING = "string"
END = "end of input"

_SPACE = re.compile(r"[ \t\r\n]+")
_COMMENT = re.compile(r"#[^\r\n]*")
_NAME = re.compile(r"[^\W\d][\w.]*")
_WORD = re.compile(r"(?:[^\W\d]|:)[\w.:]*")
_LETTERS = re.compile(r"[A-Za-z_]+")
_PAREN_NEXT = re.compile(r"[ \t\r\n]*\(")
_NUMBER_START = re.compile(r"\.?[0-9]")
_DURATION_SEEN = re.compile(r"[smhdwy]s?(?:[0-9]+[smhdw]s?)*(?:[0-9]+|.?)")
_DURATION_REST = re.compile(r"[smhdwy]s?(?:[0-9]+[smhdw]s?)*(?![A-Za-z0-9_])")
_DECIMAL = frozenset("0123456789")
_HEXADECIMAL = frozenset("0123456789abcdef")
_ALPHANUMERIC = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


class Token(Struct, frozen=True):
    """`kind` is one of the kinds above, or the operator, bracket or lower-case keyword itself."""

    kind: str
    start: int
    text: str

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    def describe(self) -> str:
        """How an error message names it: `identifier "foo"`, `<by>`, `<op:+>`, `","`."""
        if self.kind == END:
            return END
        if self.kind in (IDENTIFIER, METRIC_IDENTIFIER):
            return f"{self.kind} {gotext.quote(self.text)}"
        if self.kind in KEYWORDS:
            return f"<{self.text}>"
        if self.kind in OPERATORS:
            return f"<op:{self.text}>"
        if self.kind in AGGREGATORS:
            return f"<aggr:{self.text}>"
        is_long = len(self.text.encode(errors="replace")) > 10
        shown = gotext.quote(self.text[:10]) + "..." if is_long else gotext.quote(self.text)
        return f"{self.kind} {shown}" if self.kind in (NUMBER, DURATION, STRING) else shown


class Lexer:
    """Reads one query; a lexer is used once."""

    __slots__ = (
        "_at",
        "_awaits_duration",
        "_brace",
        "_bracket",
        "_colon",
        "_depth",
        "_had_duration",
        "_text",
    )

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._brace = False
        self._bracket = False
        self._colon = False
        # Directly after "[" only a duration expression may stand; behind its first number Prometheus's lexer
        # is back among the statements, and complains in other words.
        self._awaits_duration = False
        self._had_duration = False

    def next(self) -> Token:
        """The next token that is neither space nor comment."""
        text = self._text
        while True:
            blank = _SPACE.match(text, self._at)
            if blank is not None:
                self._at = blank.end()
            comment = None if self._awaits_duration else _COMMENT.match(text, self._at)
            if comment is None:
                break
            self._at = comment.end()
        if self._brace:
            return self._inside_braces()
        if self._awaits_duration:
            return self._duration_expression()
        return self._statement()

    def _emit(self, kind: str, end: int) -> Token:
        token = Token(kind, self._at, self._text[self._at : end])
        self._at = end
        return token

    def _fail(self, message: str, start: int | None = None) -> Exception:
        return bad_query(self._text, self._at if start is None else start, message)

    def _char(self, at: int) -> str:
        """The character there as Go quotes it; the end of the text is U+FFFD."""
        return gotext.quote(self._text[at : at + 1] or "\ufffd", "'")

    def _statement(self) -> Token:
        text, at = self._text, self._at
        char = text[at : at + 1]
        if not char:
            return self._end()
        two = text[at : at + 2]
        if two in ("==", "!=", "<=", ">=", "</", ">/"):
            return self._emit(two, at + 2)
        if two == "=~":
            raise self._fail("unexpected character after '=': '~'")
        if char == "!":
            raise self._fail(f"unexpected character after '!': {self._char(at + 1)}")
        if char in ",*/%+-^=<>@":
            return self._emit(char, at + 1)
        if _NUMBER_START.match(text, at):
            return self._number()
        if char in "\"'`":
            return self._string(char)
        if end := _end_of_name(_WORD, text, at):
            return self._word_in_brackets() if self._bracket else self._word(end)
        return self._bracketing(char)

    def _end(self) -> Token:
        if self._depth:
            raise self._fail("unclosed left parenthesis")
        if self._bracket:
            raise self._fail("unclosed left bracket")
        return self._emit(END, self._at)

    def _bracketing(self, char: str) -> Token:
        if char in "()":
            return self._paren(char)
        if char == "{":
            self._brace = True
        elif char == "[":
            if self._bracket:
                raise self._fail("unexpected left bracket '['")
            self._bracket, self._awaits_duration = True, True
            self._colon = self._had_duration = False
        elif char == "]":
            if not self._bracket:
                raise self._fail("unexpected right bracket ']'")
            self._bracket = False
        else:
            raise self._fail(f"unexpected character: {self._char(self._at)}")
        return self._emit(char, self._at + 1)

    def _paren(self, char: str) -> Token:
        self._depth += 1 if char == "(" else -1
        if self._depth < 0:
            raise self._fail("unexpected right parenthesis ')'", self._at + 1)
        return self._emit(char, self._at + 1)

    def _word(self, end: int) -> Token:
        word = self._text[self._at : end]
        # A letter beyond ASCII that is one of ASCII in lower case makes no keyword.
        lower = word.lower() if word.isascii() else word
        if lower in ("inf", "nan"):
            return self._emit(NUMBER, end)
        if lower in _WORDS and (lower not in _FILLS or _PAREN_NEXT.match(self._text, end)):
            return self._emit(lower, end)
        return self._emit(METRIC_IDENTIFIER if ":" in word else IDENTIFIER, end)

    def _word_in_brackets(self) -> Token:
        """Behind the first number in square brackets: the colon of a subquery, or a duration function."""
        char = self._text[self._at]
        if char == ":":
            if self._colon:
                raise self._fail("unexpected colon ':'")
            self._colon = True
            return self._emit(":", self._at + 1)
        match = _LETTERS.match(self._text, self._at)
        if match is not None and match.group().lower() in _DURATION_WORDS:
            return self._emit(match.group().lower(), match.end())
        raise self._fail(f"unexpected character: {self._char(self._at)}, expected ':'")

    def _duration_expression(self) -> Token:
        """Before the first number in square brackets."""
        text, at = self._text, self._at
        char = text[at : at + 1]
        if not char:
            raise self._fail("unexpected end of input in duration expression")
        if char == "]":
            self._bracket = self._awaits_duration = False
            return self._emit(char, at + 1)
        if char == ":":
            return self._early_colon()
        if char in "()":
            return self._paren(char)
        if char in "+-*/%^,":
            return self._emit(char, at + 1)
        if _NUMBER_START.match(text, at):
            self._awaits_duration, self._had_duration = False, True
            return self._number()
        match = _LETTERS.match(text, at)
        if match is not None and match.group().lower() in _DURATION_WORDS:
            self._had_duration = True
            return self._emit(match.group().lower(), match.end())
        raise self._fail(f"unexpected character in duration expression: {self._char(at)}")

    def _early_colon(self) -> Token:
        """Before any number, but perhaps behind step() or its like."""
        if not self._had_duration:
            raise self._fail("unexpected colon before duration in duration expression", self._at + 1)
        if self._colon:
            raise self._fail("unexpected repeated colon in duration expression", self._at + 1)
        self._colon = True
        return self._emit(":", self._at + 1)

    def _inside_braces(self) -> Token:
        text, at = self._text, self._at
        char = text[at : at + 1]
        two = text[at : at + 2]
        if two in ("=~", "!~", "!="):
            return self._emit(two, at + 2)
        if char in ("=", ","):
            return self._emit(char, at + 1)
        if char == "}":
            self._brace = False
            return self._emit(char, at + 1)
        if end := _end_of_name(_NAME, text, at):
            return self._emit(IDENTIFIER, end)
        if not char:
            raise self._fail("unexpected end of input inside braces")
        if char in "\"'`":
            return self._string(char)
        if char == "!":
            raise self._fail(f"unexpected character after '!' inside braces: {self._char(at + 1)}")
        if char == "{":
            raise self._fail("unexpected left brace '{'")
        raise self._fail(f"unexpected character inside braces: {self._char(at)}")

    def _number(self) -> Token:
        end, is_number = scan_number(self._text, self._at)
        if is_number:
            return self._emit(NUMBER, end)
        rest = _DURATION_REST.match(self._text, end)
        if rest is None:
            unit = _DURATION_SEEN.match(self._text, end)
            seen = self._text[self._at : end if unit is None else unit.end()]
            raise self._fail(f"bad number or duration syntax: {gotext.quote(seen)}")
        return self._emit(DURATION, rest.end())

    def _string(self, mark: str) -> Token:
        text, at = self._text, self._at + 1
        while True:
            char = text[at : at + 1]
            if not char:
                raise self._fail(f"unterminated {'raw' if mark == '`' else 'quoted'} string")
            if char == "\ufffd" or "\ud800" <= char <= "\udfff":
                raise self._fail("invalid UTF-8 rune")
            if char == mark:
                return self._emit(STRING, at + 1)
            if mark != "`":
                if char == "\n":
                    raise self._fail("unterminated quoted string")
                if char == "\\":
                    at = self._escape(at + 1, mark)
                    continue
            at += 1

    def _escape(self, at: int, mark: str) -> int:
        """Check the escape sequence whose letter stands at `at`; returns the place behind it."""
        char = self._text[at : at + 1]
        if not char:
            raise self._fail("escape sequence not terminated")
        if char in "abfnrtv\\" or char == mark:
            return at + 1
        if char in "01234567":
            count, base, limit = 3, 8, 255
        elif char in "xuU":
            count, base, limit = {"x": (2, 16, 255), "u": (4, 16, 0x10FFFF), "U": (8, 16, 0x10FFFF)}[char]
            at += 1
        else:
            raise self._fail(f"unknown escape sequence {_code_point(char)}")
        for index in range(at, at + count):
            digit = self._text[index : index + 1]
            if not digit:
                raise self._fail("escape sequence not terminated")
            if digit.lower() not in "0123456789abcdef"[:base]:
                raise self._fail(f"illegal character {_code_point(digit)} in escape sequence")
        code = int(self._text[at : at + count], base)
        if code > limit or 0xD800 <= code < 0xE000:
            raise self._fail("escape sequence is an invalid Unicode code point")
        return at + count


def _end_of_name(form: re.Pattern[str], text: str, at: int) -> int:
    """Where an unquoted name ends; 0 where none begins. Its letters are Unicode's, its digits ASCII's."""
    match = form.match(text, at)
    if match is None:
        return 0
    name = match.group()
    if name.isascii():
        return match.end()
    length = next((i for i, char in enumerate(name) if not (char.isascii() or char.isalpha())), len(name))
    return at + length if length else 0


def _code_point(char: str) -> str:
    """Go's %#U."""
    code = f"U+{ord(char):04X}"
    return f"{code} '{char}'" if char.isprintable() else code


def scan_number(text: str, at: int) -> tuple[int, bool]:
    """Run over a number that begins at `at`: (end, whether what was run over can be one).

    Decimal with `_` between digits, a fraction and an exponent, or hexadecimal without them.
    """
    start = at
    digits = _DECIMAL
    if text[at : at + 2] in ("0x", "0X"):
        digits = _HEXADECIMAL
        at += 3 if text[at + 2 : at + 3] == "_" else 2
    elif text[at : at + 1] == "0":
        at += 1
    # A dot here is not counted, so that 0.5.5 is run over, and then is no number.
    if text[at : at + 1] == ".":
        at += 1
    seen: set[str] = set()
    while char := text[at : at + 1].lower():
        if char in digits:
            at += 1
            continue
        if char not in (".", "e", "_"):
            break
        end = _separator(text, at, char)
        if char in seen or end < 0 or (char == "." and digits is _HEXADECIMAL):
            return (at + 1 if char in seen else abs(end)), False
        if char != "_":
            seen.add(char)
        at = end
    return at, at > start and text[at : at + 1] not in _ALPHANUMERIC


def _separator(text: str, at: int, char: str) -> int:
    """The place behind a dot, an exponent's mark or an underscore; negative where what follows is wrong."""
    end = at + 1
    if char == "e" and text[end : end + 1] in ("+", "-"):
        end += 1
    follows = text[end : end + 1]
    if follows and follows in ("_." if char == "." else "._eE"):
        return -(end + 1)
    return -end if not follows and char != "." else end
