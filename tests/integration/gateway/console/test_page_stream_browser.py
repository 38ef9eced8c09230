"""Pages that lie open in a browser: they show what changes elsewhere by their streams, and are not fetched again."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest
from playwright.sync_api import expect

from actors.state.documents import HEALTH_ALERTS, HEALTH_STATUS, LATEST
from actors.state.open_store import open_documents
from tests.integration.gateway.api.chats.test_chat_list import person, say
from tests.integration.gateway.reader import Reader
from tests.integration.gateway.served import KEY, Gateway
from tests.integration.gateway.webhooks.stored_messages import ANA, store_messages
from tests.processes.browser import DESK, apart, chromium
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    from playwright.sync_api import Browser, Page, Request, Route

    from actors.state.documents import Document
    from tests.processes.valkey import Valkey

QUEUE = "/console/queue"
THREAD = f"/console/conversations/shop/{ANA}"
PAGE_MS = 30_000
LOST = "The service does not answer"
HIDE = """hidden => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def opened(browser: Browser, gateway: Gateway, key: str = KEY) -> Page:
    """Somebody who is logged in."""
    context = browser.new_context(base_url=f"http://127.0.0.1:{gateway.port}", viewport=DESK)
    context.set_default_timeout(PAGE_MS)
    page = context.new_page()
    page.goto("/")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Connections").wait_for()
    return page


@pytest.fixture(scope="module")
def page(browser: Browser, gateway: Gateway) -> Page:
    return opened(browser, gateway)


def store(gateway: Gateway, collection: str, identity: str, document: Document) -> None:
    async def act() -> None:
        documents = open_documents(gateway.settings)
        try:
            await documents.set(collection, identity, document)
        finally:
            await documents.close()

    apart(asyncio.run, act())


def arrive(gateway: Gateway, number: int) -> None:
    """A message of Ana with this number arrives."""

    async def act() -> None:
        documents = open_documents(gateway.settings)
        try:
            await store_messages(documents, number)
        finally:
            await documents.close()

    apart(asyncio.run, act())


def begin(gateway: Gateway) -> None:
    """Somebody who did not write before writes."""

    async def act() -> None:
        documents = open_documents(gateway.settings)
        try:
            await say(documents, 8_101, person(8_101), "text 8101")
        finally:
            await documents.close()

    apart(asyncio.run, act())


def post(gateway: Gateway, path: str, **body: Any) -> None:
    gateway.api.post(path, json=body).raise_for_status()


def raise_alert(gateway: Gateway) -> None:
    now = time.time()
    alert = {
        "name": "cpu_high", "subject": None, "severity": "warning", "reason": "high",
        "active": False, "raised_at": now, "cleared_at": now, "at": now,
    }  # fmt: skip
    store(gateway, HEALTH_ALERTS, "a1", alert)


def degrade(gateway: Gateway) -> None:
    reason = {
        "name": "disk_low",
        "status": "degraded",
        "severity": "warning",
        "subject": None,
        "detail": "the disk of the test",
    }
    store(
        gateway,
        HEALTH_STATUS,
        LATEST,
        {"status": "degraded", "at": time.time(), "reasons": [reason]},
    )


def log_line(gateway: Gateway) -> None:
    gateway.settings.logs.mkdir(exist_ok=True)
    with (gateway.settings.logs / "root.log").open("a") as file:
        file.write("a line of the test\n")


def patch(gateway: Gateway) -> None:
    answer = gateway.api.patch("/api/connections/shop", json={"show_online": True})
    answer.raise_for_status()


class Change(NamedTuple):
    """Something that others do, and the words by which a page shows it."""

    page: str
    make: Callable[[Gateway], None]
    words: str


CHANGES = [
    Change("/", lambda to: post(to, "/api/connections", id="kiosk"), "kiosk"),
    Change("/console/connections/shop", patch, "Online at all times"),
    Change("/console/conversations/shop", begin, "text 8101"),
    Change(THREAD, lambda to: arrive(to, 8_102), "text 8102"),
    Change(QUEUE, lambda to: post(to, "/api/connections", id="counter"), "counter"),
    Change("/console/recovery", raise_alert, "CPU high"),
    Change("/console/system", degrade, "the disk of the test"),
    Change(
        "/console/api-keys",
        lambda to: post(to, "/api/keys", name="a key of the test", scopes=["read"]),
        "a key of the test",
    ),
    Change(
        "/console/webhooks",
        lambda to: post(to, "/api/webhooks", url="https://example.com/of-the-test"),
        "https://example.com/of-the-test",
    ),
    Change("/console/logs", log_line, "a line of the test"),
]


