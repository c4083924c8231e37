"""What is wrong with a template, at which place of its text."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from backbeat.model.errors import BackbeatError

_SHOWN = 80


class TemplateError(BackbeatError):
    """A template that cannot be parsed or rendered; `line` and `column` count from 1."""

    def __init__(self, message: str, *, name: str, line: int, column: int, place: str) -> None:
        where = f"{name}:{line}:{column}" if name else f"{line}:{column}"
        at = f" at <{place}>" if place else ""
        super().__init__(f"{where}:{at} {message}")
        self.message = message
        self.name = name
        self.line = line
        self.column = column
        self.place = place


class FunctionFailure(Exception):
    """Raised by functions and methods; the interpreter adds the place."""


class Source:
    """A template's text with its name: where messages get their places from."""

    __slots__ = ("name", "text")

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.name = name

    def mistake(self, start: int, end: int, message: str) -> TemplateError:
        line = self.text.count("\n", 0, start) + 1
        column = start - (self.text.rfind("\n", 0, start) + 1) + 1
        place = self.text[start:end].strip().replace("\n", " ")
        if len(place) > _SHOWN:
            place = place[:_SHOWN] + "..."
        return TemplateError(message, name=self.name, line=line, column=column, place=place)


def did_you_mean(wrong: str, right: Iterable[str], mark: str = "") -> str:
    """`; did you mean "x"?` for the nearest right name, or nothing."""
    found = get_close_matches(wrong[:80], list(right), n=1, cutoff=0.6)
    return f"; did you mean {mark}{found[0]}?" if found else ""
