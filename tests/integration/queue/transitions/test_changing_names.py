"""G2, G4: names of chats that change while others are reported to Redis, and while joins by them go on.

Redis ends with the names that the session has, each is reported once a message of the former lane has landed,
and no chat rests for ever.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any, cast

import pytest

from actors.connection.address_changes.change_reporter import ChangeReporter
from actors.connection.session.session import Session
from actors.redis import keys
from tests.integration.queue.desk import ANA, BEN, LID, SHOP, Desk
from tests.integration.queue.names import Learnt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from actors.connection.address_changes.port import NamedChats
    from actors.queue.outbound_queue import OutboundQueue

OTHER = "15550100009@s.whatsapp.net"
OTHER_LID = "90000000000003@lid"
CHATS = (LID, OTHER_LID, ANA, BEN, OTHER)


class Engine:
    """The names of a session; the state store has nothing of its chats."""

    def __init__(self, session: Session) -> None:
        self.names = session.names

    async def merge(self, chats: Sequence[tuple[str, str]]) -> None:
        pass


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[Session]:
    opened = Session.open(tmp_path / "session.db", epoch=1, clock=lambda: 1000.0)
    yield opened
    opened.close()


def telling(desk: Desk, engine: NamedChats, lanes: OutboundQueue | None = None) -> ChangeReporter:
    return ChangeReporter(
        (SHOP, desk.epoch), engine, lanes or desk.lanes, lambda _: None, lambda _: None
    )


async def test_a_join_whose_target_changes_lets_the_former_one_go(desk: Desk) -> None:
    await desk.accept("a", LID)
    await desk.claim()
    await desk.accept("b", OTHER)
    assert await desk.rename(LID, OTHER) == "busy"
    assert await desk.rename(LID, ANA) == "busy"
    await desk.complete("a")
    assert await desk.rename(LID, ANA) == "done"
    assert await desk.resting_for_ever() == set()
    assert await desk.drain() == ["b"]


@pytest.mark.parametrize("texts", [["a"], ["a", "b"]], ids=["nothing is left", "one is left"])
async def test_a_join_goes_on_under_the_name_of_today(
    desk: Desk, session: Session, texts: list[str]
) -> None:
    for text in texts:
        await desk.accept(text, LID)
    await desk.claim()
    joins = telling(desk, Engine(session))
    await joins.step({})
    async with session.transaction():
        session.learn_lid(LID, OTHER)
    await joins.step({})
    assert joins.unfinished, "the message in flight did not hold the join up"
    async with session.transaction():
        session.learn_number(OTHER, ANA)
    await joins.step({})
    await desk.complete("a")
    while joins.waits:
        await joins.step({})
    assert await desk.resting_for_ever() == set()
    assert await desk.lanes.reader.names(SHOP, [LID, OTHER]) == {LID: ANA, OTHER: ANA}
    assert await desk.drain() == texts[1:]


class LearningLanes:
    """Lanes; these names are learnt while they are renamed."""

    def __init__(self, lanes: OutboundQueue, engine: Learnt) -> None:
        self._lanes, self._engine = lanes, engine
        self.during: list[tuple[str, str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lanes.joins if hasattr(self._lanes.joins, name) else self._lanes, name)

    @property
    def joins(self) -> LearningLanes:
        return self

    async def rename(self, *arguments: Any, **named: Any) -> Any:
        answer = await self._lanes.joins.rename(*arguments, **named)
        while self.during:
            self._engine.learn(*self.during.pop())
        return answer


async def test_a_name_that_is_learnt_while_a_join_is_repeated_is_reported(desk: Desk) -> None:
    engine = Learnt()
    lanes = LearningLanes(desk.lanes, engine)
    await desk.accept("a", LID)
    await desk.claim()
    joins = telling(desk, cast("NamedChats", engine), cast("OutboundQueue", lanes))
    engine.learn(LID, ANA)
    await joins.step({})
    assert joins.unfinished
    lanes.during = [(OTHER, BEN)]
    await joins.step({})
    assert not lanes.during, "nothing was repeated"
    await desk.complete("a")
    while joins.waits:
        await joins.step({})
    assert await desk.lanes.reader.names(SHOP, [LID, OTHER]) == {LID: ANA, OTHER: BEN}


async def test_an_older_copy_of_the_session_is_reported_whole_by_the_next_owner_too(
    desk: Desk,
) -> None:
    """Redis has 8 names of a lost file; the owner of an older one learns 10, and dies before it reports them."""
    await desk.lanes.joins.note_renamed(SHOP, desk.epoch, 8)
    engine = Learnt()
    await telling(desk, cast("NamedChats", engine)).step({})
    pairs = {f"9000000000010{n}@lid": f"1555010011{n}@s.whatsapp.net" for n in range(10)}
    for old, new in pairs.items():
        engine.learn(old, new)
    await desk.take("crashed")
    joins = telling(desk, cast("NamedChats", engine))
    await joins.step({})
    while joins.waits:
        await joins.step({})
    assert await desk.lanes.reader.names(SHOP, list(pairs)) == pairs


@pytest.mark.parametrize("known", [[(LID, ANA)], []], ids=["the same session", "an older copy"])
async def test_g4_the_next_owner_finishes_a_join_before_it_claims(
    desk: Desk, known: list[tuple[str, str]]
) -> None:
    """A send to the LID, which Redis names by the number already, does not pass one that waits in the LID's lane."""
    engine = Learnt()
    engine.learn(LID, ANA)
    joins = telling(desk, cast("NamedChats", engine))
    await joins.step({})
    await desk.redis.hdel(keys.of(SHOP).aliases, LID)  # dropped, of too many
    await desk.accept("flies", ANA)
    await desk.claim()
    await desk.accept("earlier", LID)
    joins.request_names([LID])
    await joins.step({})
    assert joins.unfinished, "the message in flight did not hold the join up"
    assert (await desk.accept("later", LID)).chat == ANA
    await desk.take("crashed")
    await desk.complete("flies")
    successor = Learnt()
    for old, new in known:
        successor.learn(old, new)
    joins = telling(desk, cast("NamedChats", successor))
    while joins.waits:
        await joins.step({})
    assert await desk.claimed() == ["earlier"]
    await desk.complete("earlier")
    assert await desk.drain() == ["later"]
    assert (await desk.get("earlier")).chat == ANA


