"""Searching the history: what happened to alerts and messages, by time, labels and text.

In:  the `alert_events` that the journal writes with every change.
Out: a page of events, newest first, and where the next page begins.
Time, text and plain matchers are asked of SQL; the other matchers of each row that is left.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from msgspec import Struct, field
from sqlalchemy import ColumnElement, Connection, func, or_, select

from backbeat.alerting.matching import accepts_all
from backbeat.model.matchers import Matcher, MatchOp
from backbeat.state import tables
from backbeat.state.records import Event
from backbeat.state.rows import event_of

_LONGEST_PAGE = 1000
_ROWS_AT_ONCE = 1000
_MOST_ROWS = 50_000


class Search(Struct, frozen=True):
    """What is wanted, in [since_ms, until_ms); 0 leaves a side open.

    before: the last page's `next_before`.
    """

    since_ms: int = 0
    until_ms: int = 0
    matchers: Sequence[Matcher] = ()
    text: str = ""
    before: int = 0
    limit: int = 100


class Page(Struct, frozen=True):
    """next_before: 0 where nothing older is left."""

    events: list[Event] = field(default_factory=list)
    next_before: int = 0


def search(connection: Connection, wanted: Search) -> Page:
    """Look through at most 50,000 rows at once, so that no question holds up what must be written."""
    limit = max(1, min(wanted.limit, _LONGEST_PAGE))
    found: list[Event] = []
    before, seen = wanted.before, 0
    while seen < _MOST_ROWS:
        query = select(tables.alert_events).order_by(tables.alert_events.c.id.desc()).limit(_ROWS_AT_ONCE)
        rows = connection.execute(query.where(*_conditions(wanted, before))).all()
        for row in rows:
            before = row.id
            event = event_of(row)
            if accepts_all(wanted.matchers, dict(event.labels)):
                found.append(event)
                if len(found) == limit:
                    return Page(found, before)
        seen += len(rows)
        if len(rows) < _ROWS_AT_ONCE:
            return Page(found)
    return Page(found, before)


def _conditions(wanted: Search, before: int) -> list[ColumnElement[bool]]:
    column = tables.alert_events.c
    asked: list[ColumnElement[bool]] = []
    if before:
        asked.append(column.id < before)
    if wanted.since_ms:
        asked.append(column.at_ms >= wanted.since_ms)
    if wanted.until_ms:
        asked.append(column.at_ms < wanted.until_ms)
    if wanted.text:
        looked_at = (column.labels, column.reason, column.detail, column.receiver, column.kind)
        text = wanted.text.lower()
        asked.append(or_(*(func.lower(each).contains(text, autoescape=True) for each in looked_at)))
    for matcher in wanted.matchers:
        if matcher.op is MatchOp.EQUAL and matcher.value:
            pair = orjson.dumps({matcher.name: matcher.value}).decode()[1:-1]
            asked.append(column.labels.contains(pair, autoescape=True))
    return asked
