"""/federate: the newest sample of every chosen series, for another Prometheus to scrape.

In:  `match[]` selectors. Out: the text format 0.0.4 with timestamps, by metric name. External labels are put
where a series has none of the name, and an empty `instance`, so that the scraper does not put its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from backbeat.exchange.openmetrics import series_text
from backbeat.model.arrays import Bools
from backbeat.model.clock import Now
from backbeat.model.errors import BackbeatError
from backbeat.model.labels import METRIC_NAME, Labels
from backbeat.model.matchers import Matcher
from backbeat.model.samples import SampleBlock, is_stale
from backbeat.web.dispatch import Route
from backbeat.web.params import Parameters
from backbeat.web.render import format_value

LOOKBACK_MS = 300_000
_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class SeriesReader(Protocol):
    """What federation asks of storage."""

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> Sequence[SampleBlock]: ...


class FederateAPI:
    """Answers scrapes of other servers."""

    def __init__(self, reader: SeriesReader, now: Now, external_labels: Callable[[], Labels]) -> None:
        self._reader = reader
        self._now = now
        self._external_labels = external_labels

    def routes(self) -> list[Route]:
        return [Route("/federate", self.federate, methods=["GET"])]

    async def federate(self, request: Request) -> Response:
        try:
            params = await Parameters.of(request)
            selectors = await params.selectors() if params.all("match[]") else []
        except BackbeatError as error:
            return PlainTextResponse(f"{error}\n", 400)
        text = await asyncio.to_thread(self._text, selectors)
        return Response(text, headers={"content-type": _CONTENT_TYPE})

    def _text(self, selectors: Sequence[Sequence[Matcher]]) -> str:
        now_ms = self._now()
        newest: dict[Labels, tuple[int, float]] = {}
        for matchers in selectors:
            for block in self._reader.select(matchers, now_ms - LOOKBACK_MS, now_ms):
                newest.update(_newest(block))
        added = {"instance": "", **dict(self._external_labels())}
        lines: list[str] = []
        last = ""
        for labels in sorted((own for own in newest if own.metric), key=lambda own: (own.metric, own)):
            if labels.metric != last:
                last = labels.metric
                lines.append(f"# TYPE {series_text(Labels.of({METRIC_NAME: last}))} untyped\n")
            at_ms, value = newest[labels]
            lines.append(f"{_with(labels, added)} {format_value(value)} {at_ms}\n")
        return "".join(lines)


def _newest(block: SampleBlock) -> dict[Labels, tuple[int, float]]:
    """Time and value of each series' last sample; series that have ended are left out."""
    if not len(block.times):
        return {}
    rows = np.arange(len(block.labels))
    if block.present is None:
        last = np.full(len(rows), len(block.times) - 1)
        has: Bools = np.ones(len(rows), bool)
    else:
        last = block.present.shape[1] - 1 - block.present[:, ::-1].argmax(axis=1)
        has = np.asarray(block.present.any(axis=1))
    values = np.ascontiguousarray(block.values[rows, last])
    has = has & ~is_stale(values)
    return {
        block.labels[row]: (int(block.times[last[row]]), float(values[row]))
        for row in np.flatnonzero(has).tolist()
    }


def _with(labels: Labels, added: Mapping[str, str]) -> str:
    own = {name for name, _ in labels}
    text = series_text(labels)
    more = ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(added.items()) if name not in own)
    if not more:
        return text
    return f"{text[:-1]},{more}}}" if text.endswith("}") else f"{text}{{{more}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
