"""Bodies that are sent to Alertmanager's API v2, read as Alertmanager reads them.

In:  the decoded JSON. Out: alerts and silences.
First all of a body must have the right types (400), then it must have what the API's schema requires (422).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from backbeat.model.alerts import Alert
from backbeat.model.errors import BackbeatError
from backbeat.model.labels import Labels
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.state.records import Silence
from backbeat.web.params import BadParameter

REQUIRED, FEW_ITEMS = 602, 612
_EMPTY_MS = 1
"""an empty text is the beginning of 1970 to Alertmanager; 0 would be no time at all"""
_GO_ZERO = datetime(1, 1, 1, tzinfo=UTC)
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?|Z)?| \d\d:\d\d:\d\d(?:\.\d+)?)?",
    re.ASCII,
)
_OPS = {
    (True, False): MatchOp.EQUAL,
    (False, False): MatchOp.NOT_EQUAL,
    (True, True): MatchOp.REGEX,
    (False, True): MatchOp.NOT_REGEX,
}
_Object = Mapping[str, Any]


class Malformed(BackbeatError):
    """A body that is no JSON or has the wrong types."""

    status = 400


class OtherMedia(Malformed):
    """A body that does not even say that it is JSON."""

    status = 415


class Unprocessable(BackbeatError):
    """A body or an id that lacks what the API's schema requires; answered with 422 and the schema's code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def alert_of(entry: object, index: int, now_ms: int) -> tuple[Alert, Unprocessable | None]:
    """An alert, and what the schema says against it. Raises Malformed."""
    where = f"{index}."
    fields = _object(entry, f"alert {index}")
    alert = Alert(
        labels=_labels(fields, "labels", where),
        annotations=_labels(fields, "annotations", where, keep_empty=True),
        starts_at_ms=_time(fields, "startsAt", where),
        ends_at_ms=_time(fields, "endsAt", where),
        updated_at_ms=now_ms,
        generator_url=_text(fields, "generatorURL", where),
    )
    wrong = None
    if fields.get("labels") is None:
        wrong = _missing(f"{where}labels")
    return alert, wrong


def silence_of(body: object) -> Silence:
    """Raises Malformed, Unprocessable."""
    fields = _object({} if body is None else body, "a silence")
    silence_id, created_by, comment = (_text(fields, name) for name in ("id", "createdBy", "comment"))
    starts_at_ms, ends_at_ms = _time(fields, "startsAt"), _time(fields, "endsAt")
    annotations = _labels(fields, "annotations", "", keep_empty=True)
    given = fields.get("matchers")
    if given is not None and not isinstance(given, list):
        raise _wrong_type("matchers", given, "a list of objects with name, value, isRegex and isEqual")
    matchers = [_matcher_of(one, f"matchers.{index}.") for index, one in enumerate(given or ())]
    for name in ("comment", "createdBy", "endsAt", "matchers", "startsAt"):
        if fields.get(name) is None:
            raise _missing(name)
    if not matchers:
        raise Unprocessable(FEW_ITEMS, "matchers in body should have at least 1 items")
    sound = [_sound(each) for each in matchers]
    return Silence(
        silence_id,
        tuple(sound),
        starts_at_ms,
        ends_at_ms,
        created_by=created_by,
        comment=comment,
        annotations=annotations,
    )


def _matcher_of(one: object, where: str) -> Matcher | Unprocessable:
    fields = _object(one, where.rstrip("."))
    is_regex, is_equal = (_flag(fields, name, where) for name in ("isRegex", "isEqual"))
    name, value = _text(fields, "name", where), _text(fields, "value", where)
    for required in ("isRegex", "name", "value"):
        if fields.get(required) is None:
            return _missing(where + required)
    return Matcher(name, _OPS[is_equal is not False, is_regex is True], value)


def _sound(matcher: Matcher | Unprocessable) -> Matcher:
    if isinstance(matcher, Unprocessable):
        raise matcher
    if not matcher.name:
        raise BadParameter("invalid silence: invalid label name")
    return matcher


def _missing(name: str) -> Unprocessable:
    return Unprocessable(REQUIRED, f"{name} in body is required")


def _wrong_type(name: str, found: object, expected: str) -> Malformed:
    return Malformed(f"{name}: found {found!r:.100}, expected {expected}")


def _object(value: object, what: str) -> _Object:
    if not isinstance(value, dict):
        raise _wrong_type(what, value, "a JSON object")
    return value


def _text(fields: _Object, name: str, where: str = "") -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong_type(where + name, value, "a text")
    return value


def _flag(fields: _Object, name: str, where: str) -> bool | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise _wrong_type(where + name, value, "true or false")
    return value


def _labels(fields: _Object, name: str, where: str, *, keep_empty: bool = False) -> Labels:
    value = fields.get(name)
    if value is None:
        return Labels()
    if not isinstance(value, dict) or not all(isinstance(one, (str, type(None))) for one in value.values()):
        raise _wrong_type(where + name, value, "an object of texts")
    if None in value.values():
        value = {key: one or "" for key, one in value.items()}
    return Labels(sorted(value.items())) if keep_empty else Labels.of(value)


def _time(fields: _Object, name: str, where: str = "") -> int:
    """ms since the epoch; 0 where there is none. Without a zone it is UTC, as in Alertmanager."""
    text = _text(fields, name, where)
    if not text:
        return 0 if fields.get(name) is None else _EMPTY_MS
    try:
        moment = datetime.fromisoformat(text) if _TIME.fullmatch(text) else None
    except ValueError:
        moment = None
    if moment is None:
        raise _wrong_type(where + name, text, "a time such as 2026-01-02T03:04:05Z")
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return 0 if moment == _GO_ZERO else round(moment.timestamp() * 1000)


def first_wrong(found: Sequence[tuple[Alert, Unprocessable | None]]) -> Unprocessable | None:
    """What the schema says first against a list of alerts."""
    return next((wrong for _, wrong in found if wrong is not None), None)
