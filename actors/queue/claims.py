"""Claims messages of the Redis queue for a connection's owner, and reports what became of each: sent, failed, put back.

An outcome is about one attempt: a late repetition of what was said of an older one changes nothing.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from actors.queue.pacing import Pacing
from actors.queue.records import Claim, job_of, own_id
from actors.queue.transitions import clock
from actors.redis import keys
from actors.redis.client import RedisAway, connect, reach
from actors.redis.leases.leases import LeaseLost
from actors.runtime.limits import account_pace

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from redis.asyncio import Redis

    from actors.config.settings import Settings
    from actors.queue.transitions import Transitions
    from actors.runtime.limits.account_pace import AccountPace

MESSAGES_PER_SCRIPT = 100
"""Messages that one script looks at."""
CLAIM_REPLY_SECONDS = 5.0
"""Seconds beyond its time that a blocked wait may take before the server counts as away."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A transition to report to Redis again, with the time and the arguments of the first report."""

    transition: str
    now: float
    attempt: int | str
    args: tuple[object, ...]


@dataclass(slots=True)
class ClaimedMessages:
    """The claims of one epoch of one connection.

    `tries` maps a message id to the attempt that was handed out. Redis hands out again what is in
    flight and not listed here: the answer of that claim was lost. `turn` keeps two claims of one
    connection from taking each other's jobs for lost ones.
    """

    epoch: int
    tries: dict[str, int] = field(default_factory=dict)
    owed: dict[str, Outcome] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def attempt(self, message_id: str) -> int | str:
        """Return the attempt that an outcome belongs to; "" (the one in flight) if not handed out here."""
        return self.tries.get(message_id, "")

    def releasing(self, message_ids: Sequence[str]) -> Callable[[], None]:
        """Return a function that releases the attempts claimed now for these messages, and none that come later."""
        held = {name: self.tries[name] for name in message_ids if name in self.tries}

        def release() -> None:
            for name, attempt in held.items():
                if self.tries.get(name) == attempt:
                    del self.tries[name]

        return release

    def proofs(self, sent: Mapping[str, float], now: float) -> dict[str, Outcome]:
        """Proofs that WhatsApp acknowledged messages: their ids and its times."""
        found = {}
        for message_id, at in sent.items():
            attempt = self.attempt(message_id)
            args = (self.epoch, message_id, attempt, repr(at))
            found[message_id] = Outcome("complete", now, attempt, args)
        return found

    @contextmanager
    def reporting(self, outcomes: Mapping[str, Outcome]) -> Iterator[None]:
        """Report outcomes to Redis inside: afterwards it has them, or they are owed.

        A newer attempt of a message that is claimed stays.
        """
        try:
            yield
        except (RedisAway, asyncio.CancelledError):
            self.owed.update(outcomes)
            raise
        for message_id, outcome in outcomes.items():
            self.owed.pop(message_id, None)
            if self.tries.get(message_id) == outcome.attempt:
                del self.tries[message_id]


