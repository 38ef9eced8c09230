"""The console's pages of messages, queue, alerts and the machine, and pages without any."""

from __future__ import annotations

import asyncio
import html
import os
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from actors.health import resource_history
from actors.health.resource_history import Point
from actors.messages.content import Mentions, Quote, Target, Text, encode
from actors.redis.leases.leases import Owner
from actors.runtime import host_identity
from actors.state.account import chat_activity
from actors.state.account.chat_activity import Activity
from actors.state.documents import HEALTH_ALERTS, HEALTH_STATUS, LATEST, RECOVERY_ACTIONS
from actors.state.messages.received import incoming
from actors.state.recovery_actions import recovery_action
from gateway.console.pages import charts
from gateway.console.pages.conversations import LISTED
from tests.integration.gateway.acceptance.test_outages import spoil
from tests.integration.gateway.api.chats.test_chat_list import person, say
from tests.integration.gateway.person import Person
from tests.integration.gateway.served import KEY, SHOP, Gateway
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from actors.queue.outbound_queue import OutboundQueue
    from actors.redis.leases.leases import Leases
    from actors.state.documents import Documents

ANA = "15550100002@s.whatsapp.net"
THREAD = f"/console/conversations/shop/{ANA}"
SCRIPT = "<script>alert(1)</script>"
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 40


@pytest.fixture(scope="module")
def admin(gateway: Gateway) -> Iterator[Person]:
    with Person(gateway, KEY) as person:
        yield person


async def test_what_was_said_is_shown_and_runs_nowhere(admin: Person, documents: Documents) -> None:
    item = {
        "key": 1, "chat": ANA, "sender": ANA, "message_id": "M1", "at": 1_790_000_000,
        "type": "text", "text": SCRIPT,
    }  # fmt: skip
    document = incoming(SHOP, item, time.time())
    await documents.set("whatsapp_messages", document["id"], document)
    await documents.batch(
        chat_activity.noting(SHOP, [chat_activity.of_message(document, document["id"])])
    )
    assert admin.get("/console/conversations").url.path == "/console/conversations/shop"
    for address in ("/console/conversations/shop", THREAD):
        page = admin.get(address).text
        assert "+15550100002" in page
        assert SCRIPT not in page
        assert "&lt;script&gt;" in page
        assert admin.part(address).text.strip() in admin.get(address).text or "once" in page


async def test_a_conversation_shows_what_a_message_quotes_and_whom_it_mentions(
    admin: Person, documents: Documents
) -> None:
    group = "120363000000000009@g.us"
    mentioned: tuple[Mentions, ...] = ("15550100003@s.whatsapp.net",), "all"
    for number, mentions in enumerate(mentioned):
        quote = Quote(Target("ASKED", ANA), "<em>at noon?</em>")
        said = Text("@15550100003 look", quote, mentions)
        item = {
            "key": number, "chat": group, "sender": ANA, "message_id": f"MENTION{number}",
            "at": 1_790_000_000, "type": "text", "text": said.text, "content": encode(said),
        }  # fmt: skip
        document = incoming(SHOP, item, time.time())
        await documents.set("whatsapp_messages", document["id"], document)
    page = admin.get(f"/console/conversations/shop/{group}").text
    assert "Mentions +15550100003" in page
    assert "Mentions everybody" in page
    assert "<em>at noon?</em>" not in page
    assert '"auto">+15550100002</p><p dir="auto">&lt;em&gt;at noon?' in page


LIST = "/console/conversations/shop"


def listed(page: str) -> list[str]:
    """The numbers of the conversations on a page, as they stand there."""
    return re.findall(r'id="chat-1555010(\d{4})@', page)


def link(page: str, words: str) -> str:
    found = re.search(rf'<a href="([^"]+)">{words}</a>', page)
    assert found, words
    return html.unescape(found[1])


def _waiting(gateway: Gateway) -> int:
    """The items that wait in the queue of the connection."""
    items = gateway.api.get("/api/queue").raise_for_status().json()["items"]
    return int(next(one["waiting"] for one in items if one["connection"] == "shop"))


