"""Arguments of template functions, checked before a function sees them: templates are written by people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps

from backbeat.templating.errors import FunctionFailure
from backbeat.templating.gotime import Duration, Time
from backbeat.templating.values import content, is_list, type_name

Convert = Callable[[object], object]


def text(value: object) -> str:
    if not isinstance(value, str):
        raise FunctionFailure(f"wrong type for value; expected string; got {type_name(value)}")
    return value


def number(value: object) -> float:
    """A number, a text that is one, or a duration in seconds."""
    if isinstance(value, Duration):
        return value.seconds
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            raise FunctionFailure(f"{value!r} is no number") from None
    raise FunctionFailure(f"can't convert {type_name(value)} to float")


def moment(value: object) -> Time:
    if not isinstance(value, Time):
        raise FunctionFailure(f"wrong type for value; expected time.Time; got {type_name(value)}")
    return value


def items(value: object) -> Sequence[object]:
    inner = content(value)
    if inner is None:
        return ()
    if not is_list(inner):
        raise FunctionFailure(f"wrong type for value; expected a list; got {type_name(value)}")
    return inner


def texts(value: object) -> list[str]:
    return [text(one) for one in items(value)]


def anything(value: object) -> object:
    return value


def takes(*converts: Convert, rest: Convert | None = None) -> Callable[..., Callable[..., object]]:
    """Convert and count the arguments of the decorated function; `rest` is for any number more."""

    def decorate(function: Callable[..., object]) -> Callable[..., object]:
        @wraps(function)
        def checked(*args: object) -> object:
            if len(args) < len(converts) or (rest is None and len(args) > len(converts)):
                least = "at least " if rest is not None else ""
                raise FunctionFailure(f"wrong number of args: want {least}{len(converts)} got {len(args)}")
            more = [] if rest is None else [rest(one) for one in args[len(converts) :]]
            given = [convert(one) for convert, one in zip(converts, args, strict=False)]
            return function(*given, *more)

        return checked

    return decorate
