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
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from arrivals import arrive, gated, jumps
from chromium import PATIENCE_S, SIZES, barriers, chromium, marks, opened
from playwright.sync_api import Browser, Page, Route, expect

# A rule needs a minute or two to fire, and to see that it is over.
STATES_WITHIN_S = 420

# Tables whose rows are wider than their place.
WIDER = "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.ariaLabel)"
# A browser that prints lets no frame pass between the word and the paper.
PRINTED = """
() => {
  const charts = () => [...document.querySelectorAll('main canvas')].map((one) => one.toDataURL());
  const before = charts();
  dispatchEvent(new Event('beforeprint'));
  const after = charts();
  const { theme } = document.documentElement.dataset;
  dispatchEvent(new Event('afterprint'));
  return { theme, charts: before.length, drawn: after.filter((one, place) => one !== before[place]).length };
}
"""

pytestmark = marks


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
        with urllib.request.urlopen(f"{self.addresses['Inbox']}/api/messages", timeout=PATIENCE_S) as answer:
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
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    data = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-u", "-m", "backbeat", "demo", "--data", str(data)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield Demo(process)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def page(demo: Demo, browser: Browser) -> Iterator[Page]:
    size = {"width": 1440, "height": 900}
    with opened(browser, viewport=size, base_url=demo.addresses["Dashboard"]) as page:
        page.goto("/?range=15m")
        yield page


def until(what: str, happened: Callable[[], bool]) -> None:
    """Wait for something that takes its own time; the real pages and services have no fake clock."""
    end = time.monotonic() + STATES_WITHIN_S
    while not happened():
        assert time.monotonic() < end, f"not within {STATES_WITHIN_S} s: {what}"
        time.sleep(0.5)


def panel_states(page: Page) -> dict[str, str]:
    script = "all => all.map(one => [one.id, one.dataset.state])"
    return dict(page.locator("[data-testid^=panel-]").evaluate_all(script))


def test_every_panel_carries_data_and_moves_on_by_itself(demo: Demo, page: Page) -> None:
    until(
        "data in every panel",
        lambda: bool(panel_states(page)) and set(panel_states(page).values()) == {"data"},
    )
    assert page.locator("[data-testid=score-value]").inner_text().isdigit()
    panel = page.locator("[data-testid=panel-traffic]")
    before = panel.get_attribute("data-last")
    until("a new point without a reload", lambda: panel.get_attribute("data-last") != before)


def test_a_fault_is_seen_told_and_ended(demo: Demo, page: Page) -> None:
    alert = page.locator("[data-testid=firing-alerts] [data-name=HighDatabaseQueryTime]")

    def states() -> list[str]:
        found: list[str] = alert.evaluate_all("all => all.map(one => one.dataset.state)")
        return found

    demo.switch("slow_database", "on")
    until("the alert on the page, pending as long as that lasts", lambda: states() != [])
    until("the alert firing on the page", lambda: "firing" in states())
    until(
        "mail, Slack message and webhook in the inbox",
        lambda: (
            {one["kind"] for one in demo.messages() if "DatabaseQueryTime" in one["title"]}
            == {"mail", "slack", "webhook"}
        ),
    )
    demo.switch("slow_database", "off")
    until(
        "the word that it is over",
        lambda: any(
            "DatabaseQueryTime" in one["title"] and one["status"] == "resolved" for one in demo.messages()
        ),
    )
    until("a page without the alert", lambda: alert.count() == 0)


@pytest.mark.parametrize("size", SIZES)
def test_the_inbox_shows_a_message_and_leads_back_to_all(demo: Demo, browser: Browser, size: str) -> None:
    width, height = SIZES[size]
    # The inbox allows no script and no style but its own, so none of the tester either.
    with opened(browser, viewport={"width": width, "height": height}, bypass_csp=True) as page:
        page.goto(demo.addresses["Inbox"])
        page.get_by_role("button", name=re.compile(r"^Slack \d")).click()
        message = page.get_by_role("list").get_by_role("button").first
        message.click()
        shown = page.get_by_role("article")
        expect(shown.get_by_text("As it was sent")).to_be_visible()
        back = shown.get_by_role("button", name="All messages")
        if size == "phone":
            back.click()
            expect(message).to_be_focused()
            expect(message).to_be_in_viewport()
        else:
            expect(back).to_be_hidden()
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert barriers(page) == []


def window_of(page: Page) -> tuple[int, int]:
    """The range in the address, in seconds."""
    params = parse_qs(urlsplit(page.url).query)
    return int(params["from"][0]) // 1000, int(params["to"][0]) // 1000


