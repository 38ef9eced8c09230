"""Serves one connection under one lease: runs the WhatsApp engine, reconnects, runs and ends all loops of the owner.

No Ray in here, and no decision about restarts: serving ends with a `ServingEnd`, and the tree decides
what follows. Within one epoch it reconnects by itself, as the cause of each close demands.
"""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from actors.connection.abilities.call_refusals import CallRefusals
from actors.connection.abilities.call_reporter import CallReporter
from actors.connection.abilities.presence_reporter import PresenceReporter
from actors.connection.disconnects import consequences
from actors.connection.disconnects.causes import ban_left
from actors.connection.disconnects.consequences import ServingEnd
from actors.connection.engine import EngineEvents
from actors.connection.limits.message_deferral import MessageDeferral
from actors.connection.owner.command_handler import CommandHandler
from actors.connection.owner.connection_liveness import LivenessProbe
from actors.connection.owner.group_names import GroupNames
from actors.connection.owner.inbox_drain import InboxDrain
from actors.connection.owner.lease_keeper import LeaseKeeper
from actors.connection.owner.reporter import Reporter
from actors.connection.owner.sender import Sender, Ticket
from actors.connection.owner.shutdown import Shutdown
from actors.connection.owner.timeouts import Timeouts
from actors.metrics.counters import measures
from actors.metrics.mistakes import log_mistake
from actors.redis.leases.leases import Obstacle
from actors.runtime.connection_options import ConnectionOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from actors.connection.backup.backup_factory import SessionCopies
    from actors.connection.disconnects.causes import Cause
    from actors.connection.disconnects.consequences import Consequence
    from actors.connection.engine import Engine, InboxMessage
    from actors.connection.owner.reporter import Shown, StateReport
    from actors.connection.state_manager.port import State
    from actors.queue.outbound_queue import OutboundQueue
    from actors.redis.commands import Commands
    from actors.redis.leases.leases import Lease, Leases
    from actors.redis.presence import Presences
    from actors.runtime.limits.disk_floor import DiskFloor

log = structlog.get_logger()

SERVING_SLEEP_SECONDS = 60.0
LEASE_EXPIRED = "lease_expired"
"""The cause while the lease cannot be renewed and others may therefore serve."""

OTHER_ACCOUNT = "other_account"
"""The cause while a device waits to be linked again after the phone of another number scanned."""


