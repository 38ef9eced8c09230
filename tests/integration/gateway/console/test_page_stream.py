"""The streams of the console's pages over HTTP: what they bring, to whom, and how they end."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from actors.health import resource_history
from actors.health.resource_history import Point
from actors.state.documents import API_KEYS, HEALTH_ALERTS, HEALTH_STATUS
from actors.state.events.log import EventLog
from actors.state.open_store import open_documents
from actors.state.own_mistakes import MISTAKE_DOCUMENT
from gateway.console.page_stream import BILLED_PAGE_SECONDS
from tests.integration.gateway.acceptance.test_outages import spoil
from tests.integration.gateway.api.chats.test_chat_list import person, say
from tests.integration.gateway.console.test_console import made
from tests.integration.gateway.person import Person
from tests.integration.gateway.served import KEY, SHOP, Gateway
from tests.integration.gateway.webhooks.stored_messages import ANA, store_messages
from tests.processes.firestore import Firestore
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from actors.state.documents import Documents
    from tests.processes.valkey import Valkey

LIST = "/console/conversations/shop"
LOGIN = ("moved", "/console/login")
PAGES = (
    "/",
    "/console/connections/shop",
    LIST,
    f"{LIST}/{ANA}",
    "/console/queue",
    "/console/recovery",
    "/console/system",
    "/console/api-keys",
    "/console/webhooks",
    "/console/settings",
    "/console/logs",
)


@pytest.fixture(scope="module")
def admin(gateway: Gateway) -> Iterator[Person]:
    with Person(gateway, KEY) as one:
        yield one


def named(events: Iterator[tuple[str, str]]) -> tuple[str, str]:
    """The next event that is no comment."""
    return next(one for one in events if one[0])


async def test_a_page_is_sent_once_while_nothing_differs(
    gateway: Gateway, admin: Person, documents: Documents
) -> None:
    await store_messages(documents, 7_100, 3)
    gateway.api.post("/api/webhooks", json={"url": "https://example.com/"}).raise_for_status()
    now = time.time()
    points = (Point(now - 60 * back, 20.0, 40.0, 1.0, 1, 1, None) for back in range(30, -1, -1))
    resource_history.write(gateway.data, tuple(points))

    def first_two(address: str) -> list[tuple[str, str]]:
        with Person(gateway, KEY) as one, one.follow(address) as events:
            return [next(events), next(events)]

    with ThreadPoolExecutor(len(PAGES)) as pool:
        found = dict(zip(PAGES, pool.map(first_two, PAGES), strict=True))
    for address, (part, again) in found.items():
        assert part[0] == "part", address
        assert "<html" not in part[1]
        assert "<h1>" in part[1], address
        assert again == ("", "the same"), address


async def test_of_all_pages_conversations_have_events_logged(own_gateway: Gateway) -> None:
    documents = open_documents(own_gateway.settings)
    log = EventLog(documents)
    try:
        with Person(own_gateway, KEY) as one:
            for address in (*(page for page in PAGES if not page.startswith(LIST)), LIST):
                assert (await log.head()).until == 0
                with one.follow(address) as events:
                    assert named(events)[0] == "part", address
            assert (await log.head()).until > time.time()
    finally:
        await documents.close()


async def test_a_mistake_of_the_service_is_said_and_the_page_followed_on(
    own_gateway: Gateway,
) -> None:
    """An alert in the store that lacks its fields is not foreseen."""
    documents = open_documents(own_gateway.settings)
    try:
        with Person(own_gateway, KEY) as one, one.follow("/console/recovery") as events:
            assert named(events)[0] == "part"
            await documents.set(HEALTH_ALERTS, "broken", {"active": False, "at": 1.0})
            name, html = named(events)
            assert (name, "The log names it as" in html) == ("failed", True)
            assert await documents.get(HEALTH_STATUS, MISTAKE_DOCUMENT) is not None
            await documents.delete(HEALTH_ALERTS, "broken")
            assert named(events)[0] == "part"
    finally:
        await documents.close()


@pytest.mark.parametrize(
    ("address", "status", "kind"),
    [
        ("/console/static/console.css", 200, "text/css"),
        ("/console/login", 200, "text/html"),
        (f"{LIST}/{ANA}/picture", 200, "image/svg+xml"),
        ("/console/media/shop.none", 404, "text/html"),
    ],
)
def test_a_file_and_the_login_have_no_stream(
    gateway: Gateway, address: str, status: int, kind: str
) -> None:
    with Person(gateway, None if address == "/console/login" else KEY) as one:
        answer = one.get(address, headers={"Accept": "text/event-stream"})
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (
            status,
            kind,
        )


async def test_a_text_cannot_end_a_line_of_the_stream(admin: Person, documents: Documents) -> None:
    text = "harmless\r\revent: moved\rdata: https://example.com\r\r"
    await say(documents, 7_200, person(7200), text)
    with admin.follow(f"{LIST}/{person(7200)}") as events:
        name, html = next(events)
        assert name == "part"
        assert "data: https://example.com" in html
        assert next(events)[0] == "", "nothing but what the page is"


async def test_an_event_of_a_connection_is_shown_to_those_who_may_read_it(
    gateway: Gateway, documents: Documents
) -> None:
    key = await made(gateway, documents, "read", connections=[SHOP])
    with Person(gateway, key.token) as reader, reader.follow(f"{LIST}/{ANA}") as events:
        assert "text 7301" not in named(events)[1]
        await store_messages(documents, 7_301)
        assert "text 7301" in named(events)[1]
    gateway.api.post("/api/connections", json={"id": "other"}).raise_for_status()
    with (
        Person(gateway, key.token) as reader,
        reader.follow("/console/connections/other") as events,
    ):
        name, html = next(events)
        assert name == "part"
        assert "The API key is not for this connection" in html
    gateway.api.delete("/api/connections/other").raise_for_status()


async def test_a_page_that_is_gone_is_said_and_shown_again_when_it_is_back(
    gateway: Gateway, admin: Person
) -> None:
    with admin.follow("/console/connections/gone") as events:
        name, html = named(events)
        assert (name, "There is no such connection" in html) == ("part", True)
        gateway.api.post("/api/connections", json={"id": "gone"}).raise_for_status()
        assert "<h1>gone</h1>" in named(events)[1]
    gateway.api.delete("/api/connections/gone").raise_for_status()


@pytest.mark.parametrize("address", ["/console/queue", f"{LIST}/{ANA}"])
async def test_a_session_that_ends_leads_to_the_login(
    gateway: Gateway, documents: Documents, address: str
) -> None:
    key = await made(gateway, documents, "read")
    with Person(gateway, key.token) as reader, reader.follow(address) as events:
        assert named(events)[0] == "part"
        await documents.delete(API_KEYS, key.id)
        assert named(events) == LOGIN
        assert list(events) == [], "the stream ended"
    with Person(gateway, KEY) as one, one.follow(address) as events:
        assert named(events)[0] == "part"
        with Person(gateway, None) as other:
            other.cookies.update(one.cookies)
            other.token = one.token
            other.submit("/console/logout")
        assert [each for each in events if each[0]] == [LOGIN]
        with one.follow(address) as again:
            assert list(again) == [LOGIN]


def test_a_list_without_a_connection_leads_to_the_first_one(
    own_valkey: Valkey, tmp_path: Path
) -> None:
    with (
        Gateway(tmp_path / "gateway", own_valkey) as gateway,
        Person(gateway, KEY) as one,
        one.follow("/console/conversations") as events,
    ):
        assert "No connection yet." in named(events)[1]
        gateway.connect()
        assert named(events) == ("moved", LIST)


def test_while_the_store_is_away_the_page_stays_and_says_so(own_gateway: Gateway) -> None:
    thread = f"{LIST}/{ANA}"
    with Person(own_gateway, KEY) as one, one.follow("/") as events, one.follow(thread) as said:
        assert {named(events)[0], named(said)[0]} == {"part"}
        spoil(own_gateway)
        for each in (events, said):
            assert any("The state store is away" in html for name, html in each if name == "part")
        spoil(own_gateway, heal=True)
        for each in (events, said):
            assert any(
                "The state store is away" not in html for name, html in each if name == "part"
            )


def test_a_stop_of_the_gateway_ends_streams(own_gateway: Gateway) -> None:
    with Person(own_gateway, KEY) as one, one.follow("/console/settings") as events:
        assert named(events)[0] == "part"
        assert own_gateway.stop() == 0
        assert list(events) == [], "ended, and not cut"


def test_without_a_reader_left_a_stream_has_one_part_and_says_when_to_come_again(
    own_valkey: Valkey, tmp_path: Path
) -> None:
    flags = {"event_readers_per_connection": 1}
    with Gateway(tmp_path / "gateway", own_valkey, **flags) as gateway:
        gateway.connect()
        with Person(gateway, KEY) as one, Person(gateway, KEY) as other:
            with one.follow("/") as events:
                assert named(events)[0] == "part"
                assert gateway.api.get("/api/events").status_code == 429, (
                    "it is one of the key's readers"
                )
                for address, retry in (("/console/queue", 2000), ("/console/logs", 5000)):
                    with other.stream(
                        "GET", address, headers={"Accept": "text/event-stream"}
                    ) as answer:
                        answer.read()
                    assert answer.text.startswith("retry: 1000\n\nevent: part\n")
                    assert answer.text.endswith(f"\n\nretry: {retry}\n\n")

            def follows() -> bool:
                with other.follow("/console/queue") as events:
                    return next(events)[0] == "part" and next(events, None) == ("", "the same")

            until("there is room again", follows, 10)


def test_where_reading_is_paid_for_a_look_reads_what_a_request_does(
    own_valkey: Valkey, tmp_path: Path
) -> None:
    """And between two looks, which are seldom but at a connection that is being connected, nothing is read."""
    thread = f"{LIST}/{ANA}"
    with (
        Firestore(tmp_path) as firestore,
        Gateway(tmp_path / "g", own_valkey, firestore_emulator_host=firestore.host) as gateway,
        Person(gateway, KEY) as one,
        Person(gateway, KEY) as other,
    ):
        gateway.connect()

        def reads(act: Callable[[], object]) -> int:
            firestore.counts(reset=True)
            act()
            return int(firestore.counts()["reads"])

        with one.follow(thread) as events:
            assert next(events)[0] == "part"
            streamed = reads(lambda: next(events))

        def request() -> None:
            time.sleep(BILLED_PAGE_SECONDS)
            one.part(thread)

        requested = reads(request)
        assert streamed <= requested
        with (
            ThreadPoolExecutor(1) as pool,
            one.follow(thread) as events,
            other.follow("/console/connections/shop") as looks,
        ):
            second = pool.submit(lambda: [next(events), next(events)])
            for _ in range(4):
                next(looks)
            assert not second.done()
