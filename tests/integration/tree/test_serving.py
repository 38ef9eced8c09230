"""The loops of one served connection, against a real Valkey (G2, G3, G4, G5, G6, G11)."""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from actors.connection.causes import Kind
from actors.connection.draining import BATCH
from actors.connection.ending import LEASE_GONE
from actors.connection.engine import (
    InboxMessage,
    InboxReceipt,
    NotConnected,
    Outgoing,
    Qr,
    SendError,
)
from actors.connection.serving import LEASE_EXPIRED
from actors.connection.session_file import SessionUnavailable
from actors.content import text_of
from actors.redis.lease import Owner
from tests.integration.tree.conftest import PACE, eventually
from tests.integration.tree.scripted import ACCOUNT, ScriptedEngine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.integration.tree.conftest import Served
    from tests.valkey import Valkey

OTHER = Owner("connection:b", 2, "here")


def incoming(key: int, text: str = "hello") -> InboxMessage:
    chat = "15550100002@s.whatsapp.net"
    return InboxMessage(key, chat, chat, f"3EB0{key:018X}", 1_700_000_000, "text", text)


# sending


async def test_what_is_accepted_is_sent_under_its_own_id(served: Served) -> None:
    """G2, G3."""
    early = await served.accept("early")
    await served.begin()
    late = await served.accept("late")
    for record in (early, late):
        done = await served.becomes(record, "sent")
        assert done.attempts == 1
    assert [message.message_id for message in served.engine.sent] == [
        early.message_id,
        late.message_id,
    ]


async def test_many_chats_at_once_and_each_in_order(served: Served) -> None:
    """G4: concurrency over chats, never within one."""
    served.engine.opens = False
    await served.begin(concurrency=4)
    records = [
        await served.accept(f"{number:02}", f"155501000{chat:02}")
        for number in range(6)
        for chat in range(10, 18)
    ]
    served.engine.opens = True
    await served.engine.events.on_open()
    for record in records:
        await served.becomes(record, "sent")
    assert 1 < served.engine.most_in_flight <= 4
    for chat in {message.chat for message in served.engine.sent}:
        texts = [
            text_of(message.content) or "" for message in served.engine.sent if message.chat == chat
        ]
        assert all(early < late for early, late in pairwise(texts))


async def test_a_closed_socket_claims_nothing(served: Served) -> None:
    served.engine.opens = False
    await served.begin()
    record = await served.accept()
    await asyncio.sleep(0.3)
    found = await served.lanes.get(record.id)
    assert found is not None
    assert (found.status, found.attempts) == ("queued", 0)
    assert served.engine.asked == 0
    served.engine.opens = True
    await served.engine.events.on_open()
    await served.becomes(record, "sent")


async def test_no_attempt_is_counted_when_the_socket_was_closed_after_all(served: Served) -> None:
    refusals = 0

    async def answer(message: Outgoing) -> float:
        nonlocal refusals
        refusals += 1
        if refusals < 3:
            raise NotConnected
        return time.time()

    served.engine.answer = answer
    await served.begin()
    done = await served.becomes(await served.accept(), "sent")
    assert refusals == 3
    assert done.attempts == 1
    assert not done.uncertain


async def test_a_passing_failure_waits_and_a_permanent_one_is_dead(served: Served) -> None:
    async def answer(message: Outgoing) -> float:
        raise SendError("refused", permanent=text_of(message.content) == "never", uncertain=False)

    served.engine.answer = answer
    await served.begin()
    later = await served.becomes(await served.accept("later", "15550100003"), "waiting")
    never = await served.becomes(await served.accept("never", "15550100004"), "dead")
    assert (later.error, never.error) == ("refused", "refused")


async def test_an_engine_that_breaks_loses_nothing(served: Served) -> None:
    """G2: what left is not known, so it is tried again, and said to be uncertain."""

    async def answer(message: Outgoing) -> float:
        if len(served.engine.sent) == 1:
            raise RuntimeError("a bug")
        return time.time()

    served.engine.answer = answer
    served.retry_in = 0.05
    await served.begin()
    record = await served.becomes(await served.accept(), "sent")
    assert [message.message_id for message in served.engine.sent] == [record.message_id] * 2


