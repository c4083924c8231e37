"""Pages whose answers come in a fixed order, then once more and late: nothing that is painted may move."""

from __future__ import annotations

from pathlib import Path

from chromium import PATIENCE_S
from playwright.sync_api import Page

GATE = (Path(__file__).parent / "arrivals.js").read_text()
MOST_SHIFT = 0.02


def gated(page: Page) -> Page:
    page.add_init_script(GATE)
    return page


def arrive(page: Page, path: str, order: str) -> None:
    """Open a gated page, let its answers in, and let alerts change."""
    page.goto(path)
    page.wait_for_selector("h1")
    page.evaluate("order => void arrivals.begin(order)", order)
    rest(page)
    page.evaluate("arrivals.news()")
    rest(page)


def jumps(page: Page) -> list[tuple[float, list[str]]]:
    """The layout shifts so far, each with what moved; none where they are too small in all to be seen."""
    shifts: list[tuple[float, list[str]]] = page.evaluate("arrivals.shifts")
    return shifts if sum(value for value, _ in shifts) > MOST_SHIFT else []


def rest(page: Page) -> None:
    page.wait_for_function("() => arrivals.rests()", timeout=PATIENCE_S * 1000)
