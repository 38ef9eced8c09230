"""Odd texts of strangers, as long as texts may be, through every route that shows them: none breaks or holds the loop.

The bound is on processor time of the loop's thread within one of its rounds, which a busy machine does not lengthen.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.connection.abilities.app_state_changes import AppStateChange
from actors.messages.content import Card, Contact, Document, File, Location, Poll, encode
from actors.state.account import app_state, chat_activity
from actors.state.documents import MESSAGES, Write
from actors.state.messages.received import incoming, storing
from actors.state.open_store import open_documents
from gateway.app import OPERATIONS
from gateway.console.page_app import PageApp
from gateway.console.routes import routes
from tests.integration.gateway.api.test_matrix import IN_PATHS
from tests.integration.gateway.files import unlike
from tests.integration.gateway.hostile.contents import (
    CHARSETS,
    LOG_LINES,
    NAMES,
    PAGES,
    SENDABLE,
    TEXTS,
)
from tests.integration.gateway.hostile.timed_gateway import NOTED_SECONDS, TimedGateway, TimedLoop
from tests.integration.gateway.person import Person
from tests.integration.gateway.receiver import Receiver, add
from tests.integration.gateway.served import KEY, SHOP
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.http.endpoint import Operation
    from tests.processes.valkey import Valkey

ROUND_SECONDS: Final = 0.1
"""Processor time that one round of the loop may take."""

ANA, GROUP = "15550100002@s.whatsapp.net", "120363000000000001@g.us"
WORDS: Final = (
    *(
        NAMES[name][:100]
        for name in ("marks", "letters that become many", "controls", "directions")
    ),
    *("{{ 7 }}<b>*a*", "\udc80", "%", "\x00", "\u0301\u0323", "a"),
)
"""Words that a caller looks for, or names."""

VOTERS, EARLY_VOTERS = 1000, 300
"""Members of a group who each reacted and voted; and those who did before the message itself arrived."""


class Hostile(TimedGateway):
    """Has all of the contents; `ids` are those of its messages."""

    def __init__(self, *given: Any, **flags: Any) -> None:
        super().__init__(*given, **flags)
        self.ids: list[str] = []
        self.client_of_all = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", headers={"X-Api-Key": KEY}, timeout=60
        )

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Return the answer, which is no mistake of the service and did not hold the loop."""
        return self.held(lambda: self.client_of_all.request(method, path, **more))

    def held(self, call: Any) -> Any:
        answers: list[Any] = []
        seconds = self.longest_round(lambda: answers.append(call()))
        (answer,) = answers
        url = str(answer.request.url)[:200]
        assert answer.status_code < 500, (url, answer.text[:500])
        assert seconds < ROUND_SECONDS, (url, seconds)
        return answer


def chat_of(number: int) -> str:
    return f"155501{number:05}@s.whatsapp.net"


def arriving(
    key: int,
    chat: str,
    text: str | None,
    changes: dict[str, Any] | None = None,
    *,
    early: bool = False,
    **more: Any,
) -> tuple[list[Write], str]:
    """The writes that store a message and its changes, as those of the StateManager do, and its id.

    `early` changes were there before it, so that its event has them.
    """
    item = {"key": key, "chat": chat, "sender": chat, "message_id": f"3EB0{key:06}", "type": "text"}
    item |= {"at": 1_764_000_000 + key, "text": text, "source": "live", **more}
    document = incoming(SHOP, item, 1_764_000_000.5 + key)
    if early:
        document["changes"] = changes
    known = chat_activity.of_message(document, document["id"])
    changed = Write("merge", MESSAGES, document["id"], {"changes": changes or {}})
    return [storing(document), *chat_activity.noting(SHOP, [known]), changed], document["id"]