async def test_an_outcome_is_told_once_redis_is_back(
    served_apart: Served, own_server: Valkey
) -> None:
    """G11: sent while Redis dies; nothing is sent twice, and the rest follows within seconds."""
    served = served_apart
    gate = asyncio.Event()

    async def answer(message: Outgoing) -> float:
        await gate.wait()
        return time.time()

    served.engine.answer = answer
    await served.begin()
    record, behind = await served.accept("one"), await served.accept("two")
    await served.becomes(record, "sending")
    own_server.kill()
    gate.set()
    await asyncio.sleep(0.5)
    assert served.serving.in_flight == 1
    own_server.start()
    back = time.monotonic()
    await served.becomes(record, "sent")
    await served.becomes(behind, "sent")
    assert time.monotonic() - back < 5
    assert [text_of(message.content) for message in served.engine.sent] == ["one", "two"]


# the lease


async def test_a_wait_that_redis_breaks_off_does_not_end_the_sending(served: Served) -> None:
    """G2: a failover answers whoever blocks with an error."""
    await served.begin()
    await served.becomes(await served.accept("before"), "sent")
    blocked = [
        client["id"]
        for client in await served.redis.client_list()
        if client["cmd"].lower() == "blpop"
    ]
    assert blocked
    for client in blocked:
        await served.redis.client_unblock(int(client), error=True)
    await served.becomes(await served.accept("after"), "sent")


async def test_a_newer_epoch_ends_it(served: Served) -> None:
    """G6: it closes its socket, completes nothing, and its successor has what was in flight."""
    gate = asyncio.Event()

    async def answer(message: Outgoing) -> float:
        await gate.wait()
        return time.time()

    served.engine.answer = answer
    serving = await served.begin()
    record = await served.becomes(await served.accept(), "sending")
    newer = await served.leases.take("shop", OTHER)
    ending = await asyncio.wait_for(serving.ended(), 5)
    assert ending.reason == "lost"
    assert served.engine.closed
    lease = await served.leases.read("shop")
    assert lease is not None
    assert (lease.epoch, lease.owner, lease.state) == (newer.epoch, OTHER, "connecting")
    found = await served.lanes.get(record.id)
    assert found is not None
    assert found.status == "queued"


LEASED = replace(PACE, lease=0.6)


async def test_where_others_may_serve_the_socket_closes_when_the_lease_runs_out(
    served_apart: Served, own_server: Valkey
) -> None:
    """G6: and is opened again, under the same epoch, once a renewal says that nobody came."""
    served = served_apart
    await served.begin(pace=LEASED)
    epoch = (await served.state("open")).epoch
    renewed = asyncio.get_running_loop().time()
    await asyncio.sleep(1.5)
    assert len(served.engine.runs) == 1, "what is renewed does not run out"
    own_server.signal(signal.SIGSTOP)  # stands still: no renewal is answered, and none is refused

    async def lapsed() -> bool:
        return served.serving.now.cause == LEASE_EXPIRED

    await eventually(lapsed, "the lease ran out")
    assert asyncio.get_running_loop().time() - renewed >= 1.5
    assert served.engine.cancelled == 1
    runs = len(served.engine.runs)
    await asyncio.sleep(1.0)
    assert len(served.engine.runs) == runs, "it opened another socket without a lease"
    own_server.signal(signal.SIGCONT)
    lease = await served.state("open")
    assert lease.epoch == epoch
    assert len(served.engine.runs) == runs + 1
    await served.becomes(await served.accept("after"), "sent")


async def test_on_one_host_a_redis_that_is_away_closes_nothing(
    served_apart: Served, own_server: Valkey
) -> None:
    served = served_apart
    await served.begin()
    await served.state("open")
    own_server.kill()
    await asyncio.sleep(2.0)
    assert (len(served.engine.runs), served.engine.cancelled) == (1, 0)
    assert served.serving.now.state == "open"


async def test_an_emptied_redis_ends_it(served: Served) -> None:
    serving = await served.begin()
    await served.state("open")
    await served.leases.forget("shop")
    # The next beat finds none at all; a claim or a report that comes first is refused as another's.
    assert (await asyncio.wait_for(serving.ended(), 5)).reason in LEASE_GONE


