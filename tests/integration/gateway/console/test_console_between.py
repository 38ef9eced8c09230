"""Pages in a browser: answers that are not the console's, long texts, pages in the background."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from actors.redis.client import connect
from actors.redis.leases.leases import Leases, Owner
from actors.runtime import host_identity
from tests.integration.gateway.person import Person
from tests.integration.gateway.served import KEY, Gateway
from tests.processes.browser import DESK, PHONE, apart, chromium
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page, Route

THREAD = "/console/conversations/shop/15550100002@s.whatsapp.net"
PROXY = "<html><body><h1>502 Bad Gateway</h1></body></html>"
OURS = 'event: failed\ndata: <div role="alert">The state store does not answer.</div>\n\n'
PAGE_MS = 30_000


@pytest.fixture(scope="module")
def page(gateway: Gateway) -> Iterator[Page]:
    with chromium() as browser:
        context = browser.new_context(base_url=f"http://127.0.0.1:{gateway.port}")
        context.set_default_timeout(PAGE_MS)
        opened = context.new_page()
        opened.goto("/")
        opened.get_by_label("API key").fill(KEY)
        opened.get_by_role("button", name="Log in").click()
        opened.get_by_role("heading", name="Connections").wait_for()
        yield opened


def text_of(gateway: Gateway, address: str | None) -> str:
    """The text of the message that the address says was sent."""
    assert address
    text: str = gateway.api.get(f"/api/messages/{address.partition('sent=')[2]}").json()["text"]
    return text


def test_what_a_proxy_answers_leaves_the_composer_as_it_was(page: Page) -> None:
    page.goto(THREAD)
    text = page.locator("#text")
    number = page.locator("#composer [name=once]").input_value()
    text.fill("typed before")
    answered: list[str] = []

    def bad_gateway(route: Route) -> None:
        answered.append(route.request.method)
        route.fulfill(status=502, content_type="text/html", body=PROXY)

    page.route("**/console/conversations/**", bad_gateway)
    page.get_by_role("button", name="Send").click()
    page.get_by_text("The service does not answer").wait_for()
    expect(page.locator("#composer .main")).to_be_enabled(timeout=PAGE_MS)
    until(
        "the stream is closed",
        lambda: page.evaluate("stream.readyState === EventSource.CLOSED"),
        30,
    )
    page.unroute("**/console/conversations/**")
    assert set(answered) == {"GET", "POST"}
    assert text.input_value() == "typed before"
    assert page.locator("#composer [name=once]").input_value() == number
    page.get_by_text("The service does not answer").wait_for(state="hidden")


def test_a_problem_of_the_service_is_said_above_the_page(page: Page) -> None:
    page.goto(THREAD)
    page.locator("#text").fill("typed before")
    page.route(
        "**/console/conversations/**",
        lambda route: route.fulfill(status=200, content_type="text/event-stream", body=OURS),
    )
    page.evaluate("close_stream(); open_stream()")
    said = page.locator("#failed")
    said.get_by_text("The state store does not answer.").wait_for()
    assert page.locator("#text").input_value() == "typed before"
    page.unroute("**/console/conversations/**")
    said.wait_for(state="hidden")
    assert page.locator("#text").input_value() == "typed before"


def test_a_text_corrected_after_a_lost_answer_is_not_sent_in_its_place(
    gateway: Gateway, page: Page
) -> None:
    page.goto(THREAD)
    text, send = page.locator("#text"), page.get_by_role("button", name="Send")
    lost: list[str] = []

    def lose(route: Route) -> None:
        if route.request.method == "POST":
            lost.append(route.fetch(max_redirects=0).headers["location"])
        route.abort()

    page.route("**/console/conversations/**", lose)
    text.fill("see you at fife")
    send.click()
    expect(send).to_be_enabled(timeout=PAGE_MS)
    page.get_by_text("The service does not answer").wait_for()
    page.unroute("**/console/conversations/**")
    [first] = lost
    text.fill("see you at five")
    send.click()
    page.locator("#failed").get_by_text("Your first text was accepted").wait_for()
    assert text.input_value() == "see you at five"
    assert text_of(gateway, first) == "see you at fife"
    send.click()
    expect(text).to_have_value("", timeout=PAGE_MS)
    assert page.locator("#failed").is_hidden()
    assert text_of(gateway, page.locator("main").get_attribute("data-live")) == "see you at five"


async def fail(gateway: Gateway, name: str) -> None:
    redis = connect(gateway.settings)
    leases = Leases(redis)
    lease = await leases.take(name, Owner("a", os.getpid(), host_identity.here()))
    await leases.report(
        name, lease.epoch, state="failed", cause="outdated", since=time.time() - 7200
    )
    await redis.aclose()


def test_what_is_long_has_room_on_a_phone(gateway: Gateway, page: Page) -> None:
    short, long = "kiosk", "the-connection-of-the-shop-in-the-north-of-the-town"
    for name in (short, long):
        made = gateway.api.post("/api/connections", json={"id": name}).raise_for_status()
        apart(asyncio.run, fail(gateway, made.json()["incarnation"]))
    page.set_viewport_size(PHONE)
    page.goto("/")
    page.get_by_text("WhatsApp takes this version").first.wait_for()
    row = page.locator(f"#c-{short}")
    row.get_by_text("for 2 hours").wait_for()
    link = row.locator(".name").bounding_box()
    assert link
    assert link["height"] < 40, "a short name stands on one line"
    page.goto("/console/queue")
    for name in (short, long):
        box = page.locator(f"#q-{name} td.count").last.bounding_box()
        assert box
        assert box["x"] + box["width"] < PHONE["width"], "figures are seen without scrolling"
    page.goto(THREAD)
    page.evaluate(
        "close_stream();"  # the notice is none of the server's
        " main.prepend(Object.assign(document.createElement('p'), {textContent: 'away '.repeat(99)}))"
    )
    lowest = page.locator("#composer").bounding_box()
    bars = page.get_by_role("navigation").bounding_box()
    assert lowest
    assert bars
    assert lowest["y"] + lowest["height"] < bars["y"], "a notice takes room from the list alone"
    page.set_viewport_size(DESK)


def test_a_copied_cookie_ends_with_the_log_out(gateway: Gateway) -> None:
    with (
        Person(gateway, KEY) as person,
        Person(gateway, None) as copy,
        Person(gateway, KEY) as other,
    ):
        copy.cookies.set("teimoso_console", person.cookies["teimoso_console"])
        assert copy.get("/").url.path == "/"
        assert person.submit("/console/logout").url.path == "/console/login"
        assert copy.get("/").url.path == "/console/login"
        assert copy.get("/console/login").url.path == "/console/login"
        assert other.get("/").url.path == "/", "another session of the same key"
