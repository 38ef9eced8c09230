"""An account asks for its limits, keeps to them, and takes no refusal alone for one."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import pytest

from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.engine import EngineEvents, NotConnected, SendError
from actors.connection.limits.account_limits import NONE, Limits
from actors.connection.limits.ack_errors import SendDeferred, refused
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.identities.lid_mapping import LidMapping
from actors.connection.protocol.limits import limit_enforcement, limit_queries
from actors.connection.protocol.limits.limit_enforcement import LimitEnforcement
from actors.connection.protocol.request_errors import ConnectionLost, RequestFailed, RequestTimeout
from actors.connection.protocol.wire_format.nodes import Node
from actors.connection.session.session import Session
from actors.runtime.limits.account_pace import next_day
from actors.runtime.limits.durations import DAY

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from pathlib import Path

    from actors.connection.protocol.session_transactions import Requester

DEVICE, ACCOUNT = "15550100001:4@s.whatsapp.net", "15550100001@s.whatsapp.net"
FRIEND, STRANGER = "15550100002@s.whatsapp.net", "15550100003@s.whatsapp.net"
STRANGER_LID = "90000000000003@lid"
LOCKED, CAPPED = "xwa2_fetch_account_reachout_timelock", "xwa2_message_capping_info"


class Server:
    """Answers mex queries with what `says` has for their number, or raises it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.says: dict[str, Any] = {}
        self.cause: Cause | None = None

    async def request(self, node: Node) -> Node:
        number = node.children("query")[0].attrs["query_id"]
        self.asked.append(number)
        said = self.says.get(number, RequestTimeout())
        if isinstance(said, Exception):
            raise said
        return Node("iq", {"type": "result"}, (Node("result", {}, json.dumps(said).encode()),))

    def fail(self, cause: Cause) -> None:
        self.cause = cause


class World:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.server = Server()
        self.told: list[Limits] = []
        self.counts: Counter[str] = Counter()
        self.running: list[Coroutine[object, object, None]] = []
        self.new_chats = 0
        self.ahead = 0.0
        self.people = LidMapping(session, Address.parse(DEVICE), None)
        self.limits = LimitEnforcement(
            session,
            cast("Requester", self.server),
            self.people,
            EngineEvents(on_limits=self._tell, new_chats=lambda: self.new_chats),
            self.counts,
            start=lambda _, work: self.running.append(work),
            clock=self.clock,
        )

    def clock(self) -> float:
        return time.time() + self.ahead

    async def sends(self, chat: str, message_id: str) -> None:
        """Send a message, as engines do; raises `SendDeferred`."""
        try:
            self.limits.check(Address.parse(chat))
        except SendDeferred as deferred:
            await self.limits.met(deferred)
            raise
        async with self.session.transaction():
            self.session.sent.remember(chat, message_id, b"", self.clock())
            self.session.outreach.note_begun(chat, message_id)

    async def _tell(self, limits: Limits) -> None:
        self.told.append(limits)

    async def asks(self) -> None:
        """Awaits the tasks that run in the background."""
        running, self.running = self.running, []
        await asyncio.gather(*running)

    def deferred(self, chat: str) -> SendDeferred | None:
        try:
            self.limits.check(Address.parse(chat))
        except SendDeferred as deferred:
            return deferred
        return None


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with closing(Session.open(tmp_path / "own.db", 1)) as session:
        yield World(session)


def locked(until: float | None) -> dict[str, Any]:
    ends = {} if until is None else {"time_enforcement_ends": f"{int(until)}"}
    return {"data": {LOCKED: {"is_active": until is not None, **ends}}}


async def test_at_login_it_asks_and_the_answer_holds(world: World) -> None:
    async with world.session.transaction():
        world.session.outreach.note_correspondent(FRIEND)
        world.people.learn(Address.parse(STRANGER_LID), Address.parse(STRANGER))
    until = int(time.time()) + 3600
    world.server.says[limit_queries.LOCK_QUERY] = locked(until)
    await world.limits.open()
    assert world.told == [NONE]
    assert world.deferred(STRANGER) is None
    await world.asks()
    assert world.server.asked == [limit_queries.LOCK_QUERY]
    assert world.told == [NONE, Limits(float(until))]
    for chat in (STRANGER, STRANGER_LID):
        deferred = world.deferred(chat)
        assert deferred is not None
        assert (deferred.code, deferred.until) == ("reach_out_limited", until)
        assert (deferred.permanent, deferred.uncertain) == (False, False)
    assert world.deferred(FRIEND) is None
    assert world.deferred(ACCOUNT) is None
    async with world.session.transaction():
        world.session.outreach.note_correspondent(STRANGER)
    assert world.deferred(STRANGER_LID) is None


async def test_a_stored_limit_holds_from_the_first_moment(world: World) -> None:
    async with world.session.transaction():
        limit_enforcement.note(
            world.session,
            (limit_queries.AccountLock(time.time() + 60), limit_queries.Cap(time.time() + 90)),
        )
    again = World(world.session)
    assert again.deferred(STRANGER) is not None
    await again.limits.open()
    assert again.told == [world.session.outreach.limits()]
    again.server.says[limit_queries.LOCK_QUERY] = locked(None)
    await again.asks()
    assert again.server.asked == [limit_queries.LOCK_QUERY, limit_queries.CAP_QUERY]
    deferred = again.deferred(STRANGER)
    assert deferred is not None
    assert deferred.code == "new_chats_capped", "one question was answered, the other was not"
    assert again.told[-1].locked_until is None
    assert again.counts == {"limits.unanswered": 1}