async def test_all_conversations_are_listed_in_pages_with_names_and_what_is_unread(
    gateway: Gateway, admin: Person, documents: Documents
) -> None:
    count = LISTED + 5
    for number in range(1000, 1000 + count):
        name = {"push_name": f"Customer {number}"} if number % 2 else {}
        await say(documents, number, person(number), f"order {number}", **name)
    await say(documents, 1999, person(1001), "Are you there?", push_name="Ana Pereira")
    first = admin.get(LIST).text
    assert listed(first) == ["1001", *(f"{number}" for number in range(1044, 1005, -1))]
    ana = first[first.index("chat-15550101001@") :]
    ana = ana[: ana.index("</li>")]
    assert "Ana Pereira" in ana
    assert "Are you there?" in ana
    assert "2 unread" in ana
    older = admin.get(link(first, "Older conversations")).text
    assert listed(older)[:5] == [f"{number}" for number in (1005, 1004, 1003, 1002, 1000)]
    assert listed(admin.get(link(older, "Newest conversations")).text) == listed(first)
    # A conversation is opened with its page of the list beside it, and has its name on any.
    there = re.search(
        r'<a href="([^"]+)"[^>]*>\s*<img[^>]*>\s*<span class="name" dir="auto">Customer 1003<',
        older,
    )
    assert there
    thread = admin.get(html.unescape(there[1])).text
    assert listed(thread) == listed(older)
    assert '<h2 dir="auto">Customer 1003</h2>' in thread
    assert '<h2 dir="auto">Customer 1003</h2>' in admin.get(f"{LIST}/{person(1003)}").text
    assert "Mark as read" in thread
    before = _waiting(gateway)
    assert admin.submit(f"{LIST}/{person(1003)}/read").status_code == 200
    assert _waiting(gateway) == before + 1


async def test_conversations_are_searched_by_name_number_and_text(
    admin: Person, documents: Documents
) -> None:
    await say(documents, 2500, person(2500), "Where is <my> parcel?", push_name="Bea <b>")
    for search in ("bea", "+1 555 010-2500", "<my> parcel"):
        found = admin.get(LIST, params={"search": search}).text
        assert listed(found) == ["2500"], search
        assert "<my>" not in found
    await say(documents, 2501, person(2500), "Never mind")
    earlier = admin.get(LIST, params={"search": "<my> parcel"}).text
    assert listed(earlier) == ["2500"]
    assert "Where is &lt;my&gt; parcel?</span>" in earlier, "the message that was found"
    assert "Texts were searched since" not in earlier, "all of them were"
    nothing = admin.get(LIST, params={"search": "nobody at all"}).text
    assert "No conversation has" in nothing
    refused = admin.get(LIST, params={"search": "x" * 200})
    assert refused.status_code == 200
    assert "use 1 to 100 characters" in refused.text


def test_a_message_is_sent_once_however_often_its_form_is(gateway: Gateway, admin: Person) -> None:
    sent = [admin.submit(THREAD, text="from the console\r\nline two", once="one") for _ in range(2)]
    assert {answer.status_code for answer in sent} == {200}
    assert len({answer.url for answer in sent}) == 1, "the first answer again"
    page = sent[0].text
    assert "from the console\nline two</p>" in page, "before any list has it"
    found = re.search(r"sent=([^&]+)", str(sent[0].url))
    assert found
    message = gateway.api.get(f"/api/messages/{found[1]}").json()
    assert (message["text"], message["chat"]) == ("from the console\nline two", ANA)
    other = admin.submit(THREAD, text="from the console\r\nline two", once="two")
    assert other.url != sent[0].url


def test_what_cannot_be_sent_is_said_and_kept_in_the_form(admin: Person) -> None:
    for text in ("", "\x07bell", "x" * 70_000):
        refused = admin.submit(THREAD, text=text, once="x1")
        assert refused.status_code == 422
        assert 'role="alert"' in refused.text
    conflict = admin.submit(THREAD, text="another text, of one number", once="one")
    assert conflict.status_code == 422
    assert "another text, of one number</textarea>" in conflict.text
    assert "Your first text was accepted" in conflict.text
    given = re.search(r'name="once" value="([^"]+)"', conflict.text)
    assert given
    assert given[1] != "one"
    anew = admin.submit(THREAD, text="another text, of one number", once=given[1])
    assert anew.status_code == 200
    odd = admin.get("/console/conversations/shop?to=12")
    assert (odd.status_code, 'role="alert"' in odd.text) == (422, True)
    assert "</strong> A phone number has 7 to 15 digits, as in 15550100002." in odd.text
    assert admin.get("/console/conversations/shop?to=%2B1 (555) 010-0002").url.path == THREAD
    hidden = admin.get("/console/conversations/shop?to=90000000000002@lid")
    assert hidden.url.path == "/console/conversations/shop/90000000000002@lid"
    assert "Hidden number 0002" in hidden.text


