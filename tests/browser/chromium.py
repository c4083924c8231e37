"""The browser of these tests: Debian's chromium, kept calm, and patient with a machine that is busy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
CALM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
AXE = Path(__file__).parents[2] / "ui/node_modules/axe-core/axe.min.js"
SIZES = {"desk": (1280, 800), "phone": (390, 844)}
# How long a condition may take to come true; nothing waits for a time.
PATIENCE_S = 180
GRAVE = ("serious", "critical")

marks = [
    pytest.mark.browser,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium"),
]
expect.set_options(timeout=PATIENCE_S * 1000)


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=str(CHROMIUM), args=CALM)
        yield launched
        launched.close()


@contextmanager
def opened(browser: Browser, **options: Any) -> Iterator[Page]:
    """A page of its own context; what a script of it throws fails the test at the end."""
    context = browser.new_context(color_scheme="dark", reduced_motion="reduce", **options)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_S * 1000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


def barriers(page: Page) -> list[tuple[str, str, list[str]]]:
    """What axe-core finds serious or critical in a page at rest, in both themes; with some elements."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed; make check installs it")
    # Old data is dimmed while new data is late, which is a matter of moments.
    page.add_style_tag(content=".is-old { opacity: 1 !important }")
    page.evaluate(AXE.read_text())
    found = []
    # The themes differ in colours and in nothing else.
    for theme, rules in (("dark", None), ("light", ["color-contrast"])):
        page.evaluate("theme => (document.documentElement.dataset.theme = theme)", theme)
        options = {"resultTypes": ["violations"]} | ({"runOnly": rules} if rules else {})
        violations = page.evaluate("options => axe.run(document, options)", options)["violations"]
        found += [
            (theme, one["id"], [node["html"][:160] for node in one["nodes"][:3]])
            for one in violations
            if one["impact"] in GRAVE
        ]
    return found