class Claims:
    """Claims and outcomes of attempts, of one connection after the other. Raises `RedisAway`.

    It remembers what it handed out, so that a claim whose answer was lost is handed out again by the next. So one
    `OutboundQueue` claims for a connection, and each job ends in `complete`, `fail` or `unclaim`; an outcome that raised
    `RedisAway` is reported again before the next claim, whether the caller repeats it or not.
    """

    def __init__(self, transitions: Transitions, settings: Settings) -> None:
        self._transitions = transitions
        self._redis = transitions.redis
        self._settings = settings
        self._pacing = Pacing.of(settings)
        self._blocking: Redis | None = None
        self._claimed: dict[str, ClaimedMessages] = {}

    async def claim(
        self,
        connection: str,
        epoch: int,
        limit: int,
        now: float | None = None,
        *,
        sent: Mapping[str, float] | None = None,
        ahead: bool = False,
        linked_at: float | None = None,
    ) -> Claim:
        """Take up to `limit` messages of as many chats, `QUEUE_CONCURRENCY` in flight at most.

        With `ahead` one more of each chat that has one in flight, where no other chat waits for
        its turn and nothing is paced. It may leave once WhatsApp acknowledged the one before it.
        It goes back by itself where that one has to be tried again or is unclaimed.

        `sent` are ids and times that WhatsApp acknowledged: they are `complete` before the claim,
        in the same call. Messages that become claimable by it beyond `limit` wake no other claim.

        Raises `LeaseLost`, and the proofs in `sent` count all the same. Messages that are due are readied
        first; if `next_due` is not after `now`, more is due than one script readies: claim again.
        A message that the pacing forbids stays in its lane; an account that was linked at `linked_at` may be
        paced for that.
        """
        now = clock(now)
        claimed = self._hold(connection, epoch)
        async with claimed.turn:
            for message_id, owed in list(claimed.owed.items()):
                if claimed.owed.get(message_id) is owed:
                    await self._report(connection, claimed, message_id, owed)
            pacing = self._pacing
            if linked_at is not None:
                pacing = Pacing.of(self._settings, self.pace(linked_at, now))
            rests = pacing.rests(min(limit, self._settings.queue_concurrency), random.random)
            proofs = claimed.proofs(own_ids(connection, sent or {}), now)
            with claimed.reporting(proofs):
                outcome, *answer = await self._transitions.run(
                    connection,
                    "turn",
                    now,
                    len(proofs),
                    *(part for name, proof in proofs.items() for part in (name, proof.args[-1])),
                    epoch,
                    limit,
                    int(ahead and not pacing),
                    self._settings.queue_concurrency,
                    pacing.interval,
                    pacing.longest,
                    pacing.per_day,
                    len(rests),
                    *rests,
                    *claimed.tries,
                )
            if outcome == "lost":
                self._drop(connection, claimed)
                raise LeaseLost(connection)
            if outcome == "unnamed":
                return Claim((), now, tuple(answer[0]))
            due, rows = answer
            for row in rows:
                claimed.tries[row[0]] = int(row[8])
        return Claim(tuple(job_of(connection, row) for row in rows), float(due) if due else None)

    def pace(self, linked_at: float | None, now: float | None = None) -> AccountPace:
        """The limits of an account that was linked then; None is an account that is not new."""
        return account_pace.pace(self._settings, linked_at, clock(now))

    async def wait(self, connection: str, timeout: float) -> None:  # noqa: ASYNC109
        """Return when something may have become claimable, or after `timeout` seconds.

        Nothing that was queued after the last claim is missed. One waits for a connection.
        """
        if self._blocking is None:
            self._blocking = connect(self._settings, blocking=True)
        async with reach(deadline=timeout + CLAIM_REPLY_SECONDS):
            # 0 would block for ever.
            await self._blocking.blpop([keys.of(connection).wake], timeout=max(timeout, 0.01))

    async def complete(
        self,
        connection: str,
        epoch: int,
        id: str,  # noqa: A002 - the field's word
        *,
        at: float,
        now: float | None = None,
    ) -> None:
        """WhatsApp acknowledged the message `at`: it is sent, in whatever state it is (G3).

        Raises `LeaseLost` from an old epoch, and the proof counts all the same.
        """
        claimed = self._held(connection, epoch)
        for message_id, proof in claimed.proofs(own_ids(connection, {id: at}), clock(now)).items():
            await self._report(connection, claimed, message_id, proof)

    async def fail(
        self,
        connection: str,
        epoch: int,
        id: str,  # noqa: A002 - the field's word
        *,
        code: str,
        permanent: bool,
        uncertain: bool,
        retry_at: float | None,
        now: float | None = None,
        behind: Sequence[str] = (),
    ) -> Literal["waiting", "dead", "sent"]:
        """The attempt failed: retry at `retry_at` (`decide` says when), None or `permanent`: dead.

        `behind`: ids claimed to follow it. If it is ``waiting``, they are not claimed any more.

        `uncertain`: bytes left and no answer came. Returns ``sent`` when a receipt proved the
        message meanwhile. Raises `LeaseLost` from an old epoch.
        """
        due = "" if permanent or retry_at is None else repr(retry_at)
        release = self.releasing(connection, epoch, behind)
        status = await self._settle(
            connection, epoch, id, "fail", clock(now), code, int(uncertain), due
        )
        if status in {"sent", "delivered", "read"}:
            return "sent"
        if status in {"dead", "cancelled"}:
            return "dead"
        release()
        return "waiting"

    async def defer(
        self,
        connection: str,
        epoch: int,
        id: str,  # noqa: A002 - the field's word
        *,
        code: str,
        until: float,
        now: float | None = None,
        behind: Sequence[str] = (),
    ) -> None:
        """A limit of the account keeps the message from leaving until then; no attempt was made.

        It holds its chat and stays at its place, `code` is its error; `lift` ends that before.
        `behind`, ids claimed to follow it, are not claimed any more. Raises `LeaseLost`.
        """
        release = self.releasing(connection, epoch, behind)
        await self._settle(connection, epoch, id, "defer", clock(now), code, repr(until))
        release()

    async def lift(
        self,
        connection: str,
        epoch: int,
        codes: Collection[str],
        *,
        until: float,
        now: float | None = None,
    ) -> None:
        """Messages that wait for the end of one of these limits wait until then instead.

        Safe to repeat, also after a half. Raises `LeaseLost`.
        """
        now, cursor, held = clock(now), 0, keys.of(connection).held
        meant = _meant(codes, until)
        while True:
            async with reach():
                found: Any = await self._redis.zscan(held, cursor, count=MESSAGES_PER_SCRIPT)
            cursor, page = found
            ids = [id_ for id_, _ in page]
            for begin in range(0, len(ids), MESSAGES_PER_SCRIPT):
                await self._lift(
                    connection, epoch, meant, now, ids[begin : begin + MESSAGES_PER_SCRIPT]
                )
            if not cursor:
                return

    async def lift_chat(
        self,
        connection: str,
        epoch: int,
        codes: Collection[str],
        chat: str,
        now: float | None = None,
    ) -> None:
        """As `lift`, for one chat, whose message may leave now."""
        now, begin, lane = clock(now), 0, keys.of(connection).lane(chat)
        meant = _meant(codes, now)
        # The one that is held has those before it that are more urgent and came later.
        while True:
            async with reach():
                ids: Any = await self._redis.zrange(lane, begin, begin + MESSAGES_PER_SCRIPT - 1)
            if not ids or await self._lift(connection, epoch, meant, now, ids):
                return
            begin += MESSAGES_PER_SCRIPT

    async def _lift(
        self, connection: str, epoch: int, meant: tuple[str, str], now: float, ids: Sequence[str]
    ) -> int:
        """The number of these that are held back."""
        answer = await self._transitions.run(connection, "lift", now, epoch, *meant, *ids)
        if answer == "lost":
            raise LeaseLost(connection)
        return int(answer)

    async def unclaim(
        self,
        connection: str,
        epoch: int,
        id: str,  # noqa: A002 - the field's word
        now: float | None = None,
        *,
        behind: Sequence[str] = (),
    ) -> None:
        """No attempt was made: back to the old place, not counted. Raises `LeaseLost`.

        `behind`, ids claimed to follow it, are not claimed any more.
        """
        release = self.releasing(connection, epoch, behind)
        await self._settle(connection, epoch, id, "unclaim", clock(now))
        release()

    def _hold(self, connection: str, epoch: int) -> ClaimedMessages:
        """Return the claims of the claiming epoch; a new epoch begins without any, an old one has none."""
        claimed = self._held(connection, epoch)
        if connection not in self._claimed or self._claimed[connection].epoch < epoch:
            self._claimed[connection] = claimed
        return claimed

    def _held(self, connection: str, epoch: int) -> ClaimedMessages:
        """Messages that `epoch` claimed here; none where another has claimed since."""
        claimed = self._claimed.get(connection)
        return claimed if claimed is not None and claimed.epoch == epoch else ClaimedMessages(epoch)

    def releasing(self, connection: str, epoch: int, ids: Sequence[str]) -> Callable[[], None]:
        """Return a call that releases the attempts of `ids` claimed now, and none that come later."""
        claimed = self._held(connection, epoch)
        return claimed.releasing([own_id(connection, id_) for id_ in ids])

    def _drop(self, connection: str, claimed: ClaimedMessages) -> None:
        if self._claimed.get(connection) is claimed:
            del self._claimed[connection]

    async def _settle(
        self,
        connection: str,
        epoch: int,
        id_: str,
        transition: str,
        now: float,
        *args: object,
    ) -> str:
        message_id = own_id(connection, id_)
        claimed = self._held(connection, epoch)
        attempt = claimed.attempt(message_id)
        outcome = Outcome(transition, now, attempt, (epoch, message_id, attempt, *args))
        return await self._report(connection, claimed, message_id, outcome)

    async def _report(
        self, connection: str, claimed: ClaimedMessages, message_id: str, outcome: Outcome
    ) -> str:
        with claimed.reporting({message_id: outcome}):
            answer: str = await self._transitions.run(
                connection, outcome.transition, outcome.now, *outcome.args
            )
        if answer == "lost":
            raise LeaseLost(connection)
        return answer

    async def close(self) -> None:
        """Close the blocking connection of `wait`; not the client, which is the caller's."""
        if self._blocking is not None:
            await self._blocking.aclose()
            self._blocking = None


def own_ids(connection: str, sent: Mapping[str, float]) -> dict[str, float]:
    """WhatsApp's ids in API ids, with their times."""
    return {own_id(connection, id_): at for id_, at in sent.items()}


def _meant(codes: Collection[str], until: float) -> tuple[str, str]:
    return " ".join(("", *sorted(codes), "")), repr(until)
