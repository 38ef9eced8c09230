"""The queue as a test works at it: texts name messages, a clock, a check that all keys agree."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from actors.queue.outbound_queue import OutboundQueue, Send
from actors.queue.records import record_of
from actors.redis import keys
from actors.redis.client import connect
from actors.redis.leases.leases import Leases, Owner
from actors.runtime.host_identity import Uptime

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from redis.asyncio import Redis

    from actors.queue.outbound_queue import ClaimedMessage, Counts, Record
    from tests.processes.valkey import Valkey

SHOP = "shop"
ANA, BEN, EVA, LEO = (f"1555010000{number}@s.whatsapp.net" for number in range(2, 6))
LID = "90000000000002@lid"
"""Ana's, where it matters."""

_LOOK = """
local found = {}
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  local kind = redis.call('TYPE', key).ok
  if kind == 'hash' then
    found[key] = {redis.call('HGETALL', key), redis.call('TTL', key)}
  elseif kind == 'zset' then
    found[key] = {redis.call('ZRANGE', key, 0, -1), redis.call('TTL', key)}
  end
end
return cjson.encode(found)
"""
"""All hashes and sorted sets in one answer: a request for each key costs more than the rest of a test."""


class Found(dict[str, tuple[list[str], int]]):
    """The hashes and sorted sets of ``shop`` at one moment, each with its seconds to live."""

    def sorted_set(self, key: str) -> list[str]:
        return self[key][0] if key in self else []

    def hash(self, key: str) -> dict[str, str]:
        flat = self[key][0] if key in self else []
        return dict(zip(flat[::2], flat[1::2], strict=True))

    def named(self, prefix: str) -> Iterator[tuple[str, str]]:
        """Each key of that prefix, and what follows it there."""
        return ((key, key.removeprefix(prefix)) for key in self if key.startswith(prefix))


