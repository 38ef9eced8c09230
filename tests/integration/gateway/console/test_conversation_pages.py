"""The console's conversations over HTTP: what a key may write, and what is refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
import pytest_asyncio

from actors.messages.content import Poll, pack
from tests.integration.gateway.api.chats.test_chat_list import say
from tests.integration.gateway.api.chats.test_group_changes import asked as asked  # noqa: PLC0414
from tests.integration.gateway.api.chats.test_profiles import JPEG, uploaded
from tests.integration.gateway.console.test_console import made
from tests.integration.gateway.person import Person
from tests.integration.gateway.served import KEY, SHOP, Gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import httpx

    from actors.state.documents import Documents
    from tests.integration.gateway.api.connections.test_account import Able

LIST = "/console/conversations/shop"
ANA = "15550100002@s.whatsapp.net"
THREAD = f"{LIST}/{ANA}"


@pytest.fixture(scope="module")
def admin(gateway: Gateway) -> Iterator[Person]:
    with Person(gateway, KEY) as person:
        yield person


@pytest_asyncio.fixture
async def reader(gateway: Gateway, documents: Documents) -> AsyncIterator[Person]:
    """Somebody who may read, and not send."""
    key = await made(gateway, documents, "read", connections=[SHOP])
    with Person(gateway, key.token) as person:
        yield person


async def test_a_key_that_may_read_is_offered_nothing_to_write(
    admin: Person, reader: Person, documents: Documents
) -> None:
    await say(documents, 1, ANA, "good morning")
    poll = Poll("Tea?", ("yes", "no"), 1, "00" * 32)
    asked = await say(documents, 2, ANA, "", type="poll", content=pack(poll))
    writer = admin.get(THREAD).text
    assert 'class="opener"' in writer
    assert ">Vote</button>" in writer
    for address in (LIST, THREAD):
        assert ">Write</button>" in admin.get(address).text
        page = reader.get(address).text
        assert "Poll" in page
        assert ">Write</button>" not in page
        assert 'method="post"' not in page.partition("<main")[2]
        assert 'class="opener"' not in page
    for action in ("react", "vote", "delete", "forward"):
        refused = reader.submit(f"{THREAD}/{action}", message=asked, to=ANA)
        assert (refused.status_code, "missing_scope" in refused.text) == (403, True)


async def test_an_action_that_the_api_refuses_is_said_on_the_page(
    gateway: Gateway, admin: Person, documents: Documents
) -> None:
    theirs = await say(documents, 3, ANA, "not yours")
    waiting = lane(gateway)
    for action, fields, words in (
        ("delete", {"message": theirs}, "account&#39;s own messages"),
        ("vote", {"message": theirs, "option": "yes"}, "Only a poll"),
        ("react", {"message": theirs, "emoji": "many words"}, "emoji"),
        ("forward", {"message": theirs, "to": "12"}, "7 to 15 digits"),
        ("forward", {"message": theirs}, "write an international phone number"),
        ("delete", {}, "give the id of a message"),
    ):
        refused = admin.submit(f"{THREAD}/{action}", **fields)
        assert refused.status_code in {409, 422}, (action, refused.text)
        alert = refused.text.partition('role="alert" id="problem"')[2].partition("</div>")[0]
        assert words in alert, (action, alert)
    assert admin.submit(f"{THREAD}/explode", message=theirs).status_code == 404
    edited = admin.submit(THREAD, text="mine", edit=theirs)
    assert edited.status_code in {409, 422}
    assert f'name="edit" value="{theirs}"' in edited.text
    assert lane(gateway) == waiting


def test_a_forward_is_sent_once_however_often_its_form_is(gateway: Gateway, admin: Person) -> None:
    sent = admin.submit(THREAD, text="forward me", once="o1")
    message = str(sent.url).partition("sent=")[2]
    waiting = lane(gateway)
    for _ in range(2):
        done = admin.submit(f"{THREAD}/forward", message=message, chat=ANA, once="o2")
        assert (done.status_code, done.url.path) == (200, THREAD)
    assert lane(gateway) == waiting + 1


def lane(gateway: Gateway) -> int:
    """The number of messages that wait to be sent."""
    items = gateway.api.get("/api/queue").raise_for_status().json()["items"]
    return int(next(one["waiting"] for one in items if one["connection"] == "shop"))


def test_a_number_that_is_none_stays_on_the_page(admin: Person) -> None:
    wrong = admin.get(LIST, params={"to": '12"<b>'})
    assert wrong.status_code == 422
    assert 'value="12&#34;&lt;b&gt;" autofocus aria-invalid="true"' in wrong.text
    # Its script asks for the page as it is, and not for one without the refusal.
    assert 'data-live="/console/conversations/shop?to=12%22%3Cb%3E"' in wrong.text


async def test_pictures_are_shown_in_the_list_and_at_the_head(
    admin: Person, reader: Person, documents: Documents, asked: tuple[httpx.AsyncClient, Able]
) -> None:
    client, owner = asked
    await say(documents, 4, ANA, "good evening")
    sha256 = await uploaded(client, JPEG)  # stands for the one that the owner fetches

    def sources() -> list[str]:
        return unquote(admin.get(THREAD).text).split(f'src="{THREAD}/picture')[1:]

    async def shown(person: Person) -> httpx.Response:
        return await asyncio.to_thread(person.get, f"{THREAD}/picture")

    assert [one.partition('"')[0] for one in sources()] == ["", ""], "in the list and at the head"
    owner.answer = {"picture": {"id": "7", "sha256": sha256, "size": len(JPEG)}}
    for person in (admin, reader):
        found = await shown(person)
        assert (found.content, found.headers["content-type"]) == (JPEG, "image/jpeg")
        assert found.headers["cache-control"] == "private, max-age=600"
    # Another picture has another address, which no browser has cached.
    assert [one.partition('"')[0] for one in sources()] == [f"?v={sha256[:16]}"] * 2
    for answer, seconds in (({"picture": None}, 600), ({"error": "whatsapp_limited"}, 30)):
        owner.answer = answer
        nobody = await shown(admin)
        assert (nobody.status_code, nobody.headers["content-type"]) == (200, "image/svg+xml")
        assert nobody.headers["cache-control"] == f"private, max-age={seconds}"
    missing = await asyncio.to_thread(admin.get, f"/console/conversations/none/{ANA}/picture")
    assert missing.status_code == 404
