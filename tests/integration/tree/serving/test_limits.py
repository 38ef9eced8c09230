"""A connection while WhatsApp limits its account, against a real Valkey (G2, G4, G6, G11)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from actors.connection.engine import InboxMessage, SendError, SendRequest
from actors.connection.limits.account_limits import NONE, Limits, wait
from actors.connection.limits.ack_errors import SendDeferred
from actors.messages.content import text_of
from tests.waits import eventually

if TYPE_CHECKING:
    from actors.queue.outbound_queue import Record
    from actors.redis.leases.leases import Lease
    from tests.integration.tree.conftest import Served
    from tests.processes.valkey import Valkey

FRIEND, STRANGER, OTHER = "15550100002", "15550100003", "15550100004"


class Account:
    """Answers as an engine does whose account is limited; `friends` ever wrote."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.limits = NONE
        self.friends = {FRIEND}
        self.begun = set[str]()
        served.engine.answer = self.answer

    async def answer(self, message: SendRequest) -> float:
        person = message.chat.partition("@")[0]
        answers, begun = person in self.friends, person in self.begun
        if held := wait(self.limits, time.time(), answers=answers, begun=begun):
            raise SendDeferred(*held)
        return time.time()

    async def limit(self, locked: float | None, capped: float | None = None) -> None:
        ends = [None if left is None else time.time() + left for left in (locked, capped)]
        self.limits = Limits(locked_until=ends[0], capped_until=ends[1])
        await self.served.engine.events.on_limits(self.limits)

    async def writes(self, person: str) -> None:
        """A message of theirs arrives."""
        self.friends.add(person)
        await self._arrives(f"{person}@s.whatsapp.net", f"{person}@s.whatsapp.net")

    async def phone_writes(self, person: str) -> None:
        """The account's own phone writes to them."""
        self.begun.add(person)
        await self._arrives(f"{person}@s.whatsapp.net", "15550100001@s.whatsapp.net")

    async def _arrives(self, chat: str, sender: str) -> None:
        key = len(self.served.shelf.messages) + 1
        self.served.engine.inbox[key] = InboxMessage(
            key, chat, sender, f"M{key}", 1, "text", "hi", from_me=chat != sender
        )
        await self.served.engine.events.on_inbox()


async def shows(served: Served, limited_until: float | None) -> Lease:
    async def look() -> Lease | None:
        lease = await served.leases.read("shop")
        return lease if lease is not None and lease.limited_until == limited_until else None

    return await eventually(f"the lease says {limited_until}", look, 10)


async def waits_until(served: Served, record: Record, until: float | None) -> None:
    async def look() -> bool:
        found = await served.lanes.reader.get(record.id)
        return found is not None and (found.status, found.retry_at) == ("waiting", until)

    await eventually(f"it waits until {until}", look, 10)


async def test_strangers_wait_without_an_attempt_and_replies_go_on(served: Served) -> None:
    account = Account(served)
    await served.begin()
    await account.limit(3600)
    first = await served.accept("to a stranger", STRANGER)
    behind = await served.accept("behind it", STRANGER)
    waiting = await served.becomes(first, "waiting")
    assert (waiting.attempts, waiting.error) == (0, "reach_out_limited")
    assert waiting.retry_at == account.limits.locked_until
    await served.becomes(await served.accept("a reply", FRIEND), "sent")
    found = await served.lanes.reader.get(behind.id)
    assert found is not None
    assert found.status == "queued"
    lease = await shows(served, account.limits.locked_until)
    assert (lease.limit_reason, lease.state) == ("time_lock", "open")
    await account.limit(None)
    for record in (first, behind):
        assert (await served.becomes(record, "sent")).attempts == 1
    assert [text_of(each.content) for each in served.engine.sent][-2:] == [
        "to a stranger",
        "behind it",
    ]
    assert (await shows(served, None)).limit_reason is None


async def test_a_limit_that_moves_moves_what_waits(served: Served) -> None:
    account = Account(served)
    await served.begin()
    await account.limit(3600)
    record = await served.accept("to a stranger", STRANGER)
    await waits_until(served, record, account.limits.locked_until)
    await account.limit(7200)
    await waits_until(served, record, account.limits.locked_until)
    await account.limit(1.0)
    assert (await served.becomes(record, "sent")).attempts == 1


async def test_of_two_limits_each_holds_by_itself(served: Served) -> None:
    account = Account(served)
    await served.begin()
    await account.limit(3600, 7200)
    record = await served.accept("to a stranger", STRANGER)
    await waits_until(served, record, account.limits.capped_until)
    await account.limit(3600, None)
    await waits_until(served, record, account.limits.locked_until)
    found = await served.lanes.reader.get(record.id)
    assert found is not None
    assert (found.error, found.attempts) == ("reach_out_limited", 0)