class Serving:
    """Serves one connection under one lease until it ends, by itself or because it was asked to.

    Every accepted message of the connection is sent while it is open (G2), everything that arrived
    is stored (G5), and once a newer epoch exists nothing of this one counts (G6).

    A connection belongs to the account that it was first linked to. When the device is unlinked,
    it asks for a new QR and keeps what it has; the phone of another number is turned away, so that
    nothing ever goes out from an account for which it was not accepted.
    """

    def __init__(
        self,
        lease: Lease,
        leases: Leases,
        lanes: OutboundQueue,
        state: State,
        *,
        concurrency: int,
        retry_at: Callable[[int, bool, float], float | None],
        pace: Timeouts | None = None,
        clock: Callable[[], float] = time.time,
        taken_at: float | None = None,
        commands: Commands | None = None,
        presences: Presences | None = None,
        copies: SessionCopies | None = None,
        options: Callable[[], ConnectionOptions] = ConnectionOptions,
        floor: DiskFloor | None = None,
    ) -> None:
        """`lease.obstacle` is what stood in the way of the owner before: it still does.

        `taken_at`: when the taking of the lease began, on the monotonic clock. `copies` keeps copies.
        `options` returns the connection's settings as they are now. Below its `floor` a full disk is waited out.
        """
        self._lease, self._lanes, self._state = lease, lanes, state
        self._obstacle, self._copies, self._belongs_to = lease.obstacle, copies, lease.account
        self._commands, self._watch = commands, PresenceReporter(lease.connection, presences, clock)
        self._concurrency, self._retry_at = concurrency, retry_at
        self._pace, self._clock, self._floor = pace or Timeouts(), clock, floor
        self._reporter = Reporter(leases, state, lease, on_lost=self.lose, clock=clock)
        refusals = CallRefusals(lease.connection, lanes, options, clock=clock)
        self._calls = CallReporter(state, lease, refusals, on_lost=self.lose)
        self._standing = MessageDeferral(
            lease, lanes, self._reporter, on_lost=self.lose, clock=clock
        )
        self._hold = LeaseKeeper(
            leases,
            lease,
            every=self._pace.heartbeat,
            expires=self._pace.lease,
            taken_at=time.monotonic() if taken_at is None else taken_at,
            on_kept=self._lease_renewed,
            on_lost=self.lose,
        )
        self._group_names = GroupNames(lease.connection)
        self._tasks: list[asyncio.Task[None]] = []
        self._is_open = asyncio.Event()
        self._opened_at: float | None = None
        self._finishing: asyncio.Task[ServingEnd] | None = None
        self._turning_away: asyncio.Task[None] | None = None
        self._ended: asyncio.Future[ServingEnd] = asyncio.get_running_loop().create_future()

    def _lease_renewed(self) -> None:
        self._reporter.beaten()
        if (left := self._hold.left) is not None:
            self._engine.extend(left)

    @property
    def events(self) -> EngineEvents:
        """The handlers with which the engine of this connection has to be opened."""
        return EngineEvents(
            on_qr=self._on_shown,
            on_code=self._on_shown,
            on_passkey=self._on_shown,
            on_paired=self._on_paired,
            on_open=self._on_open,
            on_inbox=self._on_inbox,
            on_presence=self._watch.observe,
            on_version_end=self._reporter.version_ends,
            on_call=self._calls.received,
            on_limits=self._standing.update,
            new_chats=lambda: self._lanes.claims.pace(self._engine.linked_at).new_chats_per_day,
        )

    @property
    def now(self) -> StateReport:
        """The observed state of the connection."""
        return self._reporter.now

    @property
    def in_flight(self) -> int:
        """Number of messages on their way."""
        return self._sender.in_flight

    @property
    def inbox_age(self) -> float:
        """Seconds for which something that arrived has been waiting to be stored."""
        return self._drain.age

    def start(self, engine: Engine, *, connect: bool = True) -> None:
        """Begin to serve; returns at once.

        Without `connect` no login is tried: the device is forgotten here, what arrived before is
        stored, and serving ends as ``logged_out``.
        """
        self._engine = engine
        self._reporter.linked(engine.linked_at)
        ticket = Ticket(self._lease.connection, self._lease.epoch)
        self._sender = Sender(
            ticket,
            engine,
            self._lanes,
            self._standing,
            concurrency=self._concurrency,
            retry_at=self._retry_at,
            on_lost=self.lose,
            clock=self._clock,
        )
        self._drain = InboxDrain(ticket, engine, self._lanes, self._state, on_lost=self.lose)
        self._drain.on_messages, self._drain.joins = self._on_messages, self._sender.joins
        self._drain.on_held = self._reporter.holds
        self._shutdown = Shutdown(
            ticket.connection,
            engine=engine,
            sender=self._sender,
            drain=self._drain,
            reporter=self._reporter,
            copies=self._copies,
            pace=self._pace,
        )
        life = self._run() if connect else self._forget()
        self._running = asyncio.ensure_future(self._guard(life))
        loops: list[Coroutine[object, object, None]] = [
            self._sender.run(),
            self._drain.run(),
            self._reporter.report_lease(),
            self._reporter.report_state(),
            self._reporter.report_pairing(),
            self._reporter.report_limit(),
            *self._calls.loops(engine),
            self._standing.run(),
            self._hold.beat(),
            self._hold.expire(),
            self._watch.run(engine),
            self._group_names.run(engine),
            LivenessProbe(ticket.connection, engine, self._pace, on_lost=self.lose).run(),
            *([] if self._copies is None else [self._copies.run()]),
        ]
        if self._commands is not None:
            loops.append(
                CommandHandler(ticket.connection, engine, self._commands, self._watch).run()
            )
        self._tasks = [
            asyncio.create_task(self._guard(loop), name=getattr(loop, "__qualname__", None))
            for loop in loops
        ]

    async def ended(self) -> ServingEnd:
        """Wait for the end; everything is closed and given back then."""
        return await asyncio.shield(self._ended)

    async def stop(self) -> ServingEnd:
        """Finish what is in flight, give the lease back as ``stopped``. Idempotent."""
        return await self._end(ServingEnd("stopped"))

    async def logout(self) -> ServingEnd:
        """Unlink the device (where it is connected within some seconds), end as ``logged_out``."""
        if self._finishing is None and self._engine.account is not None and not self._barred():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pace.open_to_log_out):
                    await self._is_open.wait()
        return await self._end(ServingEnd("logged_out", "asked"))

    # what the engine tells

    async def _on_shown(self, shown: Shown) -> None:
        self._report("pairing", self._unlinked_by, shown=shown)

    async def _on_paired(self, account: str) -> None:
        if self._is_mine(account):
            self._reporter.linked(self._engine.linked_at)
            self._report("connecting", account=account)

    async def _on_open(self) -> None:
        account = self._engine.account
        if not self._is_mine(account):
            self._turn_away()
            return
        self._belongs_to, self._obstacle = account, None
        self._reporter.linked(self._engine.linked_at)
        self._opened_at = time.monotonic()
        self._is_open.set()
        self._report("open", account=account)
        self._sender.opened()
        self._watch.opened()

    async def _on_inbox(self) -> None:
        self._sender.look()
        self._drain.look()

    def _on_messages(self, messages: Sequence[InboxMessage]) -> None:
        self._standing.lift_for(messages)
        self._group_names.look(messages)

    def _is_mine(self, account: str | None) -> bool:
        return self._belongs_to in {None, account}

    def _turn_away(self) -> None:
        """The phone of another number scanned: unlink it again, before anything is claimed."""
        log.error("wrong account", action="turn_away", connection=self._lease.connection)
        self._obstacle = Obstacle(OTHER_ACCOUNT)
        # Not here: the engine awaits this event, and logging out is a question to the engine.
        self._turning_away = asyncio.ensure_future(self._guard(self._engine.logout()))

    # the life of the socket

    async def _run(self) -> None:
        failures = 0
        while True:
            await self._sit_out()
            cause = await self._hold.while_held(self._engine.run, self._pace.close)
            self._sender.closed()
            self._is_open.clear()
            opened, self._opened_at = self._opened_at, None
            why = LEASE_EXPIRED if cause is None else str(cause.kind)
            measures.count("teimoso_socket_closes", cause=why)
            if cause is not None and cause.stanza is not None:
                measures.count("teimoso_stanzas_unanswered", stanza=cause.stanza.split("/")[0])
            if cause is None:
                self._report("reconnecting", LEASE_EXPIRED)
                continue
            if opened is not None and time.monotonic() - opened >= self._pace.min_uptime:
                failures = 0
            follows = consequences.consequence(cause)
            fields = {"connection": self._lease.connection, "cause": str(cause)}
            log.info("closed", action="close", **fields, follows=type(follows).__name__)
            if self._finishing is not None:
                return
            if (ending := consequences.ending_of(cause, follows)) is not None:
                self._request(ending)
                return
            failures += 1
            await self._between(cause, follows, failures)

    async def _forget(self) -> None:
        self._request(ServingEnd("logged_out", "asked"))

    async def _between(self, cause: Cause, follows: Consequence, failures: int) -> None:
        """Say why the socket closed and when the next one is opened, and wait until then."""
        linked, pairing = self._engine.account is not None, self.now.state == "pairing"
        between = consequences.disconnected(
            cause, follows, self._obstacle, linked=linked, pairing=pairing
        )
        self._obstacle = between.obstacle
        if isinstance(follows, consequences.Wait):
            return
        if isinstance(follows, consequences.AwaitRoom) and self._floor is not None:
            if await self._floor.lately():
                self._report(between.state, between.cause)
            await self._floor.room()
        pause = self._pace.pause(follows, failures, random.random())  # noqa: S311 - spreads tries
        retry_at = self._clock() + pause if pause else None
        self._report(between.state, between.cause, retry_at=retry_at)
        await asyncio.sleep(pause)

    async def _sit_out(self) -> None:
        """Until WhatsApp's ban is over, no owner of the connection tries a login."""
        if not self._barred():
            return
        assert self._obstacle is not None
        until = self._obstacle.until or 0.0
        self._report("reconnecting", self._obstacle.cause, retry_at=until)
        # In steps: the end is a time of the wall clock, which may be set meanwhile.
        while (left := ban_left(until, self._clock())) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(SERVING_SLEEP_SECONDS, left))

    def _barred(self) -> bool:
        return self._obstacle is not None and ban_left(self._obstacle.until, self._clock()) > 0

    @property
    def _unlinked_by(self) -> str | None:
        """The reason for which the device has to be linked again; None where it never was."""
        return None if self._obstacle is None else self._obstacle.cause

    def _report(
        self,
        state: str,
        cause: str | None = None,
        *,
        account: str | None = None,
        shown: Shown | None = None,
        retry_at: float | None = None,
    ) -> None:
        if self._copies is not None and account is not None:
            self._copies.look()  # the keys of a device that was just linked
        if self._finishing is None:
            self._reporter.report(
                state, cause, shown, account=account, retry_at=retry_at, obstacle=self._obstacle
            )

    # the end

    def lose(self, reason: str) -> None:
        """End at once: others serve, or should."""
        self._request(ServingEnd(reason))

    def _request(self, ending: ServingEnd) -> None:
        if self._finishing is None:
            log.info("ends", action="end", connection=self._lease.connection, reason=ending.reason)
            self._finishing = asyncio.ensure_future(self._finish(ending))

    async def _end(self, ending: ServingEnd) -> ServingEnd:
        self._request(ending)
        return await self.ended()

    async def _finish(self, ending: ServingEnd) -> ServingEnd:
        held = ending.reason not in consequences.LEASE_GONE
        try:
            if held:
                await self._shutdown.settle(ending)
            turning_away = [] if self._turning_away is None else [self._turning_away]
            await self._shutdown.close([*self._tasks, *turning_away], self._running)
            if held:
                await self._shutdown.release(ending)
        finally:
            self._ended.set_result(ending)
        return ending

    async def _guard(self, loop: Coroutine[object, object, None]) -> None:
        try:
            await loop
        except Exception as error:  # noqa: BLE001 - the end of serving tells it
            while isinstance(error, ExceptionGroup):
                error = error.exceptions[0]
            name, connection = getattr(loop, "__name__", None), self._lease.connection
            log_mistake("loop failed", "serve", error, connection=connection, loop=name)
            self._request(ServingEnd("broke", type(error).__name__))