# the socket


async def test_states_are_reported_to_both(served: Served) -> None:
    served.engine.opens = False
    served.engine.account = None
    await served.begin()
    await served.engine.events.on_qr(Qr("2@abc", time.time() + 20))
    await served.state("pairing")
    assert (await served.leases.qr("shop") or ("", 0))[0] == "2@abc"
    served.engine.account = "15550100001@s.whatsapp.net"
    await served.engine.events.on_paired(served.engine.account)
    served.engine.opens = True
    served.engine.close_socket(Kind.RESTART_REQUIRED)
    lease = await served.state("open")
    assert lease.account == served.engine.account
    assert await served.leases.qr("shop") is None
    served.engine.opens = False
    served.engine.close_socket(Kind.KEEPALIVE)
    assert (await served.state("reconnecting")).cause == "keepalive"

    async def seen() -> bool:
        return [each["state"] for each in served.shelf.observed][-2:] == ["open", "reconnecting"]

    await eventually(seen, "the state manager knows")
    assert {each["epoch"] for each in served.shelf.observed} == {served.lease.epoch}


async def test_restart_required_reconnects_at_once_and_network_backs_off(served: Served) -> None:
    await served.begin()
    for kind in (Kind.RESTART_REQUIRED, Kind.NETWORK, Kind.NETWORK):
        await served.state("open")
        runs = len(served.engine.runs)
        served.engine.close_socket(kind)

        async def again(runs: int = runs) -> bool:
            return len(served.engine.runs) > runs

        await eventually(again, "another run")
    at_once, first, second = (late - early for early, late in pairwise(served.engine.runs))
    assert at_once < 0.05
    assert first > 0.05
    assert second > 0.1


async def test_a_temporary_ban_is_waited_out(served: Served) -> None:
    await served.begin()
    await served.state("open")
    served.engine.close_socket(Kind.TEMPORARILY_BANNED, until=time.time() + 0.5)
    banned = await served.state("reconnecting")
    assert banned.cause == "temporarily_banned"
    assert banned.retry_at == banned.obstacle.until if banned.obstacle else None
    opened = await served.state("open")
    assert (opened.retry_at, opened.obstacle) == (None, None)
    first, second = served.engine.runs
    assert second - first >= 0.5


async def test_a_temporary_ban_outlives_its_owner(served: Served) -> None:
    """No successor tries to log in before its end, and no message counts an attempt."""
    await served.begin()
    await served.state("open")
    until = time.time() + 1.5
    served.engine.close_socket(Kind.TEMPORARILY_BANNED, until=until)
    await served.state("reconnecting")
    record = await served.accept()
    old = served.serving
    served.engine = ScriptedEngine()
    await served.begin()  # as after a crash: the old owner released nothing
    assert (await served.state("reconnecting")).retry_at == until
    await served.becomes(record, "sent")
    [run] = served.engine.runs
    assert run - time.monotonic() + time.time() >= until
    assert (await served.becomes(record, "sent")).attempts == 1
    assert (await old.ended()).reason == "lost"


async def test_it_says_when_it_tries_again(served: Served) -> None:
    served.engine.opens = False
    await served.begin()
    served.engine.close_socket(Kind.NETWORK)
    lease = await served.state("reconnecting")
    assert lease.retry_at is not None
    assert lease.since < lease.retry_at < time.time() + 1


async def test_unlinked_it_asks_for_a_new_qr_and_keeps_what_waits(served: Served) -> None:
    """G2: what was accepted goes out once the same account is linked again."""
    serving = await served.begin()
    await served.state("open")
    served.engine.close_socket(Kind.LOGGED_OUT)
    lease = await served.state("pairing")
    assert (lease.cause, lease.epoch) == ("logged_out", served.lease.epoch)
    assert await served.leases.qr("shop")
    record = await served.accept()
    await asyncio.sleep(0.3)
    assert (await served.becomes(record, "queued")).attempts == 0
    # A crash meanwhile does not make it forget why it shows a QR.
    engine, served.engine = served.engine, ScriptedEngine()
    served.engine.account = None
    serving = await served.begin()
    assert (await served.state("pairing")).cause == "logged_out"
    await served.engine.scan(ACCOUNT)
    await served.becomes(record, "sent")
    assert (await served.state("open")).obstacle is None
    assert not engine.sent
    assert serving.now.cause is None


