"""Prometheus's query API: query, query_range, series, labels, label values, format and parse."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence

import orjson
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from backbeat.model import gotext
from backbeat.model.clock import Now
from backbeat.model.labels import Labels
from backbeat.model.results import Answer, BadQuery, Matrix, Querier, RawSamples, Scalar, Text
from backbeat.promql.ast import Expr
from backbeat.promql.parser import parse
from backbeat.promql.printer import pretty
from backbeat.promql.tree_json import to_json
from backbeat.web.dispatch import Route
from backbeat.web.given import Given
from backbeat.web.list_texts import ListTexts
from backbeat.web.params import BadParameter, Parameters, check_grid, raw_parameters, union
from backbeat.web.render import render_answer
from backbeat.web.responses import accepts_gzip, json_body, success
from backbeat.web.until_gone import answered, bad_query

BOTH = ["GET", "POST"]
_PIECE = re.compile(r"[^_]+|__|_([0-9a-fA-F]{1,5})_")
_ESCAPED = re.compile(f"(?:{_PIECE.pattern})*")
BEGINNING_MS = -(2**62)
END_MS = 2**62
LARGE = 10_000
"""points from which an answer is written in a thread"""
LIKE_POINTS = 20
"""A label set, or a text in a list, takes as long to write as so many points."""
LIMITED = "results truncated due to limit"


class QueryAPI:
    """Answers questions through a Querier; holds nothing but the answers and texts given lately."""

    def __init__(self, querier: Querier, now: Now) -> None:
        self._querier = querier
        self._now = now
        self._given = Given()
        self._lists = ListTexts()

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/query", self.query, methods=BOTH),
            Route("/api/v1/query_range", self.query_range, methods=BOTH),
            Route("/api/v1/series", self.series, methods=BOTH),
            Route("/api/v1/labels", self.labels, methods=BOTH),
            Route("/api/v1/label/{name:path}/values", self.label_values, methods=["GET"]),
            Route("/api/v1/format_query", self.format_query, methods=BOTH),
            Route("/api/v1/parse_query", self.parse_query, methods=BOTH),
        ]

    async def query(self, request: Request) -> Response:
        params = await Parameters.of(request)
        at_ms = params.time_ms("time", self._now())
        limit = params.limit()
        began = time.perf_counter()
        asked = self._querier.instant(
            params.text("query"), at_ms, timeout_ms=params.timeout_ms(), lookback_ms=params.lookback_ms()
        )
        answer, cut = limited(await answered(request, asked), limit)
        stats = _stats(params, answer, began)
        return await _rendered(request, _warned(params, cut), at_ms, stats)

    async def query_range(self, request: Request) -> Response:
        raw = await raw_parameters(request)
        asked_again = self._given.get((raw, accepts_gzip(request)))
        if asked_again is not None:
            return asked_again
        params = Parameters.parsed(raw)
        start_ms, end_ms = params.time_ms("start"), params.time_ms("end")
        step_ms = params.duration_ms("step")
        check_grid(start_ms, end_ms, step_ms)
        limit = params.limit()
        query, anew = params.text("query"), params.text("nocache") == "1"
        began = time.perf_counter()
        asked = self._querier.range(
            query,
            start_ms,
            end_ms,
            step_ms,
            timeout_ms=params.timeout_ms(),
            lookback_ms=params.lookback_ms(),
            anew=anew,
        )
        answer, cut = limited(await answered(request, asked), limit)
        stats = _stats(params, answer, began)
        response = await _rendered(request, _warned(params, cut), None, stats, "" if anew else query)
        if answer.holds is not None and not stats:
            self._given.keep((raw, accepts_gzip(request)), response, answer.holds)
        return response

    async def series(self, request: Request) -> Response:
        params = await Parameters.of(request)
        selectors = await params.selectors()
        if not selectors:
            raise BadParameter("no match[] parameter provided")
        limit = params.limit()
        found = await self._querier.series(selectors, *_window(params), limit + 1 if limit else 0)
        return await self._listed(request, found, limit)

    async def labels(self, request: Request) -> Response:
        params = await Parameters.of(request)
        limit = params.limit()
        names = await self._querier.label_names(
            union(await params.selectors()), *_window(params), limit + 1 if limit else 0
        )
        return await self._listed(request, names, limit)

    async def label_values(self, request: Request) -> Response:
        params = await Parameters.of(request)
        name = unescape_label_name(request.path_params["name"])
        if not name:
            raise BadParameter('invalid label name: ""')
        limit = params.limit()
        values = await self._querier.label_values(
            name, union(await params.selectors()), *_window(params), limit + 1 if limit else 0
        )
        return await self._listed(request, values, limit)

    async def _listed(
        self, request: Request, values: Sequence[str] | Sequence[Labels], limit: int
    ) -> Response:
        is_cut = 0 < limit < len(values)
        shown = values[:limit] if is_cut else values
        more = b',"warnings":["%b"]' % LIMITED.encode() if is_cut else b""

        def render() -> Response:
            text = self._lists.text(shown)
            return json_body(request, b'{"status":"success","data":' + text + more + b"}")

        return await _written(render, 0 if self._lists.is_known(shown) else LIKE_POINTS * len(shown))

    async def format_query(self, request: Request) -> Response:
        return await _of_tree(request, pretty)

    async def parse_query(self, request: Request) -> Response:
        return await _of_tree(request, to_json)


async def _of_tree(request: Request, shown: Callable[[Expr], object]) -> Response:
    """In a thread: a text of 64 KiB takes a second, and one of a few characters may say so much."""
    text = (await Parameters.of(request)).text("query")
    try:
        return await asyncio.to_thread(lambda: success(request, shown(parse(text))))
    except BadQuery as error:
        raise bad_query(error) from None


def limited(answer: Answer, limit: int) -> tuple[Answer, Answer]:
    """The answer, and the same with at most `limit` series and a warning where some were cut."""
    value = answer.value
    cut: Matrix | RawSamples
    if limit and isinstance(value, Matrix) and len(value.labels) > limit:
        cut = Matrix(value.labels[:limit], value.steps, value.values[:limit], value.present[:limit])
    elif limit and isinstance(value, RawSamples) and len(value.blocks) > limit:
        cut = RawSamples(value.blocks[:limit])  # a block a series
    else:
        return answer, answer
    notes = replace(answer.notes, warnings=(*answer.notes.warnings, LIMITED))
    return answer, replace(answer, value=cut, notes=notes)


async def _rendered(
    request: Request, answer: Answer, at_ms: int | None, stats: bytes, asked: str = ""
) -> Response:
    def render() -> Response:
        return json_body(request, render_answer(answer, at_ms=at_ms, stats=stats, asked=asked))

    return await _written(render, _points(answer.value))


async def _written(render: Callable[[], Response], points: int) -> Response:
    # What takes longer than a few ms must not keep the event loop from its other work.
    return await asyncio.to_thread(render) if points > LARGE else render()


def _points(value: Matrix | Scalar | Text | RawSamples) -> int:
    """How many points take as long to write."""
    if isinstance(value, Matrix):
        return value.values.size + LIKE_POINTS * len(value.labels)
    if isinstance(value, RawSamples):
        return sum(block.values.size + LIKE_POINTS * len(block.labels) for block in value.blocks)
    return 0


def _window(params: Parameters) -> tuple[int, int]:
    return params.time_ms("start", BEGINNING_MS), params.time_ms("end", END_MS)


def unescape_label_name(name: str) -> str:
    """`U__http_2e_code` names `http.code`, as Prometheus escapes UTF-8 names in URLs.

    A name that is not escaped like that stands for itself.
    """
    if not name.startswith("U__") or not _ESCAPED.fullmatch(name, 3):
        return name
    text = ""
    for piece in _PIECE.finditer(name, 3):
        code = int(piece[1], 16) if piece[1] else 0
        if 0xD800 <= code < 0xE000:
            return name
        text += chr(code) if piece[1] else piece[0].replace("__", "_")
    return text


def _warned(params: Parameters, answer: Answer) -> Answer:
    """Any `stats` gives statistics, as in Prometheus until its next major version."""
    given = params.text("stats")
    if given in ("", "true", "all"):
        return answer
    warning = (
        f'value {gotext.quote(given)} for parameter "stats" is deprecated and will be rejected in the next '
        'major release, use "true" or "all"'
    )
    return replace(answer, notes=replace(answer.notes, warnings=(*answer.notes.warnings, warning)))


def _stats(params: Parameters, answer: Answer, began: float) -> bytes:
    if not params.text("stats"):
        return b""
    taken = time.perf_counter() - began
    timings = {
        "evalTotalTime": taken,
        "resultSortTime": 0,
        "queryPreparationTime": 0,
        "innerEvalTime": taken,
        "execQueueTime": 0,
        "execTotalTime": taken,
    }
    samples = {
        "totalQueryableSamples": answer.samples_read,
        "samplesRead": answer.samples_read,
        "seriesTouched": answer.series_touched,
        "peakSamples": answer.peak_samples,
    }
    return b',"stats":' + orjson.dumps({"timings": timings, "samples": samples})
