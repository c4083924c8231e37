"""`backbeat query`: PromQL from the terminal, to a server or to a data directory that no server holds.

Out: a table, for a range a plot and a table of each series' figures; or JSON; or CSV.
"""

from __future__ import annotations

import csv
import json
import shutil
import sys
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.table import Table

from backbeat.cli.data_directory import samples_of
from backbeat.model.clock import now_ms
from backbeat.model.errors import BackbeatError, WorldFailure
from backbeat.model.results import Answer

_TIMEOUT_S = 150
_MOST_LINES = 7
"""more lines in one plot are a tangle"""
_COLOURS = ("cyan", "yellow", "magenta", "green", "blue", "red", "white")
Series = dict[str, Any]


class Refused(BackbeatError):
    """What the server answered instead of a result; shown as it stands."""


def run_query(
    expr: str,
    *,
    url: str,
    data: Path | None,
    at_ms: int,
    range_ms: int,
    step_ms: int,
    form: str,
) -> int:
    """Ask and print. range_ms: 0 for one moment; form: "table", "json" or "csv". Raises BackbeatError."""
    if range_ms and not step_ms:
        step_ms = max(1000, range_ms // 240 // 1000 * 1000)
    start_ms = (at_ms - range_ms) // (step_ms or 1) * (step_ms or 1)
    if data is not None:
        body = _from_directory(data, expr, at_ms, start_ms if range_ms else None, step_ms)
    else:
        body = _from_server(url, expr, at_ms, start_ms if range_ms else None, step_ms)
    answer = json.loads(body)
    if form == "json":
        print(json.dumps(answer, indent=2, ensure_ascii=False))
        return 0
    found = answer["data"]
    if form == "csv":
        _write_csv(found)
        return 0
    console = Console(highlight=False)
    for note in (*answer.get("warnings", ()), *answer.get("infos", ())):
        print(f"note: {note}", file=sys.stderr)
    _show(console, found)
    return 0


def _from_server(url: str, expr: str, at_ms: int, start_ms: int | None, step_ms: int) -> bytes:
    asked = {"query": expr}
    if start_ms is None:
        asked["time"] = str(at_ms / 1000)
    else:
        asked |= {"start": str(start_ms / 1000), "end": str(at_ms / 1000), "step": str(step_ms / 1000)}
    path = "query" if start_ms is None else "query_range"
    if not url.startswith(("http://", "https://")):
        raise WorldFailure(f"--url: found {url!r}, expected an address such as http://127.0.0.1:9090")
    request = urllib.request.Request(  # noqa: S310
        f"{url.rstrip('/')}/api/v1/{path}", urllib.parse.urlencode(asked).encode()
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            return cast("bytes", answer.read())
    except urllib.error.HTTPError as error:
        raise Refused(_reason(error)) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise WorldFailure(
            f"{url}: {reason}; is Backbeat running there? Name it with --url, or a directory with --data"
        ) from error


def _reason(error: urllib.error.HTTPError) -> str:
    body = error.read()
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return f"the server answered {error.code}: {body[:200].decode('utf-8', 'replace')}"


def _from_directory(data: Path, expr: str, at_ms: int, start_ms: int | None, step_ms: int) -> bytes:
    from backbeat.promql.engine import Engine
    from backbeat.storage import StorageOptions, open_storage
    from backbeat.web.render import render_answer

    storage = open_storage(samples_of(data), StorageOptions(retention_time_ms=0), now_ms)
    try:
        engine = Engine(storage)
        answer: Answer
        if start_ms is None:
            answer = engine.instant(expr, at_ms)
            return render_answer(answer, at_ms=at_ms)
        answer = engine.range(expr, start_ms, at_ms, step_ms)
        return render_answer(answer, at_ms=None)
    finally:
        storage.close()


def _show(console: Console, found: dict[str, Any]) -> None:
    kind, result = found["resultType"], found["result"]
    if kind in ("scalar", "string"):
        console.print(result[1], markup=False)
    elif not result:
        print("no series: nothing has samples at that time; try a wider range, or `backbeat query up`")
    elif kind == "vector":
        console.print(_values(result))
    else:
        _plot(result)
        console.print(_figures(result))


def _name(metric: dict[str, str]) -> str:
    """A series as PromQL writes it."""
    pairs = ", ".join(
        f"{name}={json.dumps(value, ensure_ascii=False)}"
        for name, value in metric.items()
        if name != "__name__"
    )
    return metric.get("__name__", "") + (f"{{{pairs}}}" if pairs or "__name__" not in metric else "")


def _values(result: list[Series]) -> Table:
    table = Table(box=None, show_header=False)
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    for series in result:
        table.add_row(_escaped(_name(series["metric"])), series["value"][1])
    return table


def _figures(result: list[Series]) -> Table:
    table = Table("series", box=None)
    for name in ("min", "mean", "max", "last"):
        table.add_column(name, justify="right", no_wrap=True)
    for place, series in enumerate(result):
        numbers = [float(text) for _, text in series["values"]]
        real = [number for number in numbers if number == number]
        mean = sum(real) / len(real) if real else float("nan")
        shown = (min(real, default=mean), mean, max(real, default=mean), numbers[-1])
        colour = _COLOURS[place] if place < min(_MOST_LINES, len(result)) else "default"
        table.add_row(f"[{colour}]{_escaped(_name(series['metric']))}", *(f"{each:.6g}" for each in shown))
    return table


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")


def _plot(result: list[Series]) -> None:
    """Braille lines of the first series; nothing where the terminal is too narrow or has no such letters."""
    import plotille

    width = min(shutil.get_terminal_size((100, 30)).columns, 160) - 14
    if width < 30 or not _can_print("⣿"):
        return
    figure: Any = plotille.Figure()
    figure.width, figure.height = width, 14
    figure.with_colors = sys.stdout.isatty()
    figure.x_label, figure.y_label = "time, UTC", ""
    first = min(series["values"][0][0] for series in result)
    last = max(series["values"][-1][0] for series in result)
    form = "%H:%M:%S" if last - first < 86_400 else "%m-%d %H:%M"
    figure.register_label_formatter(float, lambda value, *_, **__: f"{value:10.5g}")
    figure.x_ticks_fkt = lambda value, _: datetime.fromtimestamp(float(value), UTC).strftime(form)
    figure.y_ticks_fkt = lambda value, _: f"{value:.5g}"
    drawn = False
    for place, series in enumerate(result[:_MOST_LINES]):
        points = [(at, float(text)) for at, text in series["values"]]
        finite = [(at, value) for at, value in points if abs(value) != float("inf") and value == value]
        if finite:
            figure.plot(*zip(*finite, strict=True), lc=_COLOURS[place])
            drawn = True
    if drawn:
        print(figure.show())
        if len(result) > _MOST_LINES:
            print(f"({_MOST_LINES} of {len(result)} series are drawn)")
        print()


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _write_csv(found: dict[str, Any]) -> None:
    """A row a sample: time, value, then the labels."""
    kind, result = found["resultType"], found["result"]
    rows: list[Series] = [{"metric": {}, "value": result}] if kind in ("scalar", "string") else result
    names = sorted({name for series in rows for name in series["metric"]})
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["time", "value", *names])
    for series in rows:
        labels = [series["metric"].get(name, "") for name in names]
        for at, value in series.get("values") or [series["value"]]:
            moment = datetime.fromtimestamp(float(at), UTC).isoformat().replace("+00:00", "Z")
            writer.writerow([moment, value, *labels])
