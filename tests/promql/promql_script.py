"""Reads PromQL test scripts: load, clear, eval, expect.

In:  a script's text. Out: commands in order, and lines of series notation as labels and values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct, field

from backbeat.model.durations import parse_duration
from backbeat.model.labels import METRIC_NAME, Labels
from backbeat.model.samples import STALE
from backbeat.promql.parser import parse_selector

_NUMBER = r"(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[iI]nf|[nN]a[nN])"
_ITEM = re.compile(rf"(?P<start>[+-]?{_NUMBER})(?P<delta>[+-]{_NUMBER})?(?:x(?P<times>\d+))?")
_EVAL_INSTANT = re.compile(r"eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(.+?))?\s+(.+)")
_EVAL_RANGE = re.compile(
    r"eval(?:_(fail|warn|info))?\s+range\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+?)\s+(.+)"
)
_EXPECT = re.compile(r"expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg):(.+))?")
_EXPECT_RANGE = re.compile(r"expect range vector\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+)")


class Load(Struct, frozen=True):
    """series: values at 0, step, 2 * step, ...; None is no sample."""

    step_ms: int
    series: dict[Labels, list[float | None]]
    native: list[Labels]
    """series with native histograms, which are left out"""


class Clear(Struct, frozen=True):
    pass


class Expectation(Struct, frozen=True):
    """A message or a pattern that an error or annotation must match."""

    message: str = ""
    pattern: str = ""

    def matches(self, text: str) -> bool:
        return text == self.message if self.message else re.search(self.pattern, text) is not None


class Eval(Struct):
    line: int
    query: str
    start_ms: int
    end_ms: int
    step_ms: int
    is_range: bool
    expected: dict[Labels, list[float | None]] = field(default_factory=dict)
    scalar: float | None = None
    text: str | None = None
    range_vector: tuple[int, int, int] | None = None
    notes: dict[str, list[Expectation]] = field(default_factory=dict)
    has_native: bool = False


Command = Load | Clear | Eval


def commands(script: str) -> Iterator[Command]:
    lines = [line.strip() for line in script.split("\n")]
    lines = ["" if line.startswith("#") else line for line in lines]
    at = 0
    while at < len(lines):
        begin = at
        at += 1
        if not lines[begin]:
            continue
        word = lines[begin].split()[0].lower()
        if word == "clear":
            yield Clear()
            continue
        while at < len(lines) and lines[at]:
            at += 1
        body = lines[begin + 1 : at]
        if word.startswith("load"):
            yield _load(lines[begin], body)
        elif word.startswith("eval"):
            yield _eval(lines[begin], begin + 1, body)
        else:
            raise ValueError(f"line {begin + 1}: found {lines[begin]!r}, expected load, clear or eval")


def _load(head: str, body: list[str]) -> Load:
    series: dict[Labels, list[float | None]] = {}
    native = []
    for line in body:
        labels, values, is_native = series_line(line)
        if is_native:
            native.append(labels)
        else:
            series[labels] = values
        if head.startswith("load_with_nhcb"):
            base = re.sub(r"_(bucket|sum|count)$", "", labels.metric)
            native.append(labels.set({METRIC_NAME: base, "le": ""}))
    return Load(parse_duration(head.split()[1]), series, native)


def _eval(head: str, line: int, body: list[str]) -> Eval:
    instant, range_ = _EVAL_INSTANT.fullmatch(head), _EVAL_RANGE.fullmatch(head)
    if instant:
        at = parse_duration(instant[2])
        command = Eval(line, instant[3], at, at, 0, False)
        mode = instant[1]
    elif range_:
        start, end, step = (parse_duration(range_[i]) for i in (2, 3, 4))
        command = Eval(line, range_[5], start, end, step, True)
        mode = range_[1]
    else:
        raise ValueError(f"line {line}: found {head!r}, expected an eval command")
    if mode:
        command.notes[mode] = [Expectation()]
    for text in body:
        _expectation(command, text)
    return command


def _expectation(command: Eval, text: str) -> None:
    if found := _EXPECT_RANGE.fullmatch(text):
        start, end, step = (parse_duration(found[i]) for i in (1, 2, 3))
        command.range_vector = (start, end, step)
    elif text.startswith("expect string "):
        command.text = text.removeprefix("expect string ").strip()[1:-1]
    elif text.startswith("expected_fail_message"):
        message = text.removeprefix("expected_fail_message").strip()
        command.notes["fail"] = [Expectation(message=message)]
    elif text.startswith("expected_fail_regexp"):
        pattern = text.removeprefix("expected_fail_regexp").strip()
        command.notes["fail"] = [Expectation(pattern=pattern)]
    elif text.split(" ")[0] == "expect":
        found = _EXPECT.fullmatch(text)
        assert found, text
        wanted = Expectation()
        if found[2] == "msg":
            wanted = Expectation(message=found[3].strip())
        elif found[2] == "regex":
            wanted = Expectation(pattern=found[3].strip())
        command.notes.setdefault(found[1], []).append(wanted)
    elif (number := _lone_number(text)) is not None:
        command.scalar = number
    else:
        labels, values, is_native = series_line(text)
        command.has_native |= is_native
        command.expected[labels] = values


def _lone_number(text: str) -> float | None:
    try:
        return float(int(text, 0))
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return None


def series_line(line: str) -> tuple[Labels, list[float | None], bool]:
    """`metric{a="b"} 1 2+1x3 _ stale`: labels, values, and whether there are native histograms."""
    end = _labels_end(line)
    matchers = parse_selector(line[:end]) if line[:end] not in ("", "{}") else ()
    labels = Labels.of((one.name, one.value) for one in matchers)
    rest = line[end:].strip()
    if "{{" in rest:
        return labels, [], True
    return labels, [value for item in rest.split() for value in _values(item)], False


def _labels_end(line: str) -> int:
    quote = ""
    depth = 0
    for at, char in enumerate(line):
        if quote:
            if char == quote and line[at - 1] != "\\":
                quote = ""
        elif char in "\"'`":
            quote = char
        elif char == "{":
            depth += 1
        elif char == "}":
            return at + 1
        elif char.isspace() and not depth:
            rest = line[at:].lstrip()
            if rest.startswith("{") and not rest.startswith("{{"):
                continue
            return at
    return len(line)


def _values(item: str) -> list[float | None]:
    if item.startswith("_"):
        return [None] * int(item[2:] or 1) if item.startswith("_x") else [None]
    if item.startswith("stale"):
        return [STALE] * (int(item[6:]) + 1 if item.startswith("stalex") else 1)
    found = _ITEM.fullmatch(item)
    if found is None:
        raise ValueError(f"found {item!r}, expected a value such as 1, _, stale or 0+10x5")
    value = _number(found["start"])
    values: list[float | None] = [value]
    for _ in range(int(found["times"] or 0)):
        value += _number(found["delta"]) if found["delta"] else 0.0
        values.append(value)
    return values


def _number(text: str) -> float:
    sign, body = (-1.0, text[1:]) if text[0] == "-" else (1.0, text.lstrip("+"))
    return sign * float(body)
