"""The syntax tree of a template. Every node knows its range in the text."""

from __future__ import annotations

from msgspec import Struct


class Dot(Struct, frozen=True):
    start: int
    end: int


class Literal(Struct, frozen=True):
    """A string, number, boolean or nil."""

    value: str | int | float | bool | None
    start: int
    end: int


class Field(Struct, frozen=True):
    """`.a.b`: fields, keys or methods of the dot."""

    names: tuple[str, ...]
    start: int
    end: int


class Variable(Struct, frozen=True):
    """`$x` or `$x.a.b`; `name` is without the dollar, empty for the root."""

    name: str
    names: tuple[str, ...]
    start: int
    end: int


class Chain(Struct, frozen=True):
    """`(pipeline).a.b`."""

    inner: Pipe
    names: tuple[str, ...]
    start: int
    end: int


class Function(Struct, frozen=True):
    name: str
    start: int
    end: int


class Command(Struct, frozen=True):
    """An operand, or a function or method with its arguments."""

    args: tuple[Operand, ...]
    start: int
    end: int


class Pipe(Struct, frozen=True):
    """`a | b | c`, perhaps with `$x :=` (or `$x =`, where `assigns`) before it."""

    commands: tuple[Command, ...]
    variables: tuple[str, ...]
    assigns: bool
    start: int
    end: int


Operand = Dot | Literal | Field | Variable | Chain | Function | Pipe


class Text(Struct, frozen=True):
    text: str


class Action(Struct, frozen=True):
    pipe: Pipe


class If(Struct, frozen=True):
    pipe: Pipe
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


class With(Struct, frozen=True):
    pipe: Pipe
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


class Range(Struct, frozen=True):
    pipe: Pipe
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


class Invoke(Struct, frozen=True):
    """`{{ template "name" pipeline }}`."""

    template: str
    pipe: Pipe | None
    start: int
    end: int


class Break(Struct, frozen=True):
    pass


class Continue(Struct, frozen=True):
    pass


Node = Text | Action | If | With | Range | Invoke | Break | Continue
Body = tuple[Node, ...]
