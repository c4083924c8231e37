"""The functions of Alertmanager's notification templates (0.35).

In:  the moment, and the labels of the route. Out: functions by name.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from backbeat.model import gotext
from backbeat.model.durations import parse_go_duration
from backbeat.model.errors import DurationError
from backbeat.templating.errors import FunctionFailure
from backbeat.templating.functions import humanize, words
from backbeat.templating.functions.checks import anything, items, moment, takes, text
from backbeat.templating.goprint import Writer
from backbeat.templating.gotime import Time, format_time, parse_time, zone
from backbeat.templating.values import Record, is_list

_MAX_JSON_DEPTH = 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def alertmanager_functions(
    *, now_ms: int = 0, route_labels: Mapping[str, str] | None = None
) -> dict[str, Callable[..., object]]:
    """All functions, for rendering at `now_ms`. For parsing alone, the defaults do."""
    now = Time.of_ms(now_ms)
    routed = route_labels or {}
    return {
        **_TIMELESS,
        "now": takes()(lambda: now),
        "since": takes(moment)(lambda then: now.since(then)),
        "routeLabels": takes(text)(lambda name: routed.get(name, "")),
    }


def to_json(value: object) -> str:
    """As Go's encoding/json: sorted keys, `<`, `>` and `&` escaped. Raises FunctionFailure."""
    writer = Writer()
    _json(writer, value, 0)
    return writer.text()


def _json(writer: Writer, value: object, depth: int) -> None:
    if depth > _MAX_JSON_DEPTH:
        raise FunctionFailure(f"value nests deeper than {_MAX_JSON_DEPTH} levels")
    if isinstance(value, Record):
        value = value.json()
    if isinstance(value, Mapping):
        writer.write("{")
        for index, key in enumerate(sorted(value)):
            writer.write(("," if index else "") + _json_text(key) + ":")
            _json(writer, value[key], depth + 1)
        writer.write("}")
    elif is_list(value):
        writer.write("[")
        for index, one in enumerate(value):
            writer.write("," if index else "")
            _json(writer, one, depth + 1)
        writer.write("]")
    else:
        writer.write(_json_scalar(value))


def _json_scalar(value: object) -> str:
    if isinstance(value, str):
        return _json_text(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise FunctionFailure(f"json: unsupported value: {gotext.special_float(value)}")
        if value == 0 or 1e-6 <= abs(value) < 1e21:
            return gotext.positional(value)
        return gotext.general(value).replace("e-0", "e-")
    return json.dumps(value)


def _json_text(value: str) -> str:
    quoted = json.dumps(value.encode("utf-8", "replace").decode(), ensure_ascii=False)
    for char in "<>&\u2028\u2029":
        quoted = quoted.replace(char, f"\\u{ord(char):04x}")
    return quoted


@takes(text)
def _base64_decode(value: str) -> str:
    try:
        return base64.b64decode(value, altchars=b"-_", validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        raise FunctionFailure("illegal base64 data") from None


@takes(rest=anything)
def _dict(*values: object) -> Mapping[str, object]:
    if len(values) % 2:
        raise FunctionFailure("dict requires an even number of arguments")
    if not all(isinstance(key, str) for key in values[::2]):
        raise FunctionFailure("dict keys must be strings")
    return {str(key): value for key, value in zip(values[::2], values[1::2], strict=True)}


@takes(text, moment)
def _add_duration(duration: str, when: Time) -> int:
    """The moment after that duration, in ms since the epoch."""
    try:
        shifted = when.shifted(parse_go_duration(duration) / 1000)
    except DurationError as error:
        raise FunctionFailure(f"time: invalid duration {gotext.quote(duration)}") from error
    return (shifted.moment - _EPOCH) // timedelta(milliseconds=1)


@takes(text, text)
def _to_date(layout: str, value: str) -> Time:
    """The zero time where it cannot be read."""
    try:
        return parse_time(layout, value)
    except FunctionFailure:
        return parse_time("2006", "0001")


_TIMELESS: Mapping[str, Callable[..., object]] = {
    "addDuration": _add_duration,
    "append": takes(items, rest=anything)(lambda start, *more: [*start, *more]),
    "base64decode": _base64_decode,
    "base64encode": takes(text)(
        lambda value: base64.urlsafe_b64encode(value.encode("utf-8", "replace")).decode()
    ),
    "date": takes(text, moment)(lambda layout, when: format_time(when.moment, layout)),
    "dict": _dict,
    "humanizeDuration": humanize.humanize_duration,
    "join": words.join,
    "list": takes(rest=anything)(lambda *values: list(values)),
    "match": words.match,
    "mustToDate": takes(text, text)(parse_time),
    "reReplaceAll": words.re_replace_all,
    "safeHtml": words.safe_html,
    "safeUrl": words.safe_url,
    "stringSlice": takes(rest=text)(lambda *values: list(values)),
    "title": words.title_lower,
    "toDate": _to_date,
    "toJson": takes(anything)(to_json),
    "toLower": words.to_lower,
    "toUpper": words.to_upper,
    "trimSpace": words.trim_space,
    "tz": takes(text, moment)(lambda name, when: when.in_zone(zone(name))),
    "urlUnescape": words.url_unescape,
}