async def test_a_refusal_alone_limits_nothing_and_is_asked_about_once(world: World) -> None:
    world.server.says[limit_queries.LOCK_QUERY] = locked(None)
    for _ in range(3):
        await world.limits.met(refused(463, time.time()))
    await world.asks()
    assert world.server.asked == [limit_queries.LOCK_QUERY]
    assert world.deferred(STRANGER) is None
    for number in (479, 500, 403):
        await world.limits.met(refused(number, time.time()))
    await world.limits.met(SendDeferred("reach_out_limited", time.time() + 60))  # its own word
    assert world.running == []


async def test_the_cap_rests_new_chats_until_its_end_is_announced(world: World) -> None:
    error = refused(475, time.time())
    assert isinstance(error, SendDeferred)
    await world.limits.met(error)
    assert world.told == [Limits(None, error.until, reported=False)]
    assert 3590 < error.until - time.time() <= 3600
    until = int(time.time()) + 7200
    told = {"capping_status": "CAPPED", "cycle_end_timestamp": f"{until}"}
    world.server.says[limit_queries.CAP_QUERY] = {"data": {CAPPED: told}}
    await world.limits.met(error)
    await world.asks()
    assert world.server.asked == [limit_queries.CAP_QUERY]
    assert world.told[-1] == Limits(None, float(until))
    deferred = world.deferred(STRANGER)
    assert deferred is not None
    assert deferred.until == until
    await world.limits.met(deferred)
    assert world.told[-1] == Limits(None, float(until)), "no guess replaces an announced end"


@pytest.mark.parametrize(
    "said",
    [RequestFailed(404), RequestTimeout(), {"errors": [{"message": "no"}]}, [], {"data": {}}],
)
async def test_a_question_without_an_answer_changes_nothing(world: World, said: Any) -> None:
    """The numbers of queries change with WhatsApp's releases."""
    until = time.time() + 60
    async with world.session.transaction():
        world.session.outreach.note_lock(until)
    world.server.says[limit_queries.LOCK_QUERY] = said
    again = World(world.session)
    again.server = world.server
    again.limits._socket = cast("Requester", world.server)
    await again.limits.open()
    await again.asks()
    assert again.told[-1] == Limits(until)
    assert again.server.cause is None


async def test_a_session_that_takes_nothing_is_no_attempt(world: World) -> None:
    """G6: the present owner of the session deals with the message."""
    Session.open(world.session.path, 2).close()
    with pytest.raises(NotConnected):
        await world.limits.met(refused(475, time.time()))
    assert world.server.cause == Cause(Kind.REPLACED, "stale_epoch")
    world.server.says[limit_queries.LOCK_QUERY] = locked(time.time() + 60)
    world.limits.query_limit(limit_queries.lock_query())
    with pytest.raises(ConnectionLost):
        await world.asks()
    assert world.told == []


def test_an_error_of_another_kind_is_no_limit() -> None:
    assert not isinstance(refused(500, 0.0), SendDeferred)
    assert isinstance(refused(475, 0.0), SendError)


async def test_no_more_chats_are_begun_on_a_day_than_the_owner_allows(world: World) -> None:
    """Chats that were begun go on, and so do answers; the next day has as many again."""
    world.ahead = DAY - time.time() % DAY  # not around midnight
    world.new_chats = 2
    async with world.session.transaction():
        world.session.outreach.note_correspondent(FRIEND)
    await world.sends(people(1), "A1")
    await world.sends(people(2), "B1")
    midnight = next_day(world.clock())
    for number in (3, 4):
        with pytest.raises(SendDeferred) as deferred:
            await world.sends(people(number), f"C{number}")
        assert (deferred.value.code, deferred.value.until) == ("new_chats_paced", midnight)
    assert world.told == [Limits(paced_until=midnight)], "once"
    await world.sends(people(1), "A2")
    await world.sends(FRIEND, "D1")
    assert world.deferred(ACCOUNT) is None
    world.ahead += DAY
    await world.sends(people(3), "C3")
    await world.sends(people(4), "C4")
    with pytest.raises(SendDeferred):
        await world.sends(people(5), "E1")
    assert world.told[1:] == [Limits(paced_until=midnight + DAY)]


async def test_chats_of_a_day_to_come_are_none_of_today(world: World) -> None:
    """The clock was a month ahead for a while: no new chat would be begun for that month."""
    world.new_chats = 1
    world.ahead = 30 * DAY
    await world.sends(people(1), "A1")
    assert world.deferred(people(2)) is not None
    world.ahead = DAY - time.time() % DAY
    await world.sends(people(2), "B1")
    assert world.deferred(people(3)) is not None


async def test_a_person_who_answers_on_the_day_leaves_the_place_to_another(world: World) -> None:
    world.ahead = DAY - time.time() % DAY
    world.new_chats = 1
    await world.sends(people(1), "A1")
    assert world.deferred(people(2)) is not None
    async with world.session.transaction():
        world.session.outreach.note_correspondent(people(1))
    await world.sends(people(2), "B1")


async def test_the_owner_may_allow_more_at_any_time_and_learns_at_the_login(world: World) -> None:
    world.ahead = DAY - time.time() % DAY
    world.new_chats = 1
    await world.sends(people(1), "A1")
    await world.limits.report()
    assert world.told == [Limits(paced_until=next_day(world.clock()))]
    world.new_chats = 0
    assert world.deferred(people(2)) is None
    await world.limits.report()
    assert world.told[1:] == [NONE]


async def test_what_the_phone_began_is_none_of_this_devices_chats(world: World) -> None:
    world.new_chats = 1
    async with world.session.transaction():
        world.session.outreach.note_begun(people(1), "A1")
    assert world.deferred(people(2)) is None


def people(number: int) -> str:
    return f"1555010008{number}@s.whatsapp.net"