@contextmanager
def requests_of(page: Page) -> Iterator[list[Request]]:
    """The requests of a page, but for pictures."""
    found: list[Request] = []

    def note(request: Request) -> None:
        if request.resource_type != "image":
            found.append(request)

    page.on("request", note)
    yield found
    page.remove_listener("request", note)


@contextmanager
def another(directory: Path, valkey: Valkey, **flags: object) -> Iterator[Gateway]:
    """A gateway of the test's own, with the connection ``shop``."""
    gateway = Gateway(directory, valkey, **flags)
    apart(gateway.start)
    try:
        gateway.connect()
        yield gateway
    finally:
        apart(gateway.kill)
        gateway.api.close()


def follow(page: Page, address: str) -> None:
    """Open a page, and mark it as it was loaded (`stayed`)."""
    page.goto(address)
    until(
        "the stream is open",
        lambda: page.evaluate("stream && stream.readyState === EventSource.OPEN"),
        30,
    )
    page.evaluate("window.stayed = true")


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.page)
def test_a_page_shows_what_others_change_and_asks_for_nothing(
    gateway: Gateway, page: Page, change: Change
) -> None:
    follow(page, change.page)
    shown = page.locator("main").get_by_text(change.words)
    expect(shown).to_have_count(0)
    with requests_of(page) as asked:
        change.make(gateway)
        shown.first.wait_for()
    assert page.evaluate("window.stayed")
    assert asked == []


def test_a_page_that_nobody_looks_at_has_no_stream(gateway: Gateway, page: Page) -> None:
    follow(page, THREAD)
    with requests_of(page) as asked:
        page.evaluate(HIDE, True)
        assert page.evaluate("stream") is None
        arrive(gateway, 8_201)
        page.wait_for_timeout(3_000)
        assert page.locator(".message", has_text="text 8201").count() == 0
    assert asked == []
    page.evaluate(HIDE, False)
    page.locator(".message", has_text="text 8201").wait_for()


def test_no_part_comes_between_a_form_and_its_answer(gateway: Gateway, page: Page) -> None:
    """One that was made before the answer would take its place, and show what is old."""
    follow(page, THREAD)
    held: list[Route] = []

    def hold(route: Route) -> None:
        if route.request.method == "POST":
            held.append(route)
        else:
            route.continue_()

    page.route("**/console/conversations/**", hold)
    page.locator("#text").fill("sent meanwhile")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#composer .main")).to_be_disabled()
    arrive(gateway, 8_301)
    page.wait_for_timeout(4_000)
    assert page.locator(".message", has_text="text 8301").count() == 0
    [route] = held
    route.continue_()
    for words in ("sent meanwhile", "text 8301"):
        page.locator(".message", has_text=words).wait_for()
    page.unroute("**/console/conversations/**")


def test_a_key_that_is_revoked_leads_to_the_login(gateway: Gateway, browser: Browser) -> None:
    body = {"name": "guest", "scopes": ["read"]}
    key = gateway.api.post("/api/keys", json=body).raise_for_status().json()
    guest = opened(browser, gateway, key["key"])
    follow(guest, QUEUE)
    gateway.api.delete(f"/api/keys/{key['id']}").raise_for_status()
    guest.wait_for_url("**/console/login")
    guest.context.close()


def test_a_page_follows_a_gateway_that_was_away(
    browser: Browser, own_valkey: Valkey, tmp_path: Path
) -> None:
    with another(tmp_path / "gateway", own_valkey) as gateway:
        page = opened(browser, gateway)
        follow(page, QUEUE)
        lost = page.get_by_text(LOST)
        assert lost.is_hidden()
        apart(gateway.kill)
        lost.wait_for(state="visible")
        apart(gateway.start)
        lost.wait_for(state="hidden")
        post(gateway, "/api/connections", id="later")
        page.locator("#q-later").wait_for()
        assert page.evaluate("window.stayed"), "and nobody had to log in again"
        page.context.close()


def test_a_page_follows_without_a_reader_left(
    browser: Browser, own_valkey: Valkey, tmp_path: Path
) -> None:
    """The same stream, of one part: the browser comes again by itself, and misses nobody."""
    with (
        another(tmp_path / "gateway", own_valkey, event_readers_per_connection=1) as gateway,
        Reader(gateway, KEY),
    ):
        page = opened(browser, gateway)
        page.goto(QUEUE)
        page.evaluate(
            "window.stayed = true; window.missed = false;"
            " new MutationObserver(() => { missed ||= !lost.hidden; })"
            ".observe(lost, { attributes: true })"
        )
        for name in ("one", "two"):
            with page.expect_request(f"**{QUEUE}") as asked:
                post(gateway, "/api/connections", id=name)
                page.locator(f"#q-{name}").wait_for()
            assert asked.value.resource_type == "eventsource"
        assert page.evaluate("stayed && !missed")
        page.context.close()