def contents() -> Iterator[tuple[list[Write], str]]:
    """Texts with as many edits as there may be, and each kind of content with odd names."""
    numbers = iter(range(10_000))
    for text in TEXTS.values():
        edits = [
            {"text": text[: 10_000 - number], "at": float(number), "message_id": f"E{number}"}
            for number in range(5)
        ]
        yield arriving(next(numbers), ANA, text)
        yield arriving(next(numbers), ANA, text, changes={"edits": edits})
    # The dearest to search come first in the table: they are the newest, which a search begins with.
    for number, kind in enumerate(reversed(TEXTS)):
        text, name = TEXTS[kind], NAMES[kind]
        named: dict[str, Any] = {"sender_name": name, "push_name": name, "chat_name": name}
        yield arriving(next(numbers), chat_of(number), text, **named)
        file = File(f"{number:064x}", 7, "application/pdf", name)
        for content in (
            Document(file, name),
            Contact((Card(name, text[:5000]),)),
            Poll(name, (name[:100], f"{number}"), 1),
            Location(1.0, 2.0, name, name),
        ):
            packed = {"type": content.type, "content": encode(content), **named}
            yield arriving(next(numbers), GROUP, None, **packed)
    for early in (False, True):
        for _ in range(50):
            changes = changed(EARLY_VOTERS if early else VOTERS)
            yield arriving(next(numbers), GROUP, "which?", changes, sender=ANA, early=early)


def changed(voters: int) -> dict[str, Any]:
    """The reactions and votes of so many members."""
    noted = {chat_of(number): {"at": float(number), "message_id": "C"} for number in range(voters)}
    return {
        "reactions": {who: {"emoji": "\U0001f600" * 20, **one} for who, one in noted.items()},
        "votes": {who: {"options": ["a" * 100], **one} for who, one in noted.items()},
    }


def people() -> Iterator[Write]:
    more = {"epoch": 1, "collection": "low", "news": True, "at": 1.0, "removed": False}
    for key, name in enumerate(NAMES.values()):
        change = AppStateChange.contact(chat_of(key), full_name=name, first_name=name)
        item: dict[str, Any] = {
            "subject": change.subject,
            "id": change.id,
            "setting": change.setting,
        }
        item |= {"value": change.value, "noted_as": change.id, "key": key, **more}
        yield app_state.changing(SHOP, item)


async def fill(gateway: Hostile) -> None:
    documents = open_documents(gateway.settings)
    try:
        for writes, identity in contents():
            await documents.batch(writes)
            gateway.ids.append(identity)
        for write in people():
            await documents.batch([write])
    finally:
        await documents.close()
    gateway.settings.logs.mkdir(exist_ok=True)
    for number in range(3):
        text = "\n".join(LOG_LINES).replace("shop", SHOP) + "\n"
        (gateway.settings.logs / f"part{number}.log").write_text(text)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as started:
        yield started


@pytest.fixture(scope="module")
def gateway(
    valkey: Valkey, tmp_path_factory: pytest.TempPathFactory, receiver: Receiver
) -> Iterator[Hostile]:
    """With all of the contents, a webhook that gets them, and logs."""
    flags = {"webhook_url_private": True, "media_url_private": True, "rate_limit": 0}
    with Hostile(tmp_path_factory.mktemp("gateway"), valkey, **flags) as served:
        served.connect()
        add(served.api, receiver)
        asyncio.run(fill(served))
        yield served
        served.client_of_all.close()


@pytest.fixture(scope="module")
def person(gateway: Hostile) -> Iterator[Person]:
    with Person(gateway, KEY) as someone:
        yield someone


def test_a_round_of_the_loop_that_is_long_is_noted(tmp_path: Path) -> None:
    async def hold() -> None:
        end = time.thread_time() + 2 * NOTED_SECONDS
        while time.thread_time() < end:
            pass

    loop = TimedLoop(tmp_path / "rounds")
    loop.run_until_complete(hold())
    loop.close()
    assert max(map(float, (tmp_path / "rounds").read_text().split())) >= 2 * NOTED_SECONDS


READ: Final = [each for each in OPERATIONS if each.method == "GET" and each.id != "readEvents"]


def filled(path: str) -> str:
    for name, value in IN_PATHS.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def queried(operation: Operation) -> dict[str, str]:
    """The query for as much as it gives at once."""
    fields = () if operation.query is None else operation.query.model_fields
    most = "200" if operation.id.startswith("listAll") else "500"
    return {
        name: {"connection": "shop", "limit": most}[name]
        for name in fields
        if name in {"connection", "limit"}
    }


