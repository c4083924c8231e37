"""The syntax tree of a template. Every node knows its range in the text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dot:
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, number, boolean or nil."""

    value: str | int | float | bool | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Field:
    """`.a.b`: fields, keys or methods of the dot."""

    names: tuple[str, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Variable:
    """`$x` or `$x.a.b`; `name` is without the dollar, empty for the root."""

    name: str
    names: tuple[str, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Chain:
    """`(pipeline).a.b`."""

    inner: Pipe
    names: tuple[str, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Command:
    """An operand, or a function or method with its arguments."""

    args: tuple[Operand, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Pipe:
    """`a | b | c`, perhaps with `$x :=` (or `$x =`, where `assigns`) before it."""

    commands: tuple[Command, ...]
    variables: tuple[str, ...]
    assigns: bool
    start: int
    end: int


Operand = Dot | Literal | Field | Variable | Chain | Function | Pipe


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Action:
    pipe: Pipe


@dataclass(frozen=True, slots=True)
class If:
    pipe: Pipe
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class With:
    pipe: Pipe
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Range:
    pipe: Pipe
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Invoke:
    """`{{ template "name" pipeline }}`."""

    template: str
    pipe: Pipe | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Break:
    pass


@dataclass(frozen=True, slots=True)
class Continue:
    pass


Node = Text | Action | If | With | Range | Invoke | Break | Continue
Body = tuple[Node, ...]
