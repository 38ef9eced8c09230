"""Messages accepted while Redis is away: on disk, in their order, and found by readers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from redis.asyncio import Redis

from actors.config.settings import Settings
from actors.queue.outbound_queue import Send
from actors.queue.records import derive
from actors.queue.spool.file import EXCEPTED, Spool
from actors.redis.client import RedisAway
from actors.state.sqlite.store import SqliteDocuments
from actors.state.tenants.store_floor import StoreFloor
from gateway.acceptance.send_acceptance import Acceptor
from gateway.acceptance.spool_drain import SpoolDrain
from gateway.redis_memory import RedisMemoryMonitor
from tests.processes.valkey import free_port
from tests.unlimited import at_most

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from actors.queue.outbound_queue import OutboundQueue, Record

CHAT, OTHER = "15550100002@s.whatsapp.net", "15550100003@s.whatsapp.net"
LID = "90000000000002@lid"
ROOM = RedisMemoryMonitor(Redis(port=free_port()), Settings.model_validate({}))
"""Of a Redis that is away, whose memory nobody read."""
FLOOR = StoreFloor.of(Settings.model_validate({}))
"""Of disks that nobody looked at."""


class MovedAfterTheLook:
    """A queue that does not have the message; it has been moved there when the look is over."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    async def get(self, id: str) -> Record | None:  # noqa: A002 - the field's word
        del id
        await self._spool.remove(await self._spool.oldest(1))
        return None


async def test_the_drain_hides_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", at_most(10))
    spooled, _ = await spool.put(Send("shop", CHAT, "hi"))
    lanes = cast("OutboundQueue", MovedAfterTheLook(spool))
    drain: Any = cast("SpoolDrain", None)
    found = await Acceptor(lanes, spool, drain, ROOM, FLOOR).get(spooled.record.id)
    assert found == spooled.record
    assert (await spool.depth()).count == 0
    await spool.close()


class Away:
    """A queue that does not serve, until it does; then it takes note of what it is given."""

    def __init__(self) -> None:
        self.away = True
        self.texts: list[str] = []
        self.asked_at: object = None
        self.known: dict[str, str] = {}

    async def names(self, _: str, chats: Collection[str]) -> dict[str, str]:
        if self.away:
            raise RedisAway("ConnectionError")
        return {chat: self.known.get(chat, chat) for chat in chats}

    async def accept(self, send: Send, *, now: object, **_: object) -> Any:
        self.asked_at = now
        if self.away:
            raise RedisAway("ConnectionError")
        self.texts.append(send.text)


def accepting(tmp_path: Path, lanes: Away, spool: Spool) -> tuple[Acceptor, SpoolDrain]:
    stand_in: Any = lanes
    nobody: Any = None
    drain = SpoolDrain(spool, stand_in, nobody, nobody, tmp_path / "lock", room=ROOM)
    return Acceptor(stand_in, spool, drain, ROOM, FLOOR), drain


async def test_g1_what_was_accepted_while_redis_is_away_is_in_the_spools_file(
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path / "spool.db", at_most(10))
    accept, _ = accepting(tmp_path, Away(), spool)
    accepted = await accept.accept(Send("shop", CHAT, "hi"), None)
    await spool.close()
    another = Spool(tmp_path / "spool.db", at_most(10))
    found = await another.oldest(10)
    await another.close()
    assert [each.record for each in found] == [accepted.record]


async def test_g4_what_follows_in_the_chat_waits_behind_it_and_other_chats_do_not(
    tmp_path: Path,
) -> None:
    spool, lanes = Spool(tmp_path / "spool.db", at_most(10)), Away()
    accept, drain = accepting(tmp_path, lanes, spool)
    await accept.accept(Send("shop", CHAT, "first"), None)
    lanes.away = drain.away = False
    await accept.accept(Send("shop", CHAT, "second"), None)
    await accept.accept(Send("shop", OTHER, "elsewhere"), None)
    waiting = [each.send.text for each in await spool.oldest(10)]
    await spool.close()
    assert waiting == ["first", "second"]
    assert lanes.texts == ["elsewhere"]


async def test_g3_the_spool_gives_a_keyed_send_the_id_that_redis_may_have(
    tmp_path: Path,
) -> None:
    spool, lanes = Spool(tmp_path / "spool.db", at_most(10)), Away()
    accept, _ = accepting(tmp_path, lanes, spool)
    send = Send("shop", CHAT, "hi")
    accepted = await accept.accept(send, "order 1")
    await spool.close()
    assert accepted.record.accepted_at == lanes.asked_at
    assert accepted.record.message_id == derive(send, "order 1", accepted.record.accepted_at)


async def test_g4_what_follows_under_another_address_of_the_person_waits_behind_it(
    tmp_path: Path,
) -> None:
    spool, lanes = Spool(tmp_path / "spool.db", at_most(10)), Away()
    accept, drain = accepting(tmp_path, lanes, spool)
    await accept.accept(Send("shop", LID, "first"), None)
    lanes.away = drain.away = False
    lanes.known = {LID: CHAT}
    await accept.accept(Send("shop", CHAT, "second"), None)
    await accept.accept(Send("shop", OTHER, "elsewhere"), None)
    waiting = [each.send.text for each in await spool.oldest(10)]
    await spool.close()
    assert waiting == ["first", "second"]
    assert lanes.texts == ["elsewhere"]


async def test_g4_the_drain_moves_both_addresses_of_a_person_in_one_order(tmp_path: Path) -> None:
    spool, lanes = Spool(tmp_path / "spool.db", at_most(10)), Away()
    accept, _ = accepting(tmp_path, lanes, spool)
    texts = [f"{number}" for number in range(6)]
    for text in texts:
        await accept.accept(Send("shop", CHAT if int(text) % 2 else LID, text), None)
    lanes.away, lanes.known = False, {LID: CHAT}
    documents = SqliteDocuments(tmp_path / "state.db")
    stand_in: Any = lanes
    known: Any = Known()
    drain = SpoolDrain(spool, stand_in, known, documents, tmp_path / "lock", room=ROOM)
    await drain.once()
    await spool.close()
    await documents.close()
    assert lanes.texts == texts


class Known:
    """Every connection is there."""

    fresh = False

    async def exists(self, _: str) -> bool:
        return True


async def test_g4_where_more_chats_wait_than_are_looked_at_any_send_waits_behind_them(
    tmp_path: Path,
) -> None:
    """One of them may be the person's under another address."""
    spool, lanes = Spool(tmp_path / "spool.db", at_most(2 * EXCEPTED)), Away()
    accept, drain = accepting(tmp_path, lanes, spool)
    chats = [f"{number}@lid" for number in range(EXCEPTED)]
    await asyncio.gather(*(accept.accept(Send("shop", chat, "first"), None) for chat in chats))
    lanes.away = drain.away = False
    await accept.accept(Send("shop", CHAT, "second"), None)
    last = (await spool.oldest(2 * EXCEPTED))[-1].send.text
    await spool.close()
    assert (last, lanes.texts) == ("second", [])
