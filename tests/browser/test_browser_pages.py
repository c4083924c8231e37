"""Each page's main act, at a desk and on a phone, against a real server; and what a page must never do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from arrivals import arrive, gated, jumps
from chromium import SIZES, barriers, chromium, marks, opened
from pages_server import PagesServer
from playwright.sync_api import Browser, Page, expect

PAGES = [
    "/alerts",
    "/history",
    "/silences",
    "/routing?label=severity%3Dcritical",
    "/rules?name=DiskFull",
    "/explore?expr=up&range=5m",
    "/explore?expr=up&tab=table&range=5m",
    "/explore?expr=sum(up)&tab=explain",
    "/targets",
    "/status",
]

# Nothing of it lies beyond its sides.
FITS = "one => one.scrollWidth <= one.clientWidth"
HIDE = """
hidden => {
  Object.defineProperty(document, 'hidden', { get: () => hidden, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}
"""

pytestmark = marks


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PagesServer]:
    running = PagesServer(tmp_path_factory.mktemp("pages"))
    yield running
    running.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture(params=SIZES)
def page(request: pytest.FixtureRequest, browser: Browser, server: PagesServer) -> Iterator[Page]:
    width, height = SIZES[request.param]
    with opened(browser, viewport={"width": width, "height": height}, base_url=server.url) as page:
        yield page


def test_an_alert_is_acknowledged_by_keyboard_and_tells_why(page: Page) -> None:
    page.goto("/alerts")
    alert = page.locator("[data-testid=alert-row][data-name=DiskFull]")
    expect(alert).to_have_attribute("data-state", "firing")
    expect(page.locator("[data-testid=alert-row][data-name=DiskFilling]")).to_contain_text(
        "inhibited by DiskFull"
    )
    expect(page.locator("[data-testid=alert-row][data-name=SoonSlow]")).to_have_attribute(
        "data-state", "pending"
    )
    page.keyboard.press("j")
    page.keyboard.press("a")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Your name").fill("ann")
    dialog.get_by_label("What you do about it (optional)").fill("clearing it")
    dialog.get_by_role("button", name="Acknowledge").click()
    expect(alert).to_contain_text("ann")
    page.keyboard.press("o")
    expect(alert.get_by_test_id("trail")).to_contain_text("acknowledged by ann")
    alert.get_by_role("button", name="Take back").click()
    page.get_by_role("dialog").get_by_role("button", name="Take back").click()
    expect(alert.get_by_role("button", name="Acknowledge")).to_be_visible()


def test_a_row_that_is_wider_than_its_place_shows_that_there_is_more(page: Page) -> None:
    page.goto("/")
    strip = page.get_by_test_id("firing-alerts")
    expect(strip.get_by_role("link", name="3 alerts")).to_have_attribute("href", "/alerts")
    page.set_viewport_size({"width": 390, "height": 844})
    expect(strip).to_have_class(re.compile("more-right"))
    strip.evaluate("strip => (strip.scrollLeft = strip.scrollWidth)")
    expect(strip).to_have_class(re.compile("more-left"))
    expect(strip).not_to_have_class(re.compile("more-right"))
    page.set_viewport_size({"width": 2000, "height": 844})
    expect(strip).not_to_have_class(re.compile("more"))


def test_a_silence_shows_what_it_mutes_wants_a_reason_and_is_ended(page: Page) -> None:
    page.goto("/alerts?text=alertname%3DDiskFull")
    alert = page.locator("[data-testid=alert-row][data-name=DiskFull]")
    alert.get_by_role("button", name="Silence").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_test_id("silence-preview")).to_contain_text("1 firing alert")
    make = dialog.get_by_role("button", name="Silence", exact=True)
    dialog.get_by_label("Your name").fill("ann")
    expect(make).to_be_disabled()
    dialog.get_by_label("Why (required)").fill("moving files")
    make.click()
    expect(alert).to_contain_text("silenced")
    page.goto("/silences")
    silence = page.get_by_test_id("silence").filter(has_text="moving files")
    expect(silence).to_have_attribute("data-state", "active")
    silence.get_by_role("button", name="End").click()
    page.get_by_role("dialog").get_by_role("button", name="End it").click()
    expect(page.get_by_text("Nothing is silenced.")).to_be_visible()


def test_history_is_searched_by_label_and_kind(page: Page) -> None:
    page.goto("/history?" + urlencode({"match": 'alertname="DiskFull"', "kind": "messages"}))
    events = page.get_by_test_id("history")
    expect(events).to_contain_text("sent to pager by webhook: first notification")
    expect(events).not_to_contain_text("DiskFilling")
    page.get_by_role("button", name="Alerts", exact=True).click()
    expect(events).to_contain_text("firing")
    expect(page).to_have_url(re.compile("kind=alerts"))


def test_labels_are_tried_out_and_a_receiver_is_tested(page: Page, server: PagesServer) -> None:
    page.goto("/routing")
    page.get_by_label("Labels to try").fill("severity=critical, alertname=New")
    page.get_by_role("button", name="Try", exact=True).click()
    expect(page.get_by_test_id("tried")).to_contain_text("to pager by webhook")
    expect(page.locator("[data-testid=routes] [data-on=true]")).to_have_count(2)
    before = server.inbox.taken.count("/team")
    team = page.get_by_test_id("receivers").locator("li").filter(has_text="team")
    team.get_by_role("button", name="Send a test").click()
    page.get_by_role("dialog").get_by_role("button", name="Send").click()
    expect(team.get_by_test_id("test-answer")).to_contain_text("HTTP status 200")
    assert server.inbox.taken.count("/team") > before


def test_a_rule_says_why_it_fails_and_when_it_would_have_fired(page: Page) -> None:
    page.goto("/rules?kind=failing")
    failing = page.locator("[data-testid=rule-row]")
    expect(failing).to_have_count(1)
    expect(failing).to_have_attribute("data-name", "broken:ratio")
    expect(failing.get_by_role("alert")).to_contain_text("many-to-many matching not allowed")
    page.goto("/rules?name=DiskFull&range=15m")
    expect(page.locator("p", has_text="it would have fired")).to_contain_text("once")
    expect(page.get_by_label("DiskFull over the last day, fires > 95")).to_be_visible()


def test_on_a_phone_a_group_of_rules_shows_what_fails_and_unfolds_the_rest(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/rules")
    group = page.get_by_role("region", name="numbers")
    rows = group.get_by_test_id("rule-row")
    expect(rows).to_have_count(1)
    expect(rows).to_have_attribute("data-name", "broken:ratio")
    group.get_by_role("button", name="1 more rule").click()
    expect(rows).to_have_count(2)
    group.get_by_role("button", name="Show fewer").click()
    expect(rows).to_have_count(1)


def test_a_query_is_completed_marked_where_it_is_wrong_and_explained(page: Page) -> None:
    page.goto("/explore")
    editor = page.locator(".cm-content")
    editor.click()
    page.keyboard.type("scrape_sam")
    expect(page.locator(".cm-tooltip-autocomplete")).to_contain_text("scrape_samples_scraped")
    page.keyboard.press("Escape")
    editor.fill("sum(up")
    expect(page.locator(".cm-lintRange-error")).to_have_count(1)
    editor.fill("sum by (job) (up)")
    # What completion offers by now, or will, would take Enter for itself.
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page.get_by_role("list", name="Lines")).to_contain_text('{job="gone"}')
    page.get_by_role("button", name="Table").click()
    expect(page.get_by_role("region", name="Values now")).to_contain_text("gone")
    page.get_by_role("button", name="Explain").click()
    expect(page.get_by_test_id("explain-node")).to_have_count(2)
    page.get_by_role("button", name="Metrics").click()
    page.get_by_role("dialog").get_by_label("Filter metrics").fill("backbeat build")
    page.get_by_role("dialog").get_by_title("Take into the query").first.click()
    expect(editor).to_have_text("backbeat_build_info")
    page.get_by_role("button", name="Asked before").click()
    expect(page.get_by_role("dialog")).to_contain_text("sum by (job) (up)")


def test_a_target_that_is_down_says_so_in_plain_words(page: Page) -> None:
    page.goto("/targets")
    page.get_by_role("button", name="Down 1", exact=True).click()
    down = page.get_by_test_id("target-row")
    expect(down).to_have_count(1)
    expect(down).to_contain_text("Nobody listens at")
    expect(page).to_have_url(re.compile("health=down"))
    page.go_back()
    expect(page.get_by_test_id("target-row")).to_have_count(2)


def test_the_status_has_its_store_and_files_without_secrets(page: Page) -> None:
    page.goto("/status")
    expect(page.get_by_test_id("version")).to_contain_text("Python")
    expect(page.get_by_text("Series in memory")).to_be_visible()
    config = page.get_by_test_id("config")
    expect(config).to_contain_text("job_name: gone")
    expect(config).to_contain_text("<secret>")
    expect(config).not_to_contain_text("not-for-eyes")


def test_a_second_query_is_typed_where_it_was_added(page: Page) -> None:
    page.goto("/explore?expr=up&range=5m")
    expect(page.get_by_role("list", name="Lines")).to_contain_text('job="gone"')
    page.get_by_role("button", name="Add a query").click()
    page.keyboard.type("vector(7)")
    expect(page.get_by_role("textbox", name="PromQL query B")).to_have_text("vector(7)")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page.get_by_role("list", name="Lines").get_by_role("listitem")).to_have_count(3)


def test_what_opens_fits_the_window(page: Page) -> None:
    page.goto("/explore?expr=sum(rate(scrape_samples_scraped[5m]))&tab=explain")
    expect(page.get_by_test_id("explain-node")).to_have_count(3)
    assert page.get_by_role("region", name="The tree of the query").evaluate(FITS)
    page.get_by_role("button", name="Last 1 hour").click()
    assert page.get_by_role("dialog", name="Time range").evaluate(FITS)
    page.goto("/alerts")
    page.locator("[data-testid=alert-row][data-name=DiskFull]").get_by_role("button", name="Silence").click()
    dialog = page.get_by_role("dialog", name="New silence")
    expect(dialog.get_by_role("button", name="Silence", exact=True)).to_be_in_viewport(ratio=1)


def test_a_hidden_tab_rests_and_wakes(page: Page) -> None:
    page.goto("/")
    said = page.locator(".rail .live")
    expect(said).to_have_class(re.compile("is-live"))
    page.evaluate(HIDE, True)
    expect(said).to_have_class(re.compile("is-resting"))
    page.evaluate(HIDE, False)
    expect(said).to_have_class(re.compile("is-live"))


def test_a_score_that_cannot_be_asked_says_why(page: Page) -> None:
    refusal = '{"status": "error", "errorType": "unavailable", "error": "the disk is away"}'
    page.route("**/api/v1/query_range*", lambda route: route.fulfill(status=503, body=refusal))
    page.goto("/")
    expect(page.get_by_role("region", name="Application Performance Score")).to_contain_text(
        "The score is not known: the disk is away"
    )


def test_an_address_without_a_page_leads_on(page: Page) -> None:
    page.goto("/nowhere")
    expect(page.get_by_text("There is no page at /nowhere.")).to_be_visible()
    page.get_by_role("link", name="To the overview", exact=True).click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


@pytest.mark.parametrize(("size", "order"), [("desk", "last asked first"), ("phone", "first asked first")])
def test_no_page_jumps_is_wider_than_its_window_or_hard_to_use(
    browser: Browser, server: PagesServer, size: str, order: str
) -> None:
    width, height = SIZES[size]
    found = {}
    with opened(browser, viewport={"width": width, "height": height}, base_url=server.url) as page:
        gated(page)
        for path in PAGES:
            arrive(page, path, order)
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
            found |= {path: faults} if (faults := [*jumps(page), *barriers(page)]) else {}
    assert found == {}
