"""Pictures of every page: desk, phone and wall, dark and light, and the print view: `make screenshots`.

Out: screenshots/<page>-<size>-<theme>.png. A picture is taken when the page rests: every answer is there and
every chart in sight is drawn. A demo is started for it, with a fault after a while so that there
are alerts to see; --url takes the pages of a server that runs already.
"""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

OUT = Path(__file__).resolve().parent.parent / "screenshots"
CHROMIUM = "/usr/bin/chromium"
SIZES = {"desk": (1280, 800), "phone": (390, 844), "wall": (3840, 2160)}
THEMES = ("dark", "light")
PAGES = {
    "overview": "/?range=15m",
    "signal": "/signal/response_time?range=15m",
    "alerts": "/alerts",
    "history": "/history",
    "silences": "/silences",
    "routing": "/routing",
    "rules": "/rules",
    "explore": "/explore?expr=sum+by+(route)+(rate(http_requests_total[1m]))&range=15m",
    "targets": "/targets",
    "status": "/status",
}
WARM_UP_S, FAULT_S = 120, 75
# A machine that is busy takes its time; nothing here is measured.
PATIENCE_MS = 180_000
RESTS = """
() => document.querySelector('h1') !== null
  && document.querySelector('main .waiting, main [aria-busy=true], main [data-state=loading]') === null
  && document.querySelector('main .chart:not(:has(canvas))') === null
"""


@contextmanager
def demo() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as data:
        command = [sys.executable, "-u", "-m", "backbeat", "demo", "--data", data]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            found: dict[str, str] = {}
            for line in process.stdout:
                if match := re.match(r"\s+(Dashboard|Service)\s+(http://\S+?)/?\s", line):
                    found[match[1]] = match[2]
                if "Ctrl-C" in line:
                    break
            print(f"the demo runs; pictures follow in {WARM_UP_S + FAULT_S} s", flush=True)
            time.sleep(WARM_UP_S)
            chaos = [sys.executable, "-m", "backbeat", "chaos", "slow_database", "on"]
            subprocess.run([*chaos, "--url", found["Service"]], check=True, stdout=subprocess.DEVNULL)
            time.sleep(FAULT_S)
            yield found["Dashboard"]
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=180)


def take(browser: Browser, url: str) -> None:
    for theme in THEMES:
        for size, (width, height) in SIZES.items():
            context = browser.new_context(
                viewport={"width": width, "height": height},
                is_mobile=size == "phone",
                has_touch=size == "phone",
                color_scheme=theme,
                reduced_motion="reduce",
            )
            page = context.new_page()
            page.set_default_timeout(PATIENCE_MS)
            for name, path in PAGES.items():
                page.set_viewport_size({"width": width, "height": height})
                page.goto(url + path, wait_until="domcontentloaded")
                rest(page)
                if size == "phone":
                    unroll(page, width, height)
                page.screenshot(path=OUT / f"{name}-{size}-{theme}.png")
            if size == "desk":
                page.goto(url + PAGES["overview"], wait_until="domcontentloaded")
                rest(page)
                page.emulate_media(media="print")
                page.evaluate("dispatchEvent(new Event('beforeprint'))")
                rest(page)
                page.screenshot(path=OUT / f"overview-print-{theme}.png", full_page=True)
            context.close()
            print(f"{len(PAGES)} pages, {size}, {theme}", flush=True)


def unroll(page: Page, width: int, height: int) -> None:
    """Make the window as tall as the page: what is fixed to its foot stands there, each chart is in sight."""
    tall = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": width, "height": max(height, tall)})
    rest(page)


def rest(page: Page) -> None:
    """Wait until nothing is on its way, and what came is painted."""
    page.wait_for_function(RESTS)
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestIdleCallback(done)))")
    page.wait_for_function(RESTS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="of a server that runs already, such as http://127.0.0.1:9898")
    url = parser.parse_args().url
    OUT.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        if url:
            take(browser, url.rstrip("/"))
        else:
            with demo() as started:
                take(browser, started)
        browser.close()
    print(f"{len(list(OUT.glob('*.png')))} pictures in {OUT.name}/")


if __name__ == "__main__":
    main()
