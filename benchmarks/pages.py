"""The overview in a real browser, and what open pages cost the server.

    python -m benchmarks.pages                  everything, about two minutes
    python -m benchmarks.pages --only paint     one part: size, paint, frames, share

2,000 series of 12 h at 15 s are written to a data directory, and the profile's rules run over them. Each
figure of `paint` is the median of five fresh browser contexts (no cache), from the start of the navigation; a
panel is painted when its chart with data is drawn. `frames` answers every panel with 5 lines of about 2,000
points (the network is left out), moves the cursor over the charts and scrolls while live points arrive, and
counts long tasks and the CPU time of the page's thread, which a busy machine does not change much. `share`
opens the overview's stream once and 200 times, and takes the server's CPU time over a minute of each.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import re
import shutil
import statistics
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
from benchmarks.ingest import free_port, running, wait_for
from playwright.sync_api import Browser, Page, Route, sync_playwright

from backbeat.model.clock import now_ms
from backbeat.model.labels import METRIC_NAME, Labels
from backbeat.storage import StorageOptions, open_storage

ROOT = Path(__file__).parents[1]
STATIC = ROOT / "src/backbeat/web/static"
PROFILE = ROOT / "src/backbeat/profile/files"
CHROMIUM = "/usr/bin/chromium"
SERIES, ROUNDS, STEP_MS = 2000, 2880, 15_000
RUNS = 5
SIGNALS = re.findall(r'name: "(\w+)"', (ROOT / "ui/src/signal/signals.ts").read_text())
WATCHED_S = 60


def series() -> list[Labels]:
    """Everything that the overview asks for by its recorded name, and raw buckets up to 2,000."""
    asked = (ROOT / "ui/src/overview/panels.ts").read_text()
    asked = asked.replace("${name}", "p50")
    names = set(re.findall(r"\b(?:job|instance|app):[\w:]+", asked)) | {
        f"job:http_request_duration_seconds:p{q}" for q in (50, 90, 95, 99)
    }
    found = [
        Labels.of({METRIC_NAME: name, "job": "api", "instance": "api:1", "feature": "search"})
        for name in names
    ]
    found += [
        Labels.of({METRIC_NAME: f"signal:score:{kind}", "signal": signal})
        for kind in ("min", "points_lost")
        for signal in SIGNALS
    ]
    for place in range(SERIES - len(found)):
        le = ("0.01", "0.05", "0.1", "0.5", "1", "2", "4", "+Inf")[place % 8]
        route, instance = f"/api/{place // 8 % 50}", f"api:{place // 400}"
        found.append(
            Labels.of(
                {
                    METRIC_NAME: "http_request_duration_seconds_bucket",
                    "job": "api",
                    "route": route,
                    "instance": instance,
                    "le": le,
                }
            )
        )
    return found


def write_store(data: Path) -> None:
    """12 h that end now."""
    storage = open_storage(data, StorageOptions(), now_ms)
    cohort = storage.cohort("benchmark")
    labels = series()
    columns = cohort.columns(labels)
    counters = np.array([each.metric.endswith("_bucket") for each in labels])
    random = np.random.default_rng(1)
    values = np.where(counters, 0.0, 50.0)
    end_ms = now_ms() // STEP_MS * STEP_MS
    for round_ in range(ROUNDS):
        walk = random.normal(0, 0.5, len(labels))
        values = np.where(counters, values + np.abs(walk), np.clip(values + walk, 1, 99))
        cohort.append(end_ms - (ROUNDS - 1 - round_) * STEP_MS, columns, values)
    storage.close()


@contextmanager
def server() -> Iterator[tuple[str, psutil.Process]]:
    with tempfile.TemporaryDirectory() as place:
        config, data, port = Path(place) / "config", Path(place) / "data", free_port()
        config.mkdir()
        for name in ("alert_rules.yml", "performance_alerts.yml"):
            shutil.copy(PROFILE / name, config)
        (config / "prometheus.yml").write_text(
            "global: {scrape_interval: 15s, evaluation_interval: 15s}\n"
            "rule_files: [alert_rules.yml, performance_alerts.yml]\n"
        )
        write_store(data / "samples")
        command = [sys.executable, "-m", "backbeat", "serve", str(config), "--data", str(data)]
        with running([*command, "--listen", f"127.0.0.1:{port}"]) as process:
            wait_for(port)
            yield f"http://127.0.0.1:{port}", psutil.Process(process.pid)


def measure_size() -> None:
    """What the overview needs of JavaScript: its entry and everything that it imports statically."""
    manifest = json.loads((STATIC / "manifest.json").read_text())
    wanted, seen = ["index.html"], set()
    while wanted:
        entry = manifest[(name := wanted.pop())]
        seen.add(name)
        wanted += [each for each in entry.get("imports", ()) if each not in seen]
    files = [STATIC / manifest[each]["file"] for each in seen]
    size = sum(len(gzip.compress(each.read_bytes(), 9)) for each in files if each.suffix == ".js")
    print(f"JavaScript of the overview, gzip: {size / 1000:.1f} kB in {len(files)} files (goal 120)")


OBSERVE = """
window.shifts = 0; window.longTasks = [];
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifts += one.value;
}).observe({type: 'layout-shift', buffered: true});
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) window.longTasks.push(one.duration);
}).observe({type: 'longtask', buffered: true});
"""
PAINTED = (
    "() => performance.getEntriesByType('mark').filter((m) => m.name.startsWith('panel:'))"
    ".map((m) => m.startTime)"
)
PANELS_WITH_DATA = "() => document.querySelectorAll('[data-testid^=panel-][data-state=data]').length"


def measure_paint(browser: Browser, url: str) -> None:
    firsts, lasts, zooms, shifts, count = [], [], [], [], 0
    for _ in range(RUNS):
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.add_init_script(OBSERVE)
        page.goto(f"{url}/?range=12h")
        painted = settled(page, PAINTED)
        count = len(painted)
        firsts.append(min(painted))
        lasts.append(max(painted))
        zooms.append(zoom_ms(page))
        page.wait_for_timeout(1500)
        shifts.append(page.evaluate("window.shifts"))
        context.close()
    print(f"first panel painted: {statistics.median(firsts):.0f} ms (goal 1000), {spread(firsts)}")
    print(f"all {count} panels painted: {statistics.median(lasts):.0f} ms (goal 2000), {spread(lasts)}")
    print(
        f"zoom, panels in sight painted anew: {statistics.median(zooms):.0f} ms (goal 300), {spread(zooms)}"
    )
    print(f"layout shift: {max(shifts):.4f} at most (goal 0.02)")


def spread(values: list[float]) -> str:
    return f"{min(values):.0f} to {max(values):.0f}"


def settled(page: Page, script: str) -> list[float]:
    """The answer of a script that lists things, once it has not grown for half a second."""
    before: list[float] = []
    while True:
        page.wait_for_timeout(500)
        now: list[float] = page.evaluate(script)
        if now and len(now) == len(before):
            return now
        before = now


ZOOM = """
async () => {
  const { promise, resolve } = Promise.withResolvers();
  const seen = [...document.querySelectorAll('[data-testid^=panel-] .chart')].filter((chart) => {
    const box = chart.getBoundingClientRect();
    return box.top < innerHeight && box.bottom > 0;
  });
  const busy = () => seen.some((chart) => chart.closest('.body').getAttribute('aria-busy') === 'true');
  const began = performance.now();
  const now = Date.now();
  history.pushState(null, '', `/?from=${now - 5 * 3600000}&to=${now - 3600000}`);
  dispatchEvent(new PopStateEvent('popstate'));
  const wait = () => {
    const took = performance.now() - began;
    if (took > 10 && !busy()) requestAnimationFrame(() => resolve(performance.now() - began));
    else requestAnimationFrame(wait);
  };
  requestAnimationFrame(wait);
  return promise;
}
"""


def zoom_ms(page: Page) -> float:
    return float(page.evaluate(ZOOM))


def synthetic(route: Route) -> None:
    """5 lines over the grid that is asked for."""
    asked = {
        name: float(values[0])
        for name, values in urllib.parse.parse_qs(urllib.parse.urlsplit(route.request.url).query).items()
        if name in ("start", "end", "step")
    }
    times = np.arange(asked["start"], asked["end"] + 0.001, asked["step"])
    result = [
        {
            "metric": {"line": str(place)},
            "values": [[int(at), f"{50 + 20 * np.sin(at / 900 + place):.4f}"] for at in times],
        }
        for place in range(5)
    ]
    body = {"status": "success", "data": {"resultType": "matrix", "result": result}}
    route.fulfill(status=200, content_type="application/json", body=json.dumps(body))


def measure_frames(browser: Browser, url: str) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.add_init_script(OBSERVE)
    page.route("**/api/v1/query_range*", synthetic)
    page.goto(f"{url}/?range=11h&points=2000")
    settled(page, PAINTED)
    panels = page.evaluate(PANELS_WITH_DATA)
    page.evaluate("window.longTasks = []")
    page.evaluate(FRAMES_ON)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    for way in (1, -1, 1, -1):
        for step in range(120):
            page.mouse.move(260 + step * 9, 500 + step % 40)
        for _ in range(40):
            page.mouse.wheel(0, 60 * way)
            page.wait_for_timeout(16)
    metrics = session.send("Performance.getMetrics")["metrics"]
    cpu_s = next(one["value"] for one in metrics if one["name"] == "TaskDuration")
    frames = sorted(page.evaluate("window.frames_ms"))
    tasks = page.evaluate("window.longTasks")
    print(
        f"cursor and scrolling over {panels} panels of 5 lines: {len(tasks)} tasks over 50 ms,"
        f" {sum(tasks):.0f} ms in all, longest {max(tasks, default=0):.0f} ms; {len(frames)} frames:"
        f" median {frames[len(frames) // 2]:.1f} ms, 95 % within {frames[int(len(frames) * 0.95)]:.1f} ms,"
        f" 99 % within {frames[int(len(frames) * 0.99)]:.1f} ms;"
        f" {cpu_s * 1000 / len(frames):.1f} ms of CPU each"
    )
    page.close()


FRAMES_ON = """
() => {
  window.frames_ms = [];
  let before = performance.now();
  const next = (at) => { window.frames_ms.push(at - before); before = at; requestAnimationFrame(next); };
  requestAnimationFrame(next);
}
"""


def stream_of(browser: Browser, url: str) -> str:
    """The path of the stream that the overview opens."""
    page = browser.new_page()
    found: list[str] = []
    page.on("request", lambda request: found.append(request.url) if "/v1/live?" in request.url else None)
    page.goto(f"{url}/?range=15m")
    while not found:
        page.wait_for_timeout(200)
    page.close()
    return found[-1].removeprefix(url)


async def watch(url: str, path: str, count: int, process: psutil.Process) -> tuple[float, int]:
    """CPU seconds of the server over a minute with `count` readers, and the bytes that each reader got."""
    host, _, port = url.removeprefix("http://").partition(":")
    got = [0] * count

    async def read(place: int) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        try:
            while piece := await reader.read(65536):
                got[place] += len(piece)
        finally:
            writer.close()

    readers = [asyncio.create_task(read(place)) for place in range(count)]
    await asyncio.sleep(5)
    before, bytes_before = sum(process.cpu_times()[:2]), min(got, default=0)
    await asyncio.sleep(WATCHED_S)
    cpu_s = sum(process.cpu_times()[:2]) - before
    arrived = min(got, default=0) - bytes_before
    for each in readers:
        each.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    return cpu_s, arrived


def measure_share(browser: Browser, url: str, process: psutil.Process) -> None:
    path = stream_of(browser, url)
    time.sleep(5)
    told = {}
    for count in (0, 1, 200):
        # The browser's driver has an event loop of its own in this thread.
        with ThreadPoolExecutor(1) as thread:
            cpu_s, arrived = thread.submit(asyncio.run, watch(url, path, count, process)).result()
        told[count] = cpu_s
        print(
            f"{count} open overviews, refreshed every 5 s: {cpu_s / WATCHED_S * 100:.2f} % of a core,"
            f" {arrived / 1000:.0f} kB to each in {WATCHED_S} s"
        )
    print(f"200 against one: {told[200] / told[1]:.2f} (goal 2)")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=("size", "paint", "frames", "share"))
    only = parser.parse_args().only
    if only in (None, "size"):
        measure_size()
    if only == "size":
        return
    with server() as (url, process), sync_playwright() as playwright:
        time.sleep(3)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        if only in (None, "paint"):
            measure_paint(browser, url)
        if only in (None, "frames"):
            measure_frames(browser, url)
        if only in (None, "share"):
            measure_share(browser, url, process)
        browser.close()


if __name__ == "__main__":
    main()