@dataclass
class Desk:
    """`now` moves only where a test moves it."""

    redis: Redis
    lanes: OutboundQueue
    leases: Leases
    now: float = 1000.0
    epoch: int = 0
    ids: dict[str, str] = field(default_factory=dict)

    async def take(self, how: str | None = None) -> int:
        """By another owner; `how` the one before ended, where the root saw it."""
        if how is not None and self.epoch:
            await self.leases.mark(SHOP, self.epoch, state="reconnecting", cause=how, now=self.now)
        lease = await self.leases.take(SHOP, Owner("connection:1", 7, "node"), now=self.now)
        self.epoch = lease.epoch
        return lease.epoch

    async def counts(self) -> Counts:
        return (await self.lanes.reader.counts_many([SHOP]))[SHOP]

    async def accept(self, text: str, chat: str = ANA, **more: Any) -> Record:
        accepted = await self.lanes.accept(Send(SHOP, chat, text, **more), now=self.now)
        assert not accepted.replayed or type(self.redis).__name__ == "RepeatingRedis"
        self.ids[text] = accepted.record.id
        return accepted.record

    async def claim(
        self,
        limit: int = 10,
        *,
        sent: Sequence[str] = (),
        epoch: int | None = None,
        ahead: bool = False,
    ) -> list[ClaimedMessage]:
        """With the texts `sent` acknowledged in the same call."""
        proofs = {self.ids[text]: self.now for text in sent}
        epoch = self.epoch if epoch is None else epoch
        claim = await self.lanes.claims.claim(
            SHOP, epoch, limit, self.now, sent=proofs, ahead=ahead
        )
        return list(claim.jobs)

    async def claimed(self, limit: int = 10) -> list[str]:
        """The texts of a claim, sorted: which chat comes first is the matter of a test of its own."""
        return sorted(job.text for job in await self.claim(limit))

    async def complete(self, text: str, epoch: int | None = None) -> None:
        await self.lanes.claims.complete(
            SHOP, epoch or self.epoch, self.ids[text], at=self.now, now=self.now
        )

    async def fail(
        self,
        text: str,
        *,
        retry_in: float | None = None,
        permanent: bool = False,
        uncertain: bool = False,
        epoch: int | None = None,
        behind: Sequence[str] = (),
    ) -> str:
        return await self.lanes.claims.fail(
            SHOP,
            epoch or self.epoch,
            self.ids[text],
            code="ack_timeout",
            permanent=permanent,
            uncertain=uncertain,
            retry_at=None if retry_in is None else self.now + retry_in,
            now=self.now,
            behind=[self.ids[each] for each in behind],
        )

    async def defer(
        self,
        text: str,
        until: float,
        code: str = "reach_out_limited",
        *,
        epoch: int | None = None,
        behind: Sequence[str] = (),
    ) -> None:
        await self.lanes.claims.defer(
            SHOP,
            epoch or self.epoch,
            self.ids[text],
            code=code,
            until=until,
            now=self.now,
            behind=[self.ids[each] for each in behind],
        )

    async def lift(
        self,
        until: float,
        *codes: str,
        epoch: int | None = None,
    ) -> None:
        meant = codes or ("reach_out_limited",)
        await self.lanes.claims.lift(SHOP, epoch or self.epoch, meant, until=until, now=self.now)

    async def lift_chat(self, chat: str, *codes: str) -> None:
        meant = codes or ("reach_out_limited",)
        await self.lanes.claims.lift_chat(SHOP, self.epoch, meant, chat, now=self.now)

    async def unclaim(
        self, text: str, epoch: int | None = None, behind: Sequence[str] = ()
    ) -> None:
        ids = [self.ids[each] for each in behind]
        await self.lanes.claims.unclaim(
            SHOP, epoch or self.epoch, self.ids[text], self.now, behind=ids
        )

    async def rename(
        self,
        old: str = LID,
        new: str = ANA,
        *,
        epoch: int | None = None,
        behind: Sequence[str] = (),
    ) -> str:
        """The progress of the join."""
        put_down = [self.ids[each] for each in behind]
        renamed = await self.lanes.joins.rename(
            SHOP, epoch or self.epoch, old, new, put_down=put_down, now=self.now
        )
        return renamed.progress

    async def receipt(self, text: str, status: Any = "delivered") -> None:
        message_id = self.ids[text].partition(".")[2]
        await self.lanes.receipts(SHOP, [(message_id, status, self.now)], self.now)

    async def cancel(self, text: str) -> Record:
        return await self.lanes.cancel(self.ids[text], self.now)

    async def retry(self, text: str) -> Record:
        return await self.lanes.dead_letters.retry(self.ids[text], self.now)

    async def get(self, text: str) -> Record:
        record = await self.lanes.reader.get(self.ids[text])
        assert record is not None
        return record

    async def look(self) -> Found:
        return Found(json.loads(await self.redis.eval(_LOOK, 0, f"{keys.of(SHOP).base}:*")))

    async def resting_for_ever(self) -> set[str]:
        """Chats whose lanes are not one yet."""
        found: Any = await self.redis.zrangebyscore(keys.of(SHOP).gaps, "+inf", "+inf")
        return set(found)

    async def records(self, found: Found | None = None) -> dict[str, Record]:
        """All by their texts: as they are now, or as they were found."""
        of = keys.of(SHOP)
        found = await self.look() if found is None else found
        names = {text: id_.partition(".")[2] for text, id_ in self.ids.items()}
        return {
            text: record_of(SHOP, name, found.hash(of.message(name)))
            for text, name in names.items()
        }

    async def pass_day(self) -> None:
        """Have finished messages that are stored leave."""
        for seconds in (0.0, 86_401.0):
            await self.lanes.promote(SHOP, self.now, Uptime("a day", seconds))

    async def status(self, text: str) -> str:
        return (await self.get(text)).status

    async def drain(self, limit: int = 1) -> list[str]:
        """Claim and complete until nothing is left to claim; the texts in order of their claim."""
        texts = []
        while jobs := await self.claim(limit):
            for job in jobs:
                texts.append(job.text)
                self.ids[job.text] = job.id
                await self.complete(job.text)
        return texts

    async def check(self, found: Found | None = None) -> Counts:
        """Each message and each chat is in the places where it should be, and in no other.

        Returns what is counted, which agrees with that.
        """
        of = keys.of(SHOP)
        found = await self.look() if found is None else found
        flight = {chat: each.split()[0] for chat, each in found.hash(of.flight).items()}
        ahead = {chat: each.split()[0] for chat, each in found.hash(of.ahead).items()}
        held, opened, dead = (set(found.sorted_set(key)) for key in (of.held, of.open, of.dead))
        tickets, since = found.sorted_set(of.scheduled), found.sorted_set(of.since)
        ready, resting = found.sorted_set(of.ready), found.sorted_set(of.resting)
        scheduled = {ticket.partition(":")[2] for ticket in tickets}
        lanes = {chat: found.sorted_set(key) for key, chat in found.named(of.lane(""))}
        queued = {message_id: chat for chat, lane in lanes.items() for message_id in lane}
        assert not scheduled & set(queued)
        assert opened == scheduled | set(queued)

        held_chats = {queued[message_id] for message_id in held}
        assert len(held_chats) == len(held)
        assert set(ahead) <= set(flight)
        assert sorted([*ready, *resting, *flight, *held_chats]) == sorted(lanes)
        assert sorted(since) == sorted(lanes)
        resting_for_ever, flows, counts = await asyncio.gather(
            self.resting_for_ever(), self.lanes.reader.flows_many([SHOP]), self.counts()
        )
        joining = found.hash(of.joining)
        assert resting_for_ever == {
            chat for old, join in joining.items() for chat in (old, join.split()[0])
        }

        bytes_, changed = 0, set(found.sorted_set(of.changed))
        refused, leaving = (set(found.sorted_set(key)) for key in (of.refused, of.finished))
        assert leaving <= {message_id for _, message_id in found.named(of.message(""))}
        for key, message_id in found.named(of.message("")):
            record = found.hash(key)
            status, chat = record["status"], record["chat"]
            expired = "expired_at" in record
            assert (message_id in dead) == (status == "dead" and not expired)
            assert (message_id in opened) == (status in {"queued", "waiting", "sending"})
            assert (message_id in held | scheduled) == (status == "waiting")
            given = message_id in {flight.get(chat), ahead.get(chat)}
            assert given == (status == "sending")
            assert queued.get(message_id, chat) == chat
            finished = expired or status in {"sent", "delivered", "read", "cancelled"}
            mirrored = message_id not in changed and of.counters in found
            assert found[key][1] == -1, "no clock of Redis removes it"
            kept, leaves = message_id in refused, message_id in leaving
            assert kept == ("refused_at" in record)
            assert not (kept and leaves)
            assert finished if kept or leaves else not (finished and mirrored)
            bytes_ += int(record["bytes"])
        if of.counters in found:  # else the queue was removed, and its records are left
            assert int(found.hash(of.counters).get("bytes", 0)) == bytes_
        assert flows[SHOP].unaccounted == 0, flows[SHOP]
        assert counts.active == len(flight) + len(ahead)
        assert counts.delayed == len(held) + len(scheduled)
        assert counts.dead == len(dead)
        assert counts.waiting == len(queued) - counts.active - len(held)
        return counts


@asynccontextmanager
async def open_desk(server: Valkey) -> AsyncIterator[Desk]:
    """A desk on a server of a test's own, whose owner has the lease."""
    settings = server.settings()
    redis = connect(settings)
    lanes = OutboundQueue(redis, settings)
    desk = Desk(redis, lanes, Leases(redis))
    await desk.take()
    yield desk
    await lanes.close()
    await redis.aclose()