async def test_the_phone_of_another_number_is_turned_away(served: Served) -> None:
    """Nothing goes out from an account for which it was not accepted."""
    await served.begin()
    await served.state("open")
    served.engine.close_socket(Kind.LOGGED_OUT)
    await served.state("pairing")
    record = await served.accept()
    runs = len(served.engine.runs)
    await served.engine.scan("15550100099@s.whatsapp.net")

    async def turned_away() -> bool:
        return served.engine.logged_out and len(served.engine.runs) >= runs + 2

    await eventually(turned_away, "the other number is unlinked")
    lease = await served.state("pairing")
    assert (lease.cause, lease.account) == ("other_account", ACCOUNT)
    assert (await served.becomes(record, "queued")).attempts == 0
    assert not served.engine.sent
    await served.engine.scan(ACCOUNT)
    await served.becomes(record, "sent")


@pytest.mark.parametrize(
    ("kind", "reason", "state", "cause"),
    [
        (Kind.REPLACED, "failed", "failed", "replaced"),
        (Kind.BANNED, "failed", "failed", "banned"),
        (Kind.OUTDATED, "failed", "failed", "outdated"),
        (Kind.BAD_SESSION, "failed", "failed", "bad_session"),
    ],
)
async def test_a_cause_that_ends_it(
    served: Served, kind: Kind, reason: str, state: str, cause: str
) -> None:
    """G6: above all, `replaced` never reconnects under the same lease."""
    serving = await served.begin()
    await served.state("open")
    served.engine.close_socket(kind)
    ending = await asyncio.wait_for(serving.ended(), 5)
    assert ending.reason == reason
    assert len(served.engine.runs) == 1
    assert served.engine.closed
    lease = await served.leases.read("shop")
    assert lease is not None
    assert (lease.state, lease.cause, lease.owner) == (state, cause, None)


# the inbox


async def test_an_item_is_settled_when_it_is_stored_elsewhere(served: Served) -> None:
    """G5, G11: while the state manager is away all stays in the session."""
    served.shelf.away = True
    served.engine.inbox = {key: incoming(key) for key in range(3)}
    await served.begin()
    asked = served.shelf.asked
    served.engine.inbox[3] = incoming(3)
    await served.engine.events.on_inbox()
    await asyncio.sleep(0.3)
    assert served.shelf.asked > asked
    assert len(served.engine.inbox) == 4
    served.shelf.away = False

    async def empty() -> bool:
        return not served.engine.inbox

    await eventually(empty, "the inbox is empty", 3)
    assert len(served.shelf.messages) == 4


async def test_an_owner_whom_the_state_manager_refuses_has_lost(served: Served) -> None:
    """G6: a newer epoch wrote; what is in the session is left to it."""
    served.shelf.epoch = 99
    served.engine.inbox = {1: incoming(1)}
    await served.begin()
    async with asyncio.timeout(5):
        assert (await served.serving.ended()).reason == "lost"
    assert list(served.engine.inbox) == [1]
    assert served.shelf.messages == {}


async def test_receipts_do_not_wait_for_the_state_manager(served: Served) -> None:
    await served.begin()
    record = await served.becomes(await served.accept(), "sent")
    served.shelf.away = True
    served.engine.inbox = {
        1: incoming(1),
        2: InboxReceipt(2, record.chat, (record.message_id,), "read", int(time.time())),
    }
    await served.engine.events.on_inbox()
    await served.becomes(record, "read")

    async def settled() -> bool:
        return list(served.engine.inbox) == [1]

    await eventually(settled, "the receipt is settled, the message is not")


