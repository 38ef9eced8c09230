"""The reference at `/docs` in a browser: without network, under its policy, and with requests that can be tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.gateway.served import KEY
from tests.processes.browser import APPEARANCE, DESK, PHONE, apart, chromium, violations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Locator, Page

    from tests.integration.gateway.served import Gateway

WITHOUT_CLOSED = """
for (const hidden of document.querySelectorAll("details:not([open]) > :not(summary)")) hidden.remove()
"""
"""Takes away what closed sections hide: nine tenths of the page."""


@pytest.fixture(scope="module")
def browser(gateway: Gateway) -> Iterator[Browser]:
    """One that begins once the gateway runs: Playwright keeps an event loop in this thread."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def page(gateway: Gateway, browser: Browser) -> Iterator[Page]:
    """The reference, loaded once; what its policy refuses, and what it asks of others, fails the module."""
    address = f"http://127.0.0.1:{gateway.port}"
    context = browser.new_context(viewport=DESK, base_url=address)
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on(
        "request",
        lambda one: None if one.url.startswith(address) else wrong.append(one.url),
    )
    opened.goto("/docs")
    yield opened
    context.close()
    # Chromium reports each refused request as an error of the page.
    assert [one for one in wrong if "Failed to load resource" not in one] == []


def operation(page: Page, identity: str) -> Locator:
    """The section of an operation, opened."""
    section = page.locator(f"#{identity}")
    if section.get_attribute("open") is None:
        section.locator("> summary").click()
    return section


def test_a_message_is_sent_from_the_page(gateway: Gateway, page: Page) -> None:
    key = page.get_by_role("textbox", name="API key")
    key.fill(KEY)
    section = operation(page, "sendMessage")
    form = section.locator("form")
    form.get_by_label("Example").select_option("poll")
    body = form.get_by_label("Body")
    assert '"Tea or coffee?"' in body.input_value()
    form.get_by_role("button", name="Send POST").click()
    answer = form.locator("output")
    answer.get_by_text("202").wait_for()
    assert '"status": "queued"' in answer.inner_text()
    found = apart(gateway.api.get, "/api/queue").json()
    assert found["waiting"] == 1, "nobody sends here"
    key.fill("")


def test_a_refusal_is_shown_as_text(page: Page) -> None:
    section = operation(page, "getMessage")
    form = section.locator("form")
    form.get_by_label("id path").fill("<img src=x onerror=alert(1)>")
    form.get_by_role("button", name="Send GET").click()
    answer = form.locator("output")
    answer.get_by_text("401").wait_for()
    assert '"code": "unauthorized"' in answer.inner_text()
    assert answer.locator("img").count() == 0


def test_each_type_of_message_has_its_fields_and_samples(page: Page) -> None:
    operation(page, "sendMessage")
    kind = operation(page, "sendMessage-image")
    assert kind.locator("td code").get_by_text("media.sha256", exact=True).is_visible()
    kind.get_by_text("JavaScript", exact=True).click()
    assert kind.locator("pre").get_by_text("await fetch(").is_visible()


def test_axe_finds_nothing_and_nothing_is_wider_than_the_page(page: Page) -> None:
    """At a desk in light colours, and on a phone in dark ones.

    Axe judges the appearance of what can be seen, and takes most of its time to pass over the rest.
    """
    operation(page, "sendMessage")
    operation(page, "sendMessage-document")
    page.emulate_media(color_scheme="light")
    assert violations(page, without=APPEARANCE) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.evaluate(WITHOUT_CLOSED)
    page.emulate_media(color_scheme="dark")
    assert violations(page, rules=APPEARANCE) == []
    page.set_viewport_size(DESK)
    page.emulate_media(color_scheme="light")
    assert violations(page, rules=APPEARANCE) == []
