"""Pictures of every page at a desk, on a phone and on a wall, dark and light: `make screenshots`.

Out: screenshots/<page>-<size>-<theme>.png. A demo is started for it, with a fault after a while so that there
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

from playwright.sync_api import Browser, sync_playwright

OUT = Path(__file__).resolve().parent.parent / "screenshots"
CHROMIUM = "/usr/bin/chromium"
SIZES = {"desk": (1440, 900), "phone": (390, 844), "wall": (3840, 2160)}
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
            process.communicate(timeout=20)


def take(browser: Browser, url: str) -> None:
    for theme in THEMES:
        for size, (width, height) in SIZES.items():
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
            page = context.new_page()
            for name, path in PAGES.items():
                page.goto(url + path)
                page.wait_for_selector("h1")
                page.wait_for_timeout(2000)
                page.screenshot(path=OUT / f"{name}-{size}-{theme}.png", full_page=size == "phone")
            context.close()


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