async def test_receipts_go_on_through_a_long_outage_of_the_state_manager(served: Served) -> None:
    """G3: more messages wait than one step takes, and each receipt is noted all the same."""
    await served.begin()
    records = [await served.accept(f"{number}") for number in range(4)]
    for record in records:
        await served.becomes(record, "sent")
    served.shelf.away = True
    served.engine.inbox = {key: incoming(key) for key in range(BATCH + 50)}
    for number, record in enumerate(records):
        asked = served.shelf.asked
        key = 1000 + number
        served.engine.inbox[key] = InboxReceipt(
            key, record.chat, (record.message_id,), "delivered", int(time.time())
        )
        await served.engine.events.on_inbox()
        await served.becomes(record, "delivered")

        async def again(asked: int = asked) -> bool:
            return served.shelf.asked > asked + 1

        await eventually(again, "the state manager is asked again, in vain")
    assert len(served.engine.inbox) == BATCH + 50
    served.shelf.away = False

    async def stored() -> bool:
        return len(served.shelf.messages) == BATCH + 50 and not served.engine.inbox

    await eventually(stored, "all is stored")


async def test_a_session_that_cannot_be_written_is_tried_again(served: Served) -> None:
    """G5: a full disk settles nothing and ends nothing; what is stored twice is there once."""
    settle, refusals = served.engine.settle, 0

    async def full(keys: Sequence[int]) -> None:
        nonlocal refusals
        refusals += 1
        if refusals < 4:
            raise SessionUnavailable("SQLITE_FULL")
        await settle(keys)

    served.engine.settle = full  # type: ignore[method-assign]
    record = await served.accept()
    served.engine.inbox = {
        1: incoming(1),
        2: InboxReceipt(2, record.chat, (record.message_id,), "read", int(time.time())),
    }
    serving = await served.begin()

    async def settled() -> bool:
        return not served.engine.inbox

    await eventually(settled, "the inbox is empty")
    assert refusals > 4
    assert len(served.shelf.messages) == 1
    await served.becomes(record, "read")
    assert serving.now.state == "open"


# the end


async def test_stop_lets_what_is_in_flight_arrive(served: Served) -> None:
    async def answer(message: Outgoing) -> float:
        await asyncio.sleep(0.3)
        return time.time()

    served.engine.answer = answer
    serving = await served.begin()
    record = await served.becomes(await served.accept(), "sending")
    await serving.stop()
    behind = await served.accept("behind")
    assert (await served.becomes(record, "sent")).attempts == 1
    assert (await served.becomes(behind, "queued")).attempts == 0
    lease = await served.leases.read("shop")
    assert lease is not None
    assert (lease.state, lease.owner) == ("stopped", None)
    assert served.engine.closed
    assert served.shelf.observed[-1]["state"] == "stopped"


async def test_stop_is_bounded_and_gives_back_what_is_stuck(served: Served) -> None:
    """G2, G3: bytes may have left, so it is queued again as uncertain."""

    async def answer(message: Outgoing) -> float:
        await asyncio.sleep(60)
        return time.time()

    served.engine.answer = answer
    serving = await served.begin()
    record = await served.becomes(await served.accept(), "sending")
    began = time.monotonic()
    await asyncio.gather(serving.stop(), serving.stop())
    assert time.monotonic() - began < 4
    found = await served.becomes(record, "queued")
    assert found.uncertain


async def test_stop_is_bounded_without_redis(served_apart: Served, own_server: Valkey) -> None:
    serving = await served_apart.begin()
    await served_apart.state("open")
    own_server.kill()
    began = time.monotonic()
    await serving.stop()
    assert time.monotonic() - began < 5
    own_server.start()


async def test_logout_unlinks_and_says_so(served: Served) -> None:
    serving = await served.begin()
    await served.state("open")
    ending = await serving.logout()
    assert ending.reason == "logged_out"
    assert served.engine.logged_out
    lease = await served.leases.read("shop")
    assert lease is not None
    assert (lease.state, lease.cause, lease.owner) == ("logged_out", "asked", None)


async def test_a_loop_that_breaks_ends_it_visibly(served: Served) -> None:
    async def pending(kind: str, limit: int) -> list[InboxMessage]:
        raise RuntimeError("a bug")

    served.engine.pending = pending  # type: ignore[method-assign]
    serving = await served.begin()
    ending = await asyncio.wait_for(serving.ended(), 5)
    assert (ending.reason, ending.cause) == ("broke", "RuntimeError")
    lease = await served.leases.read("shop")
    assert lease is not None
    assert (lease.state, lease.owner) == ("reconnecting", None)