@pytest.mark.parametrize("operation", READ, ids=lambda each: each.id)
def test_every_route_that_reads_answers(gateway: Hostile, operation: Operation) -> None:
    query = queried(operation)
    while True:
        answer = gateway.ask("GET", filled(operation.path), params=query)
        if not operation.lists or answer.status_code != 200 or answer.json()["next"] is None:
            break
        query["after"] = answer.json()["next"]


@pytest.mark.parametrize("operation", READ, ids=lambda each: each.id)
def test_every_route_that_reads_takes_any_words(gateway: Hostile, operation: Operation) -> None:
    path, query = filled(operation.path), httpx.QueryParams(queried(operation))
    fields = () if operation.query is None else operation.query.model_fields
    for text in WORDS:
        word = quote(text, safe="", errors="surrogateescape")
        for name in fields:
            gateway.ask("GET", f"{path}?{query.remove(name)}&{name}={word}")
        for name, value in IN_PATHS.items():
            if f"{{{name}}}" in operation.path:
                gateway.ask("GET", f"{path.replace(value, word)}?{query}")


def test_every_message_is_shown(gateway: Hostile, person: Person) -> None:
    for identity in gateway.ids:
        assert gateway.ask("GET", f"/api/messages/{identity}").status_code == 200
        gateway.ask("GET", f"/api/messages/{identity}/media")
        gateway.held(lambda identity=identity: person.get(f"/console/media/{identity}"))


@pytest.mark.parametrize("name", list(NAMES))
def test_a_file_goes_by_any_name(gateway: Hostile, name: str) -> None:
    content = unlike()
    given = {"name": NAMES[name][:200]}
    answer = gateway.ask("POST", "/api/media", content=content, params=given)
    if answer.status_code != 201:
        answer = gateway.ask("POST", "/api/media", content=content)
    body = {"connection": "shop", "to": ANA, "type": "document", "name": NAMES[name][:200]}
    sent = gateway.ask(
        "POST", "/api/messages", json={**body, "media": {"sha256": answer.json()["sha256"]}}
    )
    if sent.status_code == 202:
        found = gateway.ask("GET", f"/api/messages/{sent.json()['id']}/media")
        assert found.content == content


@pytest.mark.parametrize("name", list(TEXTS))
def test_a_search_finds_any_text(gateway: Hostile, name: str) -> None:
    word = TEXTS[name][:100]
    if not word.isprintable():
        word = "a"
    query = {"connection": "shop", "search": word, "limit": "50"}
    for path in ("/api/chats", "/api/contacts"):
        for _ in range(20):
            answer = gateway.ask("GET", path, params=query)
            assert answer.status_code == 200, answer.text
            if answer.json()["next"] is None:
                break
            query["after"] = answer.json()["next"]
        query.pop("after", None)


PAGE_PATHS: Final = sorted(
    {
        route.path
        for route in routes(OPERATIONS)
        if isinstance(route.endpoint, PageApp) and "GET" in (route.methods or ())
    }
)


@pytest.mark.parametrize("path", PAGE_PATHS)
def test_every_page_of_the_console_is_shown(gateway: Hostile, person: Person, path: str) -> None:
    addresses = [filled(path), filled(path).replace(quote("15550100002"), quote(ANA))]
    addresses.append(filled(path).replace("15550100002", GROUP))
    for address in dict.fromkeys(addresses):
        gateway.held(lambda address=address: person.get(address))
        gateway.held(lambda address=address: person.part(address))
    for text in WORDS[-5:]:
        word = quote(text, safe="", errors="surrogateescape")
        query = "&".join(f"{name}={word}" for name in ("search", "text", "list", "sent", "part"))
        for where in (
            f"{addresses[0]}?{query}",
            f"{addresses[0]}?to={word}",
            f"{addresses[0]}?after={word}",
        ):
            gateway.held(lambda where=where: person.get(where))


@pytest.mark.parametrize("chat", [ANA, GROUP])
def test_pages_of_a_conversation_are_followed(gateway: Hostile, person: Person, chat: str) -> None:
    """From the newest message to the first; each as its stream brings it."""
    address = f"/console/conversations/shop/{chat}"
    query, seen = "", 0

    def first() -> tuple[str, str]:
        with person.follow(address + query) as blocks:
            return next(each for each in blocks if each[0])

    found: list[tuple[str, str]] = []
    while True:
        seconds = gateway.longest_round(lambda: found.append(first()))
        kind, part = found.pop()
        assert kind == "part"
        assert seconds < ROUND_SECONDS, query
        seen += part.count("<article")
        listed = gateway.ask(
            "GET",
            "/api/messages",
            params={
                "connection": "shop",
                "chat": chat,
                "limit": "50",
                **({"after": query.partition("=")[2]} if query else {}),
            },
        ).json()
        if listed["next"] is None:
            break
        query = f"?after={listed['next']}"
    assert seen >= len(TEXTS)