async def test_who_writes_gets_the_answer_at_once(served: Served) -> None:
    """Also where that is stored only later (G11)."""
    account = Account(served)
    await served.begin()
    await account.limit(3600)
    records = [await served.accept("hello", person) for person in (STRANGER, OTHER)]
    for record in records:
        await served.becomes(record, "waiting")
    served.shelf.away = True
    await account.writes(STRANGER)
    assert (await served.becomes(records[0], "sent")).attempts == 1
    found = await served.lanes.reader.get(records[1].id)
    assert found is not None
    assert found.status == "waiting"
    assert served.shelf.messages == {}


async def test_a_chat_that_the_phone_begins_goes_on_under_a_cap(served: Served) -> None:
    """Under a time-lock it waits until the person writes."""
    account = Account(served)
    await served.begin()
    await account.limit(None, 3600)
    first = await served.accept("hello", STRANGER)
    await waits_until(served, first, account.limits.capped_until)
    await account.phone_writes(STRANGER)
    assert (await served.becomes(first, "sent")).attempts == 1
    await account.limit(3600, 3600)
    second = await served.accept("hello", STRANGER)
    await waits_until(served, second, account.limits.locked_until)
    await account.writes(STRANGER)
    assert (await served.becomes(second, "sent")).attempts == 1


async def test_each_limit_is_noted_once_it_is_announced(served: Served) -> None:
    account = Account(served)
    served.shelf.away = True
    await served.begin()
    await account.limit(3600)
    await account.limit(7200)
    await shows(served, account.limits.locked_until)
    served.shelf.away = False
    await eventually("it is noted", lambda: served.shelf.limits, 10)
    (noted,) = served.shelf.limits
    assert noted["until"] == account.limits.locked_until
    assert noted["reason"] == "time_lock"
    assert abs(noted["at"] - time.time()) < 10
    await served.engine.events.on_limits(account.limits)  # as at each login
    await account.limit(0.5)
    await eventually("its end is noted", lambda: len(served.shelf.limits) == 3, 10)
    assert [each["until"] for each in served.shelf.limits][1:] == [
        account.limits.locked_until,
        None,
    ]
    await shows(served, None)


async def test_what_is_only_guessed_is_not_shown(served: Served) -> None:
    account = Account(served)
    await served.begin()
    account.limits = Limits(None, time.time() + 3600, reported=False)
    await served.engine.events.on_limits(account.limits)
    record = await served.becomes(await served.accept("hello", STRANGER), "waiting")
    assert record.error == "new_chats_capped"
    assert (await shows(served, None)).limit_reason is None


async def test_an_engine_that_tells_no_limits_has_them_kept_all_the_same(served: Served) -> None:
    until = time.time() + 3600

    async def answer(_: SendRequest) -> float:
        raise SendDeferred("new_chats_capped", until)

    served.engine.answer = answer
    await served.begin()
    record = await served.accept("hello", STRANGER)
    await waits_until(served, record, until)


async def test_a_limit_that_is_lifted_while_redis_is_away_is_lifted_then(
    served_apart: Served, own_server: Valkey
) -> None:
    account = Account(served_apart)
    await served_apart.begin()
    await account.limit(3600)
    record = await served_apart.accept("hello", STRANGER)
    await served_apart.becomes(record, "waiting")
    own_server.kill()
    await account.limit(None)
    own_server.start()
    assert (await served_apart.becomes(record, "sent", 20)).attempts == 1


async def test_a_limit_outlives_its_owner(served: Served) -> None:
    """The next owner learns it at its login, and then it counts for waiting messages: here it was lifted."""
    account = Account(served)
    await served.begin()
    await account.limit(3600)
    record = await served.accept("hello", STRANGER)
    await served.becomes(record, "waiting")
    until = account.limits.locked_until
    await shows(served, until)
    await served.serving.stop()
    assert (await shows(served, until)).owner is None
    served.engine = type(served.engine)()
    account = Account(served)
    await served.begin()
    assert (await shows(served, until)).limit_reason == "time_lock"
    await account.limit(None)
    assert (await served.becomes(record, "sent")).attempts == 1


async def test_a_mistake_of_the_service_is_reported(served: Served) -> None:
    async def answer(_: SendRequest) -> float:
        raise SendError("malformed_stanza", permanent=True)

    served.engine.answer = answer
    await served.begin()
    await served.becomes(await served.accept(), "dead")

    async def mistaken() -> bool:
        lease = await served.leases.read("shop")
        return lease is not None and lease.mistaken_at is not None

    await eventually("the lease says when", mistaken, 10)