def test_each_answer_to_a_script_says_that_the_console_wrote_it(
    gateway: Gateway, admin: Person
) -> None:
    upload = {"X-Teimoso-Token": admin.token, "X-Teimoso-Part": "1"}
    with Person(gateway, None) as nobody:
        answers = [
            admin.part(THREAD),
            admin.part("/console/conversations"),
            admin.part("/console/conversations/nobody"),
            admin.post("/console/media", content=PNG, headers=upload),
            admin.post("/console/media", content=b"", headers=upload),
            nobody.part(THREAD),
        ]
    assert [one.status_code for one in answers] == [200, 200, 404, 201, 422, 401]
    assert {one.headers.get("x-teimoso-part") for one in answers} == {"1"}
    assert "x-teimoso-part" not in admin.get(THREAD).headers


def test_a_file_is_taken_in_sent_and_given_out(gateway: Gateway, admin: Person) -> None:
    headers = {"X-Teimoso-Token": admin.token, "Content-Type": "image/png"}
    without = admin.post("/console/media?name=a.png", content=PNG, headers={})
    assert without.status_code == 403
    kept = admin.post("/console/media?name=a.png", content=PNG, headers=headers)
    assert kept.status_code == 201, kept.text
    file = kept.json()
    refused = admin.post("/console/media", content=b"", headers=headers)
    assert refused.json()["code"] == "media_empty"
    page = admin.submit(THREAD, text="look", sha256=file["sha256"], mime=file["mime"], once="f")
    found = re.search(r'<img src="(/console/media/[^"]+)" alt="Picture: look"', page.text)
    assert found, page.text
    picture = admin.get(found[1])
    assert picture.content == PNG
    assert "sandbox" in picture.headers["content-security-policy"]
    again = admin.get(found[1], headers={"If-None-Match": picture.headers["etag"]})
    assert again.status_code == 304
    part = admin.get(found[1], headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, PNG[:4])
    message = gateway.api.get(f"/api/messages/{found[1].rpartition('/')[2]}").json()
    assert message["type"] == "image"
    headers["Content-Type"] = "text/plain"
    kept = admin.post("/console/media?name=b.txt", content=b"words", headers=headers).json()
    form = {"sha256": kept["sha256"], "mime": kept["mime"], "name": "b.txt", "once": "g"}
    paper = admin.submit(THREAD, text="", **form)
    assert re.search(r'<a href="/console/media/[^"]+" download><bdi>b.txt</bdi></a>', paper.text)


@pytest_asyncio.fixture
async def dead(lanes: OutboundQueue, leases: Leases, gateway: Gateway, documents: Documents) -> str:
    """The id of a dead letter of a connection of its own, to a person who wrote before."""
    connection = gateway.api.post("/api/connections", json={"id": "dead"}).json()["incarnation"]
    wrote = Activity("15550100009@s.whatsapp.net", 1.0, "A", "arrived", "Bea Lopes")
    await documents.batch(chat_activity.noting(connection, [wrote]))
    sent = gateway.api.post(
        "/api/messages", json={"connection": "dead", "to": "15550100009", "text": SCRIPT}
    ).json()
    lease = await leases.take(connection, Owner("a", os.getpid(), host_identity.here()))
    [job] = (await lanes.claims.claim(connection, lease.epoch, 1)).jobs
    sent_id: str = sent["id"]
    assert job.id == sent_id
    await lanes.claims.fail(
        connection,
        lease.epoch,
        job.id,
        code="not_on_whatsapp",
        permanent=True,
        uncertain=False,
        retry_at=None,
    )
    return sent_id


async def test_dead_letters_tell_their_reason_and_are_sent_again(
    admin: Person, gateway: Gateway, dead: str
) -> None:
    for address in ("/console/queue", "/console/queue?connection=dead"):
        page = admin.get(address).text
        assert "The number is not on WhatsApp." in page
        assert "not_on_whatsapp" in page
        assert "Bea Lopes" in page
        assert SCRIPT not in page
    assert "not_on_whatsapp" not in admin.get("/console/queue?connection=shop").text
    done = admin.submit("/console/queue/retry", id=dead, only="dead")
    assert str(done.url).endswith("/console/queue?connection=dead")
    assert gateway.api.get(f"/api/messages/{dead}").json()["status"] == "queued"
    again = admin.submit("/console/queue/retry", id=dead)
    assert again.status_code == 409
    assert 'role="alert"' in again.text
    assert 'data-live="/console/queue"' in again.text
    everything = admin.submit("/console/queue/retry", only="dead")
    assert everything.status_code == 200