@pytest.mark.parametrize("held", [ANA, LID])
async def test_a_lane_that_a_limit_holds_waits_since_its_end_with_what_joins_it(
    desk: Desk, held: str
) -> None:
    await desk.accept("a", held)
    await desk.claim()
    await desk.defer("a", desk.now + 3600)
    await desk.accept("b", LID if held == ANA else ANA)
    assert await desk.rename() == "done"
    desk.now += 1800
    await desk.lanes.promote(SHOP, desk.now)
    since = await desk.redis.zrange(keys.of(SHOP).since, 0, -1, withscores=True)
    assert [tuple(each) for each in since] == [(ANA, desk.now + 1800)]


async def test_a_send_by_lid_does_not_reach_the_next_holder_of_its_former_number(
    desk: Desk, session: Session
) -> None:
    joins = telling(desk, Engine(session))
    await joins.step({})
    for lid in (OTHER_LID, LID):
        async with session.transaction():
            session.learn_lid(lid, ANA)
        await joins.step({})
    assert session.names.chat_today(OTHER_LID) == OTHER_LID
    assert (await desk.accept("for the former holder", OTHER_LID)).chat == OTHER_LID
    assert await desk.drain() == ["for the former holder"]


async def test_a_name_that_ends_while_another_is_not_reported_yet_ends_in_redis(
    desk: Desk, session: Session
) -> None:
    joins = telling(desk, Engine(session))
    await joins.step({})
    for pairs in ([(OTHER, ANA)], [(BEN, OTHER), (BEN, BEN)]):
        for asked, answered in pairs:
            async with session.transaction():
                session.learn_number(asked, answered)
        await joins.step({})
    assert session.names.chat_today(OTHER) == OTHER
    assert await desk.lanes.reader.names(SHOP, [OTHER]) == {OTHER: OTHER}


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_is_learnt_session_and_redis_agree(
    desk: Desk, session: Session, seed: int
) -> None:
    chance = Random(seed)
    joins = telling(desk, Engine(session))
    learnt = []
    for _ in range(10):
        async with session.transaction():
            if chance.random() < 0.5:
                number = session.names.answering(chance.choice((ANA, BEN, OTHER)))
                learnt.append((chance.choice((LID, OTHER_LID)), number))
                session.learn_lid(*learnt[-1])
            else:
                learnt.append((chance.choice((ANA, BEN, OTHER)), chance.choice((ANA, BEN, OTHER))))
                session.learn_number(*learnt[-1])
        if chance.random() < 0.5:
            await joins.step({})
        told = {each.old: each.new for each in session.names.renamings(0, 99)}
        today = {chat: session.names.chat_today(chat) for chat in CHATS}
        assert {chat: told.get(chat, chat) for chat in CHATS} == today, learnt
    while joins.waits:
        await joins.step({})
    assert await desk.lanes.reader.names(SHOP, CHATS) == today, learnt


class RandomRenames:
    """Messages and renames at random: a pair is reported until it is done, a later one of an address replaces it."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk = desk
        self.chance = Random(seed)
        self.joining: dict[str, str] = {}
        self.flying: set[str] = set()

    async def accept(self) -> None:
        await self.desk.accept(f"{len(self.desk.ids):03}", self.chance.choice(CHATS))

    async def claim(self) -> None:
        self.flying |= {job.text for job in await self.desk.claim(3)}

    async def land(self) -> None:
        if not self.flying:
            return
        text = self.chance.choice(sorted(self.flying))
        self.flying.discard(text)
        outcome = self.chance.choice(("sent", "failed", "unclaimed"))
        if outcome == "sent":
            await self.desk.complete(text)
        elif outcome == "failed":
            await self.desk.fail(text, retry_in=5)
        else:
            await self.desk.unclaim(text)

    async def learn(self) -> None:
        old, new = self.chance.sample(CHATS, 2)
        new = old if self.chance.random() < 0.2 else new
        for other in [one for one, to in self.joining.items() if to == old and one != new]:
            self.joining[other] = new  # as a session tells it
        self.joining.pop(new, None)
        self.joining[old] = new
        await self.tell()

    async def tell(self) -> None:
        for old, new in list(self.joining.items()):
            if await self.desk.rename(old, new) == "done":
                del self.joining[old]


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_is_renamed_every_message_leaves(desk: Desk, seed: int) -> None:
    world = RandomRenames(desk, seed)
    steps = (world.accept, world.accept, world.claim, world.land, world.learn, world.tell)
    for _ in range(40):
        await world.chance.choice(steps)()
        desk.now += 1
    for text in world.flying:
        await desk.complete(text)
    desk.now += 100
    await desk.lanes.promote(SHOP, desk.now)
    for _ in range(10):
        await world.tell()
    assert not world.joining
    assert await desk.resting_for_ever() == set()
    await desk.drain(10)
    counts = await desk.counts()
    assert (counts.waiting, counts.active, counts.delayed) == (0, 0, 0)
