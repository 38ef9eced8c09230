"""Reports to the Redis queue, for a connection's owner, outcomes of claimed messages: sent, failed, deferred, unclaimed.

An outcome is about one attempt: a late repetition of what was said of an older one changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from actors.queue.claimed import ClaimedMessages, Outcome
from actors.queue.dead_letters import DeadLetters
from actors.queue.queue_reader import clock
from actors.queue.records import own_id
from actors.redis import keys
from actors.redis.client import reach
from actors.redis.leases.leases import LeaseLost

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from redis.asyncio import Redis

MESSAGES_PER_SCRIPT = 100
"""Messages that one script looks at."""


class Outcomes(DeadLetters):
    """The outcomes of attempts, of one connection after the other. Raises `RedisAway`."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self._claimed: dict[str, ClaimedMessages] = {}

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
        release = self._releasing(connection, epoch, behind)
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
        release = self._releasing(connection, epoch, behind)
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
        answer = await self._run(connection, "lift", now, epoch, *meant, *ids)
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
        release = self._releasing(connection, epoch, behind)
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

    def _releasing(self, connection: str, epoch: int, ids: Sequence[str]) -> Callable[[], None]:
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
            answer: str = await self._run(
                connection, outcome.transition, outcome.now, *outcome.args
            )
        if answer == "lost":
            raise LeaseLost(connection)
        return answer


def own_ids(connection: str, sent: Mapping[str, float]) -> dict[str, float]:
    """WhatsApp's ids in API ids, with their times."""
    return {own_id(connection, id_): at for id_, at in sent.items()}


def _meant(codes: Collection[str], until: float) -> tuple[str, str]:
    return " ".join(("", *sorted(codes), "")), repr(until)