async def test_alerts_and_recoveries_are_shown(admin: Person, documents: Documents) -> None:
    now = time.time()
    alert = {
        "name": "cpu_high", "subject": None, "severity": "warning", "reason": SCRIPT,
        "active": False, "raised_at": now - 90, "cleared_at": now - 30, "at": now - 90,
    }  # fmt: skip
    await documents.set(HEALTH_ALERTS, "a1", alert)
    for action in (
        recovery_action(
            role="connection", action="restarted", cause="crashed", at=now, seconds=0.4,
            connection=SHOP, before="open", after="connecting", epoch_before=1, epoch_after=2,
        ),
        recovery_action(role="queue", action="gave_up", cause="hung", at=now - 9, seconds=3.0),
    ):  # fmt: skip
        await documents.set(RECOVERY_ACTIONS, action["id"], action)
    page = admin.get("/console/recovery").text
    assert "CPU high" in page
    assert SCRIPT not in page
    assert re.search(r">shop</a></strong> got up again in <strong>400 ms", page)
    assert "epoch 1 → 2" in page
    assert "Queue actor</strong> was left alone" in page
    of_shop = admin.get("/console/recovery?connection=shop").text
    assert "400 ms" in of_shop
    assert "Queue actor" not in of_shop


async def test_the_last_hour_is_drawn(
    gateway: Gateway, admin: Person, documents: Documents
) -> None:
    assert "No figures yet" in admin.get("/console/system").text
    now = time.time()
    points = tuple(
        Point(now - 60 * back, 20.0 if back else 60.0, 40.0, 1.0, 1, 1, None)
        for back in range(30, -1, -1)
    )
    resource_history.write(gateway.data, points)
    page = admin.get("/console/system").text
    assert page.count("<polyline") == 2
    assert "60 %" in page
    assert f"{charts.WIDTH},60" in page, "40 percent of memory"
    told = {
        "status": "degraded", "at": now, "reasons": [
            {
"name": "disk_low", "status": "degraded", "severity": "warning", "subject": None,
"detail": SCRIPT}
        ],
    }  # fmt: skip
    await documents.set(HEALTH_STATUS, LATEST, told)
    await asyncio.sleep(1.1)  # what was seen serves for a second
    page = admin.get("/console/system").text
    assert "Degraded" in page
    assert SCRIPT not in page


def each_page_says(person: Person, words: str) -> None:
    for address in ("/", "/console/connections/shop", "/console/queue", THREAD,
                    "/console/recovery", "/console/system"):  # fmt: skip
        page = person.get(address)
        assert page.status_code == 200, address
        assert words in page.text, address


def test_while_redis_is_away_pages_say_so(own_valkey: Any, tmp_path: Path) -> None:
    with Gateway(tmp_path / "gateway", own_valkey, redis_wait=0) as own_gateway:
        own_gateway.connect()
        _say_that_redis_is_away(own_gateway, own_valkey)


def _say_that_redis_is_away(own_gateway: Gateway, own_valkey: Any) -> None:
    with Person(own_gateway, KEY) as person:
        assert "Redis is away" not in person.get("/").text
        own_valkey.kill()
        until("the page says it", lambda: "Redis is away" in person.get("/").text, 10)
        each_page_says(person, "Redis is away.")
        assert "The queue cannot be shown now" in person.get("/console/queue").text
        refused = person.submit(THREAD, text="not accepted", once="s1")
        assert refused.status_code == 503
        assert "not accepted" in refused.text, "what was written is not lost"
        retried = person.submit("/console/queue/retry")
        assert retried.status_code == 503
        assert 'role="alert"' in retried.text
        own_valkey.start()
        until("the page is as before", lambda: "Redis is away" not in person.get("/").text, 15)


def test_while_the_store_is_away_pages_say_what_they_do_not_know(own_gateway: Gateway) -> None:
    with Person(own_gateway, KEY) as person:
        assert "No active alerts" in person.get("/console/recovery").text
        spoil(own_gateway)
        until("the page says it", lambda: "The state store is away" in person.get("/").text, 10)
        each_page_says(person, "The state store is away.")
        assert "The messages cannot be shown now" in person.get(THREAD).text
        assert "No active alerts" not in person.get("/console/recovery").text
        assert "<dt>Alerts</dt><dd>0" not in person.get("/").text, "nobody knows"
        spoil(own_gateway, heal=True)
        until("it is back", lambda: "state store is away" not in person.get("/").text, 15)