def test_dragging_zooms_every_panel_and_the_back_button_undoes(demo: Demo, page: Page) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto("/?range=15m")
    chart = page.locator("[data-testid=panel-traffic] .u-over")
    chart.wait_for()
    expect(page.locator("main [aria-busy=true]")).to_have_count(0)
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 40, steps=5)
    page.mouse.up()
    page.wait_for_url("**/?from=*")
    began, ended = window_of(page)
    assert 200 <= ended - began <= 340, "a drag over 30 % of 15 minutes"
    page.keyboard.press("-")
    page.wait_for_function(f"() => !location.search.includes('from={began}')")
    page.go_back()
    expect(page).to_have_url(re.compile(rf"from={began}\d\d\d&to={ended}\d\d\d$"))
    page.go_back()
    expect(page).to_have_url(re.compile(r"/\?range=15m$"))


def test_a_chart_is_read_and_zoomed_by_keyboard(demo: Demo, page: Page) -> None:
    page.goto("/?range=15m")
    panel = page.locator("[data-testid=panel-traffic][data-state=data]")
    expect(panel.locator(".u-over")).to_have_count(1)  # until it is drawn, nothing is there to be read
    panel.get_by_role("group", name=re.compile("^Requests: ")).focus()
    expect(panel.locator("header time")).to_have_count(0)

    def is_read() -> bool:
        page.keyboard.press("ArrowLeft")
        return panel.locator("header time").count() == 1

    until("the time of a point, by a key", is_read)
    page.keyboard.press("Enter")
    page.wait_for_url("**/?from=*")
    began, ended = window_of(page)
    assert 225 <= ended - began <= 450, "around the newest point, a quarter of the range to each side"


def test_a_finger_zooms_sideways_and_scrolls_down(demo: Demo, browser: Browser) -> None:
    width, height = SIZES["phone"]
    view = {"width": width, "height": height}
    base = demo.addresses["Dashboard"]
    with opened(browser, viewport=view, base_url=base, has_touch=True, is_mobile=True) as page:
        page.goto("/?range=15m")
        chart = page.locator("[data-testid=panel-traffic][data-state=data] .u-over")
        chart.evaluate("one => one.scrollIntoView({ block: 'center' })")
        expect(page.locator("main [aria-busy=true]")).to_have_count(0)
        box = chart.bounding_box()
        assert box is not None
        finger = page.context.new_cdp_session(page)

        def draw(points: list[tuple[float, float]]) -> None:
            (first, *others) = [{"x": box["x"] + x, "y": box["y"] + y} for x, y in points]
            finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [first]})
            for point in others:
                finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
            finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

        before = page.evaluate("scrollY")
        draw([(20, 90), (20, 70), (20, 40), (20, 5)])
        page.wait_for_function("before => scrollY > before + 20", arg=before)
        assert "from=" not in page.url
        chart.evaluate("one => one.scrollIntoView({ block: 'center' })")
        box = chart.bounding_box()
        assert box is not None
        draw([(box["width"] * part, 40) for part in (0.3, 0.35, 0.45, 0.55, 0.6)])
        page.wait_for_url("**/?from=*")
        began, ended = window_of(page)
        assert 200 <= ended - began <= 340, "a drag over 30 % of 15 minutes"


def test_the_wall_and_the_clock_of_the_world_are_a_key_away(demo: Demo, page: Page) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto("/?range=15m")
    frame = page.get_by_role("navigation", name="Pages").first
    expect(frame).to_be_visible()
    page.keyboard.press("k")
    expect(frame).to_have_count(0)
    page.reload()
    page.wait_for_selector("h1")
    expect(frame).to_have_count(0)
    page.keyboard.press("k")
    expect(frame).to_be_visible()
    page.keyboard.press("u")
    expect(page.get_by_role("button", name="Last 15 minutes UTC")).to_be_visible()
    page.keyboard.press("u")
    expect(page.get_by_role("button", name="Last 15 minutes", exact=True)).to_be_visible()


def test_search_and_keys_lead_everywhere(demo: Demo, page: Page) -> None:
    page.goto("/?range=15m")
    page.wait_for_selector("h1")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys").get_by_text("zoom out")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_have_count(0)

    def is_searching() -> bool:
        focused = "document.activeElement.getAttribute('role') === 'combobox'"
        if not page.evaluate(focused):
            page.keyboard.press("/")
        return bool(page.evaluate(focused))

    until("the search, by a key", is_searching)
    search = page.get_by_role("combobox", name="Search")
    search.fill("http_requests_to")
    page.get_by_role("option", name="http_requests_total").wait_for()
    search.fill("respo")
    expect(page.locator("#places [aria-selected=true]")).to_contain_text("Response time")
    page.keyboard.press("Enter")
    page.wait_for_url("**/signal/response_time")


