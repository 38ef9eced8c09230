"""Closes sockets of clients that do not acknowledge a stanza in time, and stores late stanzas in SQLite, for tests.

The offline queue decides which stanzas are unacknowledged; this adds a clock for each stanza from the
moment in which its bytes were handed to the socket.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog

from simulator.server.delivery.answer_validation import reasons_against
from simulator.wire.protocol_library import Node, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from simulator.server.companions import Companion
    from simulator.server.rules.switches import Switches
    from simulator.store import Store
    from simulator.wire.connection import Connection

log = structlog.get_logger()

ANSWER_DEADLINE_SECONDS: Final = 3000.0
"""Seconds that WhatsApp waits for an answer: about 50 minutes (whatsapp-rust 1101)."""
_LATE_LOOP: Final = 0.5


@dataclass(eq=False, slots=True)
class PendingAnswer:
    """A stanza of the queue that was sent to a socket and is not answered yet.

    `at` is the loop's time at which its bytes left, None before; `wrong` holds the reasons against
    answers that did not settle it.
    """

    seq: int
    stanza: Any
    at: float | None = None
    wrong: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """Class and type, such as `notification/encrypt`."""
        return "/".join(filter(None, (self.stanza.tag, text_of(self.stanza, "type"))))


@dataclass(eq=False)
class _PendingAnswers:
    """The pending answers of one socket, oldest first, and the timer of the oldest."""

    answers: dict[int, PendingAnswer] = field(default_factory=dict)
    by_id: dict[str, list[PendingAnswer]] = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None

    def running(self) -> Iterator[PendingAnswer]:
        return (one for one in self.answers.values() if one.at is not None)


class AnswerDeadlines:
    """Closes the stream of a client that answers a stanza too late, and reports the stanza.

    The stanza stays in the queue: it comes again at the client's next login. The report is in the
    store and outlives the process. A closed socket and a killed process have no pending answers.
    """

    def __init__(
        self, store: Store, switches: Switches, seconds: float = ANSWER_DEADLINE_SECONDS
    ) -> None:
        self.seconds = seconds
        self._store = store
        self._switches = switches
        self._by_connection: dict[Connection, _PendingAnswers] = {}
        self._changed = asyncio.Event()

    def owe(self, connection: Connection, seq: int, stanza: Any) -> PendingAnswer | None:
        """Notes a stanza that is being sent; returns None for a second copy, which needs no second answer."""
        pending = self._by_connection.setdefault(connection, _PendingAnswers())
        if seq in pending.answers:
            return None
        owed = pending.answers[seq] = PendingAnswer(seq, stanza)
        pending.by_id.setdefault(text_of(stanza, "id"), []).append(owed)
        return owed

    def written(self, connection: Connection, owed: Iterable[PendingAnswer]) -> None:
        """Starts the clock of stanzas whose bytes left."""
        now = asyncio.get_running_loop().time()
        for one in owed:
            one.at = now
        pending = self._by_connection.get(connection)
        if pending is not None and pending.timer is None:
            self._watch(connection, pending, now + self.seconds)

    def settles(
        self, connection: Connection, companion: Companion, answer: Any, stanza_id: str
    ) -> bool:
        """Returns whether the answer removes a stanza from the queue; notes the reasons where not.

        True as well for a stanza that was not sent to this socket.
        """
        pending = self._by_connection.get(connection)
        about = [] if pending is None else pending.by_id.get(stanza_id, [])
        if not about:
            return True
        own_copies = self._switches.on("own_copies", companion.number)
        against = [
            (reasons_against(one.stanza, answer, own_copies=own_copies), one) for one in about
        ]
        reasons, nearest = min(against, key=lambda each: len(each[0]))
        if not reasons:
            return True
        nearest.wrong.append(", ".join(reasons))
        return False

    def answered(self, connection: Connection, seqs: Sequence[int]) -> None:
        """Ends the pending answers of stanzas that were removed from the queue."""
        pending = self._by_connection.get(connection)
        if pending is None:
            return
        for seq in seqs:
            owed = pending.answers.pop(seq, None)
            if owed is not None:
                stanza_id = text_of(owed.stanza, "id")
                pending.by_id[stanza_id].remove(owed)
                if not pending.by_id[stanza_id]:
                    del pending.by_id[stanza_id]
        self._changed.set()

    def left(self, connection: Connection) -> None:
        """Stops the clocks of a socket that closed."""
        pending = self._by_connection.pop(connection, None)
        if pending is not None and pending.timer is not None:
            pending.timer.cancel()
        self._changed.set()

    def restart(self, connection: Connection) -> None:
        """Restarts all clocks of a socket that was frozen."""
        pending = self._by_connection.get(connection)
        if pending is None:
            return
        now = asyncio.get_running_loop().time()
        for one in pending.running():
            one.at = now
        self._watch(connection, pending, now + self.seconds)

    def change_seconds(self, seconds: float) -> None:
        """Changes the seconds after which a stanza is late."""
        self.seconds = seconds
        for connection, pending in self._by_connection.items():
            if pending.timer is not None:
                self._watch(connection, pending, asyncio.get_running_loop().time())

    def open(self, account: str | None = None) -> list[dict[str, Any]]:
        """Returns the pending answers of open sockets, oldest first, without frozen and closing sockets."""
        now = asyncio.get_running_loop().time()
        return [
            _described(connection.device, one, now - one.at)
            for connection, pending in self._by_connection.items()
            if connection.device is not None
            and account in (None, connection.device[0])
            and connection.moves
            for one in pending.running()
            if one.at is not None
        ]

    def late(self, account: str | None = None) -> list[dict[str, Any]]:
        """Returns stanzas that were answered late or never, also before a restart of the simulator."""
        return [
            {
                "account": row["number"],
                "device": row["device"],
                "kind": row["kind"],
                "id": row["id"],
                "at": row["at"],
                "seconds": row["seconds"],
                "wrong": row["wrong"].splitlines(),
                "times": row["times"],
            }
            for row in self._store.rows(
                "SELECT * FROM unanswered WHERE ?1 IS NULL OR number = ?1 ORDER BY at", account
            )
        ]

    def forget(self, account: str | None = None) -> int:
        """Deletes the reports of late stanzas; returns their number."""
        with self._store.transaction():
            return self._store.execute(
                "DELETE FROM unanswered WHERE ?1 IS NULL OR number = ?1", account
            ).rowcount

    async def settled(self, account: str | None, seconds: float) -> None:
        """Waits until no answer is pending, for `seconds` at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.open(account):
                    self._changed.clear()
                    await self._changed.wait()

    def _watch(self, connection: Connection, pending: _PendingAnswers, due: float) -> None:
        if pending.timer is not None:
            pending.timer.cancel()
        loop = asyncio.get_running_loop()
        pending.timer = loop.call_at(due, self._look, connection, pending, due)

    def _look(self, connection: Connection, pending: _PendingAnswers, due: float) -> None:
        """Closes the stream where the oldest stanza is late, or waits for it."""
        now, pending.timer = asyncio.get_running_loop().time(), None
        if connection.retired:
            return
        if now - due > _LATE_LOOP:
            # The process was suspended: answers may be in the buffers.
            self.restart(connection)
            return
        times = [one.at for one in pending.running() if one.at is not None]
        if not times:
            return
        oldest = min(times) + self.seconds
        if not connection.moves:
            # `restart` sets the clocks when the socket thaws.
            self._watch(connection, pending, now + self.seconds)
            return
        if now < oldest:
            self._watch(connection, pending, oldest)
            return
        late = [
            one for one in pending.running() if one.at is not None and one.at + self.seconds <= now
        ]
        self._report(connection, late, now)
        first = late[0].stanza
        attrs = {name: first.attrs[name] for name in ("type", "id") if name in first.attrs}
        connection.retire(
            Node("stream:error", {}, [Node("ack", {"class": first.tag, **attrs})]),
            Node("xmlstreamend"),
        )

    def _report(self, connection: Connection, late: list[PendingAnswer], now: float) -> None:
        assert connection.device is not None
        with self._store.transaction():
            for one in late:
                log.info("unanswered", action="unanswered", serial=connection.serial, kind=one.kind)
                self._store.execute(
                    "INSERT INTO unanswered (number, device, seq, kind, id, at, seconds, wrong)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                    " seconds = excluded.seconds, wrong = excluded.wrong, times = times + 1",
                    *connection.device,
                    one.seq,
                    one.kind,
                    text_of(one.stanza, "id"),
                    time.time(),
                    now - (one.at or now),
                    "\n".join(one.wrong),
                )


def _described(device: tuple[str, int], owed: PendingAnswer, seconds: float) -> dict[str, Any]:
    return {
        "account": device[0],
        "device": device[1],
        "kind": owed.kind,
        "id": text_of(owed.stanza, "id"),
        "seconds": seconds,
        "wrong": owed.wrong,
    }