@pytest.mark.parametrize(
    "query", ["", "?text=a", "?text=%CC%81&level=debug", "?connection=shop", "?part=part1"]
)
def test_lines_of_logs_are_shown(gateway: Hostile, person: Person, query: str) -> None:
    page = gateway.held(lambda: person.get(f"/console/logs{query}"))
    assert page.status_code == 200


def test_events_reach_readers_and_webhooks(gateway: Hostile, receiver: Receiver) -> None:
    def follow() -> None:
        wanted = set(gateway.ids)
        with gateway.client_of_all.stream(
            "GET", "/api/events", headers={"Last-Event-ID": "0"}
        ) as answer:
            left = b""
            for piece in answer.iter_bytes():
                *blocks, left = (left + piece).split(b"\n\n")
                wanted -= set(map(received, blocks))
                if not wanted:
                    break
        until("all is delivered", lambda: delivered() >= set(gateway.ids), 60)

    def received(block: bytes) -> str | None:
        data = next((line[6:] for line in block.split(b"\n") if line.startswith(b"data: ")), b"{}")
        event = json.loads(data)
        return event["data"]["id"] if event.get("type") == "message.received" else None

    def delivered() -> set[str]:
        return {one["data"]["id"] for one in receiver.taken if one["type"] == "message.received"}

    assert gateway.longest_round(follow) < ROUND_SECONDS


@pytest.mark.parametrize("name", list(SENDABLE))
def test_a_text_is_sent_and_shown(gateway: Hostile, name: str) -> None:
    body = {"connection": "shop", "to": ANA, "text": SENDABLE[name]}
    sent = gateway.ask("POST", "/api/messages", json=body)
    assert sent.status_code == 202, sent.text
    shown = gateway.ask("GET", f"/api/messages/{sent.json()['id']}").json()
    assert shown["text"] == SENDABLE[name]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.sampled_from([text[:50] for text in TEXTS.values()]) | st.text(st.characters()),
        max_size=8,
    ).map("".join)
)
def test_any_text_is_taken_or_refused(gateway: Hostile, text: str) -> None:
    body = {"connection": "shop", "to": ANA, "text": text}
    content = json.dumps(body).encode()
    sent = gateway.ask(
        "POST", "/api/messages", content=content, headers={"Content-Type": "application/json"}
    )
    if sent.status_code == 202:
        assert gateway.ask("GET", f"/api/messages/{sent.json()['id']}").json()["text"] == text


class Pages(BaseHTTPRequestHandler):
    """Serves what the path names: `/PAGE/CHARSET/WHERE`, the charset in the type or in the page."""

    asked: Final[list[str]] = []

    def do_GET(self) -> None:
        _, page, charset, where = self.path.split("/")
        self.asked.append(self.path)
        name = list(CHARSETS)[int(charset)]
        body = list(PAGES.values())[int(page)]
        kind = "text/html"
        if where == "type":
            kind += f"; charset={name}".encode().decode("latin-1")
        else:
            body = f"<meta charset='{name}'>".encode() + body
        with suppress(OSError):
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def pages() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("charset", range(len(CHARSETS)), ids=[ascii(each) for each in CHARSETS])
def test_a_text_goes_out_whatever_its_link_leads_to(
    gateway: Hostile, pages: str, charset: int
) -> None:
    for page in range(len(PAGES)):
        where = ("type", "page")[page % 2]
        address = f"/{page}/{charset}/{where}"
        body = {"connection": "shop", "to": ANA, "text": f"see {pages}{address}"}
        sent = gateway.ask("POST", "/api/messages", json=body)
        assert sent.status_code == 202, sent.text
        assert address in Pages.asked
        gateway.ask("GET", f"/api/messages/{sent.json()['id']}")
