"""A template cut into texts and the words inside `{{ }}`; trim markers and comments are done with here."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from backbeat.templating.errors import Source

SPACE = " \t\r\n"
_CLOSE = re.compile(r"[ \t\r\n]+-\}\}|[ \t\r\n]*\}\}")
_COMMENT_OPEN = re.compile(r"[ \t\r\n]*/\*")
_COMMENT_CLOSE = re.compile(r"\*/(?:[ \t\r\n]-\}\}|\}\})")
_WORD = re.compile(
    r"""
    (?P<space>[ \t\r\n]+)
  | (?P<string>"(?:\\.|[^"\\\n])*"|`[^`]*`)
  | (?P<char>'(?:\\.[0-9a-fA-F]*|[^'\\\n])')
  | (?P<number>[+-]?(?:[0-9]|\.[0-9])(?:[\w.]|(?<=[eEpP])[+-])*)
  | (?P<field>\.[^\W\d]\w*)
  | (?P<dot>\.)
  | (?P<variable>\$\w*)
  | (?P<name>[^\W\d]\w*)
  | (?P<mark>:=|[=|(),])
    """,
    re.VERBOSE,
)


class Token(Struct, frozen=True):
    """kind: text, open, close, or one of the words above."""

    kind: str
    text: str
    start: int
    end: int


def tokens(source: Source) -> Iterator[Token]:
    """All tokens; the last is `end`. Raises TemplateError."""
    text = source.text
    at = 0
    trims = False
    while True:
        opening = text.find("{{", at)
        plain = text[at : len(text) if opening < 0 else opening]
        if trims:
            plain = plain.lstrip(SPACE)
        inside = opening + 2
        if opening >= 0 and text.startswith("-", inside) and text[inside + 1 : inside + 2] in tuple(SPACE):
            plain = plain.rstrip(SPACE)
            inside += 2
        if plain:
            yield Token("text", plain, at, at + len(plain))
        if opening < 0:
            yield Token("end", "", len(text), len(text))
            return
        comment = _COMMENT_OPEN.match(text, inside) if inside > opening + 2 else None
        if comment is not None or text.startswith("/*", inside):
            over = text.find("*/", inside + 2)
            closing = _COMMENT_CLOSE.match(text, over) if over >= 0 else None
            if closing is None:
                raise source.mistake(opening, opening + 40, "unclosed comment; it ends with */}}")
            at = closing.end()
            trims = closing.group().endswith("-}}")
            continue
        yield Token("open", "{{", opening, inside)
        at = inside
        while (closing := _CLOSE.match(text, at)) is None:
            word = _word(source, opening, at)
            yield word
            at = word.end
        yield Token("close", "}}", closing.start(), closing.end())
        at = closing.end()
        trims = closing.group().endswith("-}}")


def _word(source: Source, opening: int, at: int) -> Token:
    match = _WORD.match(source.text, at)
    if match is not None:
        assert match.lastgroup is not None
        return Token(match.lastgroup, match.group(), at, match.end())
    char = source.text[at : at + 1]
    if not char:
        raise source.mistake(opening, opening + 40, "unclosed action; it ends with }}")
    if char in "\"'`":
        raise source.mistake(at, at + 40, "unterminated quoted string")
    raise source.mistake(at, at + 1, f"unexpected {char!r} in an action")
