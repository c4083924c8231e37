"""The demo as a newcomer meets it: a live dashboard, a fault, its alert, its messages, and the end of it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
CALM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PANELS_WITHIN_S = 60
STATES_WITHIN_S = 180

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium"),
]


class Demo:
    """A running `backbeat demo` and where its parts are."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.addresses: dict[str, str] = {}
        assert process.stdout is not None
        for line in process.stdout:
            found = re.match(r"\s+(Dashboard|Inbox|Service)\s+(http://\S+?)/?\s", line)
            if found:
                self.addresses[found[1]] = found[2]
            if "Ctrl-C" in line:
                return
        raise AssertionError(f"the demo ended while starting, with exit code {process.wait()}")

    def messages(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.addresses['Inbox']}/api/messages", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)["messages"]
            return found

    def switch(self, fault: str, state: str) -> None:
        command = [
            sys.executable,
            "-m",
            "backbeat",
            "chaos",
            fault,
            state,
            "--url",
            self.addresses["Service"],
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=30)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    data = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-u", "-m", "backbeat", "demo", "--data", str(data)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield Demo(process)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=15)


@pytest.fixture(scope="module")
def page(demo: Demo) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=CALM)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.errors = []  # type: ignore[attr-defined]
        page.on("pageerror", lambda error: page.errors.append(str(error)))  # type: ignore[attr-defined]
        page.goto(f"{demo.addresses['Dashboard']}/?range=15m")
        yield page
        browser.close()


def within(seconds: float, what: str, happened: Callable[[], bool]) -> None:
    """Wait for something that takes its own time; the real pages and services have no fake clock."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.5)


def panel_states(page: Page) -> dict[str, str]:
    script = "all => all.map(one => [one.id, one.dataset.state])"
    return dict(page.locator("[data-testid^=panel-]").evaluate_all(script))


def test_every_panel_carries_data_and_moves_on_by_itself(demo: Demo, page: Page) -> None:
    within(
        PANELS_WITHIN_S,
        "data in every panel",
        lambda: bool(panel_states(page)) and set(panel_states(page).values()) == {"data"},
    )
    assert page.locator("[data-testid=score-value]").inner_text().isdigit()
    panel = page.locator("[data-testid=panel-traffic]")
    before = panel.get_attribute("data-last")
    within(12, "a new point without a reload", lambda: panel.get_attribute("data-last") != before)


def test_a_fault_is_seen_told_and_ended(demo: Demo, page: Page) -> None:
    states: set[str] = set()
    alert = page.locator("[data-testid=firing-alerts] [data-name=HighDatabaseQueryTime]")

    def reached(state: str) -> bool:
        states.update(one.get_attribute("data-state") or "" for one in alert.all())
        return state in states

    demo.switch("slow_database", "on")
    within(STATES_WITHIN_S, "the alert pending on the page", lambda: reached("pending"))
    within(STATES_WITHIN_S, "the alert firing on the page", lambda: reached("firing"))
    within(
        STATES_WITHIN_S,
        "mail, Slack message and webhook in the inbox",
        lambda: (
            {one["kind"] for one in demo.messages() if "DatabaseQueryTime" in one["title"]}
            == {"mail", "slack", "webhook"}
        ),
    )
    demo.switch("slow_database", "off")
    within(
        STATES_WITHIN_S,
        "the word that it is over",
        lambda: any(
            "DatabaseQueryTime" in one["title"] and one["status"] == "resolved" for one in demo.messages()
        ),
    )
    within(STATES_WITHIN_S, "a page without the alert", lambda: alert.count() == 0)


@pytest.mark.parametrize(
    "path", ["/", "/signal/response_time", "/alerts", "/explore?expr=up", "/targets", "/rules", "/status"]
)
def test_every_page_fits_a_phone_and_fails_nowhere(demo: Demo, page: Page, path: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(demo.addresses["Dashboard"] + path)
    page.wait_for_selector("h1")
    page.wait_for_timeout(800)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("[role=alert]").count() == 0
    assert page.errors == []  # type: ignore[attr-defined]