def test_a_signal_is_split_and_has_its_heat_map_rules_and_past(demo: Demo, page: Page) -> None:
    page.goto("/?signal=database")
    page.wait_for_url("**/signal/database")
    parts = page.get_by_role("region", name="What it is made of")
    parts.get_by_role("cell", name="select").first.wait_for()
    parts.get_by_role("button", name="instance").click()
    page.wait_for_url("**by=instance*")
    parts.get_by_role("cell", name=re.compile(r"127\.0\.0\.1:\d+")).first.wait_for()
    page.get_by_role("region", name="Where it lies").locator("canvas").wait_for()
    page.get_by_role("link", name="HighDatabaseQueryTime", exact=True).wait_for()
    page.get_by_role("region", name="Past alerts", exact=True).wait_for()


def test_a_page_opened_before_the_first_sample_knows_the_labels_after_it(demo: Demo, page: Page) -> None:
    answers = iter([{"status": "success", "data": []}])

    def none_at_first(route: Route) -> None:
        answer = next(answers, None)
        route.continue_() if answer is None else route.fulfill(json=answer)

    page.route("**/api/v1/labels*", none_at_first)
    page.goto("/signal/database")
    page.get_by_role("region", name="What it is made of").get_by_role("button", name="instance").wait_for()


def test_a_panel_is_copied_as_a_table_and_as_its_query(demo: Demo, page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/?range=15m")
    panel = page.locator("[data-testid=panel-traffic][data-state=data]")
    for item, begins in (
        ("Copy as CSV", "time,requests\n"),
        ("Copy as PromQL", "sum(job:http_requests:rate)"),
    ):
        panel.get_by_role("button", name="Requests: more").click()
        panel.get_by_role("menuitem", name=item).click()
        page.wait_for_function(
            "async begins => (await navigator.clipboard.readText()).startsWith(begins)", arg=begins
        )
    panel.get_by_role("button", name="Requests: more").click()
    panel.get_by_role("menuitem", name="Copy as picture").click()
    page.wait_for_function(
        "async () => (await navigator.clipboard.read()).some((one) => one.types.includes('image/png'))"
    )


def test_without_the_stream_the_page_asks_and_says_so_until_it_is_back(demo: Demo, page: Page) -> None:
    page.route("**/api/backbeat/v1/live*", lambda route: route.abort())
    page.goto("/?range=15m")
    said = page.locator(".rail .live")
    until("the word that the stream is lost", lambda: "lost" in said.inner_text())
    panel = page.locator("[data-testid=panel-traffic][data-state=data]")
    before = panel.get_attribute("data-last")
    until("a new point without the stream", lambda: panel.get_attribute("data-last") != before)
    page.unroute("**/api/backbeat/v1/live*")
    until("the stream again", lambda: "is-live" in (said.get_attribute("class") or ""))


@pytest.mark.parametrize(
    ("path", "size", "order"),
    [
        ("/?range=15m&compare=1d", "desk", "last asked first"),
        ("/?range=15m&compare=1d", "phone", "by address"),
        ("/signal/response_time?range=15m", "desk", "first asked first"),
        ("/signal/response_time?range=15m", "desk", "last asked first"),
        ("/signal/response_time?range=15m", "phone", "first asked first"),
        ("/signal/response_time?range=15m", "phone", "by address"),
    ],
)
def test_nothing_jumps_whatever_comes_first(
    demo: Demo, browser: Browser, path: str, size: str, order: str
) -> None:
    width, height = SIZES[size]
    view = {"width": width, "height": height}
    with opened(browser, viewport=view, base_url=demo.addresses["Dashboard"]) as page:
        arrive(gated(page), path, order)
        page.locator("[data-testid^=panel-][data-state=data] canvas").first.wait_for()
        assert jumps(page) == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert page.locator("main .scroll").evaluate_all(WIDER) == []
        assert barriers(page) == []


def test_paper_has_its_colours_at_once(demo: Demo, page: Page) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto("/?range=15m")
    page.locator("[data-testid=panel-features][data-state=data] canvas").wait_for()
    expect(page.locator("main [aria-busy=true], main .chart:not(:has(canvas))")).to_have_count(0)
    found = page.evaluate(PRINTED)
    assert found == {"theme": "light", "charts": found["charts"], "drawn": found["charts"]}
    assert found["charts"] >= 19


@pytest.mark.parametrize("path", ["/alerts", "/explore?expr=up", "/targets", "/rules", "/status"])
def test_the_other_pages_fit_a_phone_and_fail_nowhere(page: Page, path: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(path)
    page.wait_for_selector("h1")
    expect(page.locator("main .waiting, main [aria-busy=true]")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("main [role=alert]").count() == 0
