"""Messages accepted while Redis is away: on disk, in order, once, also across deaths in between."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

from actors.queue.outbound_queue import OutboundQueue, Send
from actors.queue.spool.file import Spool
from actors.redis import keys
from actors.redis.client import connect
from actors.redis.leases.leases import Leases, Owner
from actors.state.documents import HEALTH_STATUS
from actors.state.open_store import open_documents
from gateway.acceptance.spool_drain import SENDS_PER_ROUND
from tests.integration.gateway.served import KEY, SHOP, Gateway
from tests.unlimited import UNLIMITED

if TYPE_CHECKING:
    from pathlib import Path

    from tests.processes.valkey import Valkey

CHATS = ("15550100002", "15550100003", "15550100004")
MANY = 1500
"""Messages that take the drain long enough for a test to act meanwhile."""


def send(gateway: Gateway, text: str, to: str = CHATS[0], key: str | None = None) -> str:
    answer = gateway.api.post(
        "/api/messages",
        json={"connection": "shop", "to": to, "text": text},
        headers={"Idempotency-Key": key} if key else {},
    )
    assert answer.status_code == 202, answer.text
    identity: str = answer.json()["id"]
    return identity


def spooled(gateway: Gateway) -> int:
    count: int = gateway.api.get("/health").json()["spool"]["waiting"]
    return count


def drained(gateway: Gateway) -> None:
    gateway.until(lambda: rows(gateway.settings.spool_file) == 0, 60)


def rows(file: Path) -> int:
    database = sqlite3.connect(file)
    try:
        (count,) = database.execute("SELECT COUNT(*) FROM spool").fetchone()
    finally:
        database.close()
    return int(count)


def another(gateway: Gateway, chat: str, texts: list[str]) -> None:
    """Another gateway of the host spools these; so many that draining them takes a while."""

    async def put() -> None:
        spool = Spool(gateway.settings.spool_file, UNLIMITED)
        to = f"{chat}@s.whatsapp.net"
        await asyncio.gather(*(spool.put(Send(SHOP, to, text)) for text in texts))
        await spool.close()

    asyncio.run(put())


def claimed(gateway: Gateway) -> dict[str, list[str]]:
    """The texts of each chat in the order in which a connection is given them."""

    async def run() -> dict[str, list[str]]:
        redis = connect(gateway.settings)
        lanes = OutboundQueue(redis, gateway.settings)
        try:
            epoch = (await Leases(redis).take(SHOP, Owner("connection:1", 7, "node"))).epoch
            texts: dict[str, list[str]] = {}
            sent: dict[str, float] = {}
            while jobs := (await lanes.claim(SHOP, epoch, 100, sent=sent)).jobs:
                for job in jobs:
                    texts.setdefault(job.chat.partition("@")[0], []).append(job.text)
                sent = {job.id: 1.0 for job in jobs}
            return texts
        finally:
            await lanes.close()
            await redis.aclose()

    return asyncio.run(run())


def test_g4_order_holds_across_the_outage(own_gateway: Gateway, own_valkey: Valkey) -> None:
    expected: dict[str, list[str]] = {chat: [] for chat in CHATS}

    def some(name: str, count: int) -> None:
        for number in range(count):
            for chat in CHATS:
                send(own_gateway, f"{name} {number}", chat)
                expected[chat].append(f"{name} {number}")

    some("before", 5)
    own_valkey.kill()
    some("during", 120)  # more than one batch of the drain
    own_valkey.start()
    some("after", 20)  # while it drains
    drained(own_gateway)
    some("later", 5)
    assert claimed(own_gateway) == expected


def test_g4_what_follows_in_a_chat_waits_behind_what_is_spooled(own_gateway: Gateway) -> None:
    """Also where another gateway of the host spooled it, and Redis is there."""
    texts = [f"{number}" for number in range(MANY)]
    another(own_gateway, CHATS[0], texts)
    send(own_gateway, "last")
    assert rows(own_gateway.settings.spool_file) > 1, "drained too soon to prove anything"
    send(own_gateway, "elsewhere", CHATS[1])
    drained(own_gateway)
    assert claimed(own_gateway) == {CHATS[0]: [*texts, "last"], CHATS[1]: ["elsewhere"]}


def test_what_the_drain_moves_is_found_all_the_time(
    own_gateway: Gateway, own_valkey: Valkey
) -> None:
    """Followed and cancelled through the outage, the drain and after it: never unknown."""
    api = own_gateway.api
    send(own_gateway, "warm")
    own_valkey.kill()
    send(own_gateway, "notices that it is away")
    another(own_gateway, CHATS[0], [f"{number}" for number in range(MANY)])
    identity = send(own_gateway, "followed")
    cancelled = send(own_gateway, "cancelled", CHATS[1])
    refused = api.delete(f"/api/messages/{cancelled}")
    assert (refused.status_code, refused.json()["code"]) == (503, "redis_away")
    own_gateway.send_signal(signal.SIGSTOP)  # so that nothing drains before the first look
    try:
        own_valkey.start()
    finally:
        own_gateway.send_signal(signal.SIGCONT)
    looked = 0
    while rows(own_gateway.settings.spool_file) > 0:
        assert api.get(f"/api/messages/{identity}").json()["status"] == "queued"
        assert api.delete(f"/api/messages/{cancelled}").status_code in {200, 503}
        looked += 1
    assert looked > 3, "drained too soon to prove anything"
    assert api.delete(f"/api/messages/{cancelled}").json()["status"] == "cancelled"
    assert api.get(f"/api/messages/{identity}").json()["status"] == "queued"


def test_g2_the_spool_outlives_the_gateway(own_gateway: Gateway, own_valkey: Valkey) -> None:
    """Killed while it spools, and again while it drains: each message is queued once."""
    send(own_gateway, "warm")
    own_valkey.kill()
    expected = ["warm"]
    for number in range(150):
        send(own_gateway, f"{number}")
        expected.append(f"{number}")
    own_gateway.kill()
    assert rows(own_gateway.settings.spool_file) == 150
    more = [f"more {number}" for number in range(MANY)]
    another(own_gateway, CHATS[0], more)
    expected += more
    own_valkey.start()
    own_gateway.start()
    own_gateway.until(lambda: rows(own_gateway.settings.spool_file) < len(expected) - 1, 20)
    own_gateway.kill()
    assert rows(own_gateway.settings.spool_file) > 0, "killed too late to prove anything"
    own_gateway.start()
    drained(own_gateway)
    assert claimed(own_gateway) == {CHATS[0]: expected}


def test_a_redis_that_hangs_may_have_accepted(own_gateway: Gateway, own_valkey: Valkey) -> None:
    """G3: stopped in mid-call, its script may run later; the message is there once all the same."""
    send(own_gateway, "warm")
    own_valkey.signal(signal.SIGSTOP)
    try:
        identity = send(own_gateway, "hung")
    finally:
        own_valkey.signal(signal.SIGCONT)
    drained(own_gateway)
    assert own_gateway.api.get(f"/api/messages/{identity}").json()["status"] == "queued"
    assert claimed(own_gateway) == {CHATS[0]: ["warm", "hung"]}


def test_idempotency_keys_hold_in_the_spool(own_gateway: Gateway, own_valkey: Valkey) -> None:
    key = "order-1"
    send(own_gateway, "warm")
    own_valkey.kill()
    first = send(own_gateway, "once", key=key)
    assert send(own_gateway, "once", key=key) == first
    other = {"connection": "shop", "to": CHATS[0], "text": "other"}
    refused = own_gateway.api.post("/api/messages", json=other, headers={"Idempotency-Key": key})
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_conflict")
    own_valkey.start()
    drained(own_gateway)
    assert send(own_gateway, "once", key=key) == first
    assert claimed(own_gateway) == {CHATS[0]: ["warm", "once"]}


def test_a_key_used_for_two_bodies_ends_visibly(own_gateway: Gateway, own_valkey: Valkey) -> None:
    """G2: nobody could tell while Redis was away; the second body is in the list, and why."""
    first = send(own_gateway, "first", key="order-1")
    own_valkey.kill()
    second = send(own_gateway, "second", key="order-1")
    assert second != first
    own_valkey.start()
    drained(own_gateway)
    assert claimed(own_gateway) == {CHATS[0]: ["first"]}
    (ended,) = own_gateway.api.get("/api/messages?status=cancelled").json()["items"]
    assert (ended["text"], ended["error"]) == ("second", "idempotency_conflict")
    assert ended["id"] == second


def test_idempotency_keys_outlive_both_of_those_who_keep_them(
    own_gateway: Gateway, own_valkey: Valkey
) -> None:
    first = send(own_gateway, "once", key="order-1")
    own_gateway.kill()
    own_valkey.kill()
    own_valkey.start()
    own_gateway.start()
    own_gateway.until(lambda: own_gateway.api.get("/health/ready").status_code == 200, 20)
    assert send(own_gateway, "once", key="order-1") == first
    other = own_gateway.api.post(
        "/api/messages",
        json={"connection": "shop", "to": CHATS[0], "text": "another"},
        headers={"Idempotency-Key": "order-1"},
    )
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    assert claimed(own_gateway) == {CHATS[0]: ["once"]}


def test_a_redis_that_hangs_delays_the_first_alone(
    own_gateway: Gateway, own_valkey: Valkey
) -> None:
    """A request to it would wait for its deadline of eight seconds."""
    send(own_gateway, "warm")
    own_valkey.signal(signal.SIGSTOP)
    try:
        send(own_gateway, "waits for Redis", CHATS[0])
        with own_gateway.client(KEY, timeout=5) as impatient:
            for number in range(20):  # chats that have nothing in the spool
                body = {"connection": "shop", "to": f"155501002{number:02}", "text": "at once"}
                assert impatient.post("/api/messages", json=body).status_code == 202
                time.sleep(0.1)  # longer in all than any short memory of the first
    finally:
        own_valkey.signal(signal.SIGCONT)
    drained(own_gateway)
    send(own_gateway, "to Redis again", CHATS[1])
    assert len(claimed(own_gateway)) == 22


def test_a_full_spool_refuses_and_loses_nothing(own_valkey: Valkey, tmp_path: Path) -> None:
    with Gateway(tmp_path / "gateway", own_valkey, spool_limit=3) as gateway:
        gateway.connect()
        send(gateway, "warm")
        own_valkey.kill()
        accepted = [send(gateway, f"{number}") for number in range(3)]
        body = {"connection": "shop", "to": CHATS[0], "text": "too many"}
        refused = gateway.api.post("/api/messages", json=body)
        assert (refused.status_code, refused.json()["code"]) == (503, "spool_unavailable")
        assert int(refused.headers["retry-after"]) > 0
        own_valkey.start()
        drained(gateway)
        assert all(
            gateway.api.get(f"/api/messages/{identity}").json()["status"] == "queued"
            for identity in accepted
        )
        assert claimed(gateway) == {CHATS[0]: ["warm", "0", "1", "2"]}


def test_cancelling_what_redis_has_needs_no_spool(own_valkey: Valkey, tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "gateway", own_valkey)
    gateway.settings.spool_file.mkdir()
    with gateway:
        gateway.connect()
        accepted = gateway.api.get(f"/api/messages/{send(gateway, 'not after all')}")
        assert accepted.json()["status"] == "queued"
        for _ in range(2):
            cancelled = gateway.api.delete(f"/api/messages/{accepted.json()['id']}")
            assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
        # It may be where nobody can look: not the time to say that it is not.
        unknown = gateway.api.delete(f"/api/messages/shop.3EB0{'0' * 18}")
        assert (unknown.status_code, unknown.json()["code"]) == (503, "spool_unavailable")
    assert claimed(gateway) == {}


def test_what_waited_for_a_connection_that_was_deleted_ends_visibly(
    own_gateway: Gateway, own_valkey: Valkey
) -> None:
    send(own_gateway, "warm")
    own_valkey.kill()
    identity = send(own_gateway, "in vain")
    assert own_gateway.api.delete("/api/connections/shop").status_code == 204
    own_valkey.start()
    drained(own_gateway)
    found = own_gateway.api.get(f"/api/messages/{identity}").json()
    assert (found["status"], found["error"]) == ("cancelled", "connection_deleted")


def test_a_chat_that_cannot_be_moved_holds_up_no_other_and_is_reported(
    own_gateway: Gateway, own_valkey: Valkey
) -> None:
    """G4, G11: also one with more messages than the drain takes at a time."""
    own_valkey.kill()
    stuck = [send(own_gateway, f"{number:03}", CHATS[0]) for number in range(SENDS_PER_ROUND + 10)]
    other = send(own_gateway, "other", CHATS[1])
    assert own_gateway.process is not None
    own_gateway.process.send_signal(signal.SIGSTOP)
    own_valkey.start()
    connection, _, message_id = stuck[0].partition(".")
    record = keys.of(connection).message(message_id)
    # A key that is no record under the id of the first: the script refuses it, each time.
    asyncio.run(_spoil(own_gateway, record))
    own_gateway.process.send_signal(signal.SIGCONT)
    own_gateway.until(lambda: rows(own_gateway.settings.spool_file) == len(stuck), 20)
    assert own_gateway.api.get(f"/api/messages/{other}").json()["status"] == "queued"
    own_gateway.until(lambda: asyncio.run(_reported(own_gateway, "stuck")) == 1, 20)

    asyncio.run(_forget(own_gateway, record))
    drained(own_gateway)
    own_gateway.until(lambda: asyncio.run(_reported(own_gateway, "stuck")) == 0, 20)
    assert claimed(own_gateway) == {
        CHATS[0]: [f"{number:03}" for number in range(len(stuck))],
        CHATS[1]: ["other"],
    }


def test_a_row_that_is_no_send_ends_visibly_and_holds_up_nothing(
    own_gateway: Gateway, own_valkey: Valkey
) -> None:
    """G2, G11: the file was damaged while Redis was away."""
    own_valkey.kill()
    damaged = send(own_gateway, "damaged", CHATS[0])
    behind = send(own_gateway, "behind", CHATS[0])
    other = send(own_gateway, "other", CHATS[1])
    own_gateway.kill()
    with closing(sqlite3.connect(own_gateway.settings.spool_file)) as database, database:
        database.execute("UPDATE spool SET send = substr(send, 1, 9) WHERE id = ?", (damaged,))
    own_valkey.start()
    own_gateway.start()
    drained(own_gateway)
    api = own_gateway.api
    own_gateway.until(lambda: api.get(f"/api/messages/{damaged}").status_code == 200, 20)
    found = api.get(f"/api/messages/{damaged}").json()
    assert (found["status"], found["error"]) == ("cancelled", "spool_unreadable")
    for identity in (behind, other):
        assert api.get(f"/api/messages/{identity}").json()["status"] == "queued"
    own_gateway.until(lambda: asyncio.run(_reported(own_gateway, "unreadable")) == 1, 20)
    named = [line for line in own_gateway.log().splitlines() if damaged in line]
    assert any("drain_spool" in line and "spool_unreadable" in line for line in named)
    assert claimed(own_gateway) == {CHATS[0]: ["behind"], CHATS[1]: ["other"]}


async def _spoil(gateway: Gateway, key: str) -> None:
    redis = connect(gateway.settings)
    await redis.set(key, "x")
    await redis.aclose()


async def _forget(gateway: Gateway, key: str) -> None:
    redis = connect(gateway.settings)
    await redis.delete(key)
    await redis.aclose()


async def _reported(gateway: Gateway, what: str) -> int | None:
    documents = open_documents(gateway.settings)
    found = (await documents.query(HEALTH_STATUS)).items
    await documents.close()
    return next((item[what] for item in found if item["id"].startswith("spool.")), None)
