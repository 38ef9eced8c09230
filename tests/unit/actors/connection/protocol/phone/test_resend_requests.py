"""The worker that asks the phone: each message once, again where no answer comes, and not for ever."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, cast

import pytest

from actors.connection.engine import NotConnected, SendError
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.identities.lid_mapping import LidMapping
from actors.connection.protocol.phone import resend_requests
from actors.connection.protocol.phone.resend_requests import (
    PAUSES,
    UNACKNOWLEDGED,
    ResendRequests,
)
from actors.connection.protocol.wire_format.nodes import parse, proto
from tests.unit.actors.connection.sessions import ALICE, Clock
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from actors.connection.protocol.session_transactions import SessionLink
    from actors.connection.session.session import Session


class Peers:
    """Notes what leaves; `error` is what becomes of it instead, `overtaken` what comes before its acknowledgement."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.error: SendError | None = None
        self.overtaken: Callable[[str], Awaitable[None]] | None = None

    async def send(self, number: str, message: bytes) -> None:
        part = parse(proto.Message, message).protocolMessage.peerDataOperationRequestMessage
        (asked,) = part.placeholderMessageResendRequest
        self.sent.append((number, asked.messageKey.id))
        if self.overtaken is not None:
            await self.overtaken(number)
        if self.error is not None:
            raise self.error


class World:
    def __init__(self, session: Session, clock: Clock) -> None:
        self.session, self.clock, self.peers = session, clock, Peers()
        self.counts: Counter[str] = Counter()
        self.worker = ResendRequests(
            session,
            LidMapping(session, Address.parse("15550100001:4@s.whatsapp.net"), None),
            cast("SessionLink", None),
            self.peers,
            counts=self.counts,
            clock=lambda: clock.now,
        )

    async def note(self, message_id: str, after: float | None = 0.0) -> None:
        stanza = {"id": message_id, "from": ALICE}
        ask_at = None if after is None else self.clock.now + after
        async with self.session.transaction():
            said = {"at": 1, "type": "undecryptable", "text": None}
            self.session.inbox.add(chat=ALICE, sender=ALICE, message_id=message_id, **said)  # type: ignore[arg-type]
            self.session.placeholders.note(ALICE, ALICE, message_id, stanza=stanza, ask_at=ask_at)

    def asked(self) -> list[str]:
        return [message_id for _, message_id in self.peers.sent]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.worker.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.fixture
def world(session: Session, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(resend_requests, "SPACING", 0.0)
    return World(session, clock)


async def again(world: World, count: int) -> None:
    """The worker looks, and has asked so often by then."""
    world.worker.look()
    await eventually("the phone was asked", lambda: len(world.peers.sent) == count, 10)

    def nothing_is_due() -> bool:
        return (world.session.placeholders.next_at() or 1e18) > world.clock.now

    await eventually("nothing is due", nothing_is_due, 10)


async def test_it_is_asked_once_and_thrice_more_where_no_answer_comes(world: World) -> None:
    await world.note("A")
    async with world.running():
        await again(world, 1)
        for count, pause in enumerate(PAUSES, 2):
            world.clock.now += pause - 1
            await again(world, count - 1)
            world.clock.now += 1
            await again(world, count)
        world.clock.now += 10 * PAUSES[-1]
        await again(world, 1 + len(PAUSES))
    assert world.asked() == ["A"] * 4
    assert len({number for number, _ in world.peers.sent}) == 4
    assert world.counts == {"phone.asked": 4}


async def test_an_answer_that_overtakes_its_acknowledgement_counts(world: World) -> None:
    """A phone that has nothing says so once: it is not asked again by itself."""

    async def has_nothing(number: str) -> None:
        async with world.session.transaction():
            world.session.placeholders.reschedule(number, None)

    world.peers.overtaken = has_nothing
    await world.note("A")
    async with world.running():
        await again(world, 1)
        world.clock.now += PAUSES[0]
        await again(world, 1)
    assert world.session.placeholders.next_at() is None
    assert world.asked() == ["A"]


@pytest.mark.parametrize("error", [NotConnected(), SendError("ack_timeout", uncertain=True)])
async def test_a_request_that_may_be_lost_is_repeated_soon(world: World, error: SendError) -> None:
    world.peers.error = error
    await world.note("A")
    async with world.running():
        await again(world, 1)
        world.peers.error = None
        world.clock.now += UNACKNOWLEDGED
        await again(world, 2)
    assert world.counts == {"phone.not_asked": 1, "phone.asked": 1}


async def test_a_message_that_came_meanwhile_is_not_asked_for(world: World) -> None:
    await world.note("A", 5)
    await world.note("B", 5)
    async with world.session.transaction():
        said = {"at": 1, "type": "text", "text": "here"}
        world.session.inbox.add(chat=ALICE, sender=ALICE, message_id="A", **said)  # type: ignore[arg-type]
    world.clock.now += 5
    async with world.running():
        await again(world, 1)
    assert world.asked() == ["B"]


async def test_a_message_that_comes_as_it_is_asked_for_is_not(world: World) -> None:
    await world.note("A")
    due = world.session.placeholders.due(world.clock.now)
    assert due is not None
    async with world.session.transaction():
        world.session.placeholders.forget(ALICE, ALICE, "A")
    await world.worker._request(due)
    assert world.asked() == []


async def test_it_is_asked_for_on_demand(world: World) -> None:
    """Also where it is not asked for by itself, and where nothing is known of its stanza."""
    await world.note("A", None)
    await world.worker.request(ALICE, ALICE, "A")
    await world.worker.request(ALICE, ALICE, "OLD")
    assert world.asked() == ["A", "OLD"]
    known = world.session.placeholders.find(ALICE, ALICE, "OLD")
    assert known is not None
    assert known.stanza == {"id": "OLD", "from": ALICE}
    async with world.session.transaction():
        said = {"at": 1, "type": "text", "text": "here"}
        world.session.inbox.add(chat=ALICE, sender=ALICE, message_id="A", **said)  # type: ignore[arg-type]
    await world.worker.request(ALICE, ALICE, "A")
    assert world.asked() == ["A", "OLD"], "its content is here"


async def test_a_request_on_demand_says_what_fails(world: World) -> None:
    world.peers.error = NotConnected()
    with pytest.raises(NotConnected):
        await world.worker.request(ALICE, ALICE, "A")
    with pytest.raises(SendError, match="unsupported_chat"):
        await world.worker.request("nobody", ALICE, "A")
