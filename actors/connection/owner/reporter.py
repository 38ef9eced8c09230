"""Reports a connection's newest state, QR and limits to its lease in Redis and to the StateManager; releases the lease.

Only the newest report counts, so a report is a value that is replaced, and two loops that carry it
to either place until it is there: one being away never holds up the other (G11).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, TypeVar

import structlog

from actors.connection.abilities.port import Passkey
from actors.connection.engine import PairingCode, Qr
from actors.connection.limits.account_limits import LimitNotice, ShownLimit
from actors.connection.refused_items.bisection import unless_refused
from actors.connection.state_manager.port import StateAway
from actors.redis.client import RedisAway
from actors.runtime.backoff import persist

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from actors.connection.state_manager.port import State
    from actors.redis.leases.lease_record import HeldItems
    from actors.redis.leases.leases import Lease, Leases, Obstacle

log = structlog.get_logger()

T = TypeVar("T")

FIRST_RETRY_SECONDS = 0.2
LONGEST_REPORT_PAUSE = 2.0
"""Seconds between tries while Redis or the StateManager is away."""


Shown = Qr | PairingCode | Passkey
"""A text that is shown to the person who links the device."""

Noticed = Literal["qr", "code", "passkey"]
_KINDS: Final[Mapping[type[Shown], Noticed]] = {Qr: "qr", PairingCode: "code", Passkey: "passkey"}


@dataclass(frozen=True, slots=True)
class StateReport:
    """The observed state of a connection, as `whatsapp_connection_states` keeps it under ``observed``."""

    state: str
    cause: str | None
    epoch: int
    since: float
    account: str | None
    restarts: int
    beat: float
    retry_at: float | None = None


@dataclass(frozen=True, slots=True)
class PairingNotice:
    """A notice that a QR, a pairing code or a passkey's challenge is shown; `ShownPairing` declares its fields."""

    kind: Noticed
    number: int
    expires_at: float
    at: float


class Reporter:
    """Carries the newest state of one epoch to where others read it.

    A report that Redis refuses because of a newer epoch calls `on_lost`; from then on nothing is
    reported any more (G6).
    """

    def __init__(
        self,
        leases: Leases,
        state: State,
        lease: Lease,
        *,
        on_lost: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._leases = leases
        self._state = state
        self._connection = lease.connection
        self._on_lost = on_lost
        self._clock = clock
        self._now = StateReport(
            state=lease.state,
            cause=lease.cause,
            epoch=lease.epoch,
            since=lease.since,
            account=lease.account,
            restarts=lease.restarts,
            beat=lease.beat,
        )
        self._qr: Qr | None = None
        self._code: PairingCode | None = None
        self._passkey: Passkey | None = None
        self._notices: dict[str, PairingNotice] = {}  # by kind, those that are not stored yet
        self._shown = self._in_lease = 0  # numbers of notices: the last one, and the last readable
        self._for_notices = asyncio.Event()
        self._obstacle = lease.obstacle
        self._version_ends_at = lease.version_ends_at
        self._limit = ShownLimit(lease.limited_until, lease.limit_reason)
        self._limit_notice: LimitNotice | None = None
        self._for_limit = asyncio.Event()
        self._mistaken_at = lease.mistaken_at
        self._linked_at = lease.linked_at
        self._held = lease.held
        self._for_lease = asyncio.Event()
        self._for_state = asyncio.Event()
        self._for_state.set()  # that this epoch serves is news

    @property
    def now(self) -> StateReport:
        """The newest report."""
        return self._now

    def report(
        self,
        state: str,
        cause: str | None = None,
        shown: Shown | None = None,
        *,
        account: str | None = None,
        retry_at: float | None = None,
        obstacle: Obstacle | None = None,
    ) -> None:
        """Replace the report; returns at once.

        A text `shown` to the person who links replaces that of its kind; without one nothing is shown.
        """
        changed = state != self._now.state or cause != self._now.cause
        self._now = replace(
            self._now,
            state=state,
            cause=cause,
            since=self._clock() if changed else self._now.since,
            account=account or self._now.account,
            retry_at=retry_at,
        )
        self._obstacle = obstacle
        self._qr = shown if isinstance(shown, Qr) else self._qr if shown else None
        self._code = shown if isinstance(shown, PairingCode) else self._code if shown else None
        self._passkey = shown if isinstance(shown, Passkey) else self._passkey if shown else None
        self._notice(shown)
        if changed:
            log.info("state", action="state", connection=self._connection, state=state, cause=cause)
        self._for_lease.set()
        self._for_state.set()

    async def report_lease(self) -> None:
        """Write each report to the lease record; for the life of the epoch."""
        await self._write_each(self._for_lease, self._write_lease, RedisAway)

    async def report_state(self) -> None:
        """Write each report to the StateManager; for the life of the epoch."""
        await self._write_each(self._for_state, self._write_state, StateAway)

    async def report_pairing(self) -> None:
        """Write to the StateManager that a QR or a code is shown; for the life of the epoch.

        Only once the lease has it, so that readers of the event find it there. Of several of a kind
        that wait for the StateManager the newest is written: the others are void.
        """
        await self._write_each(self._for_notices, self._write_notices, StateAway)

    async def version_ends(self, at: float | None) -> None:
        """WhatsApp accepts the version that is announced until then; None: no end is known."""
        if at != self._version_ends_at:
            log.info("version expires", action="version.ends", connection=self._connection, at=at)
            self._version_ends_at = at
            self._for_lease.set()

    def limited(self, limit: ShownLimit) -> None:
        """WhatsApp limits the account, or does not. An unchanged limit is not reported again."""
        if self._limit_notice is None or limit != self._limit:
            self._limit_notice = LimitNotice(*limit, self._clock())
            self._for_limit.set()
        if limit != self._limit:
            self._limit = limit
            log.info("limited", action="limit", connection=self._connection, **limit._asdict())
            self._for_lease.set()

    def mistaken(self) -> None:
        """WhatsApp took a message for malformed."""
        self._mistaken_at = self._clock()
        self._for_lease.set()

    def linked(self, at: float | None) -> None:
        """The account was linked first then; None where nothing is known."""
        if at != self._linked_at:
            self._linked_at = at
            self._for_lease.set()

    def holds(self, held: HeldItems) -> None:
        """Report the items that the session holds back."""
        if held != self._held:
            self._held = held
            self._for_lease.set()

    async def report_limit(self) -> None:
        """Write limits of the account to the StateManager; for the life of the epoch."""
        await self._write_each(self._for_limit, self._write_limit, StateAway)

    def beaten(self) -> None:
        """The lease was renewed."""
        self._now = replace(self._now, beat=self._clock())
        self._for_state.set()

    async def finish(self, state: str, cause: str | None, *, within: float) -> None:
        """Give the lease back in this final state, and say so; waits `within` seconds at most.

        A report that did not arrive is repaired by the next owner's epoch, or by the root.
        """
        self.report(state, cause, obstacle=self._obstacle)
        try:
            async with asyncio.timeout(within):
                await asyncio.gather(
                    persist(
                        self._release,
                        RedisAway,
                        first=FIRST_RETRY_SECONDS,
                        longest=FIRST_RETRY_SECONDS,
                    ),
                    persist(
                        self._write_state,
                        StateAway,
                        first=FIRST_RETRY_SECONDS,
                        longest=FIRST_RETRY_SECONDS,
                    ),
                )
        except TimeoutError:
            log.warning("not released", action="release", connection=self._connection)

    async def _write_each(
        self,
        news: asyncio.Event,
        write: Callable[[], Awaitable[bool | None]],
        away: type[Exception],
    ) -> None:
        """Write whenever there is news, as often as that takes; False from `write` is that of a newer epoch."""
        while True:
            await news.wait()
            written = await persist(
                write, away, first=FIRST_RETRY_SECONDS, longest=LONGEST_REPORT_PAUSE
            )
            if written is False:
                self._on_lost("lost")

    def _notice(self, shown: Shown | None) -> None:
        if shown is None:
            self._notices.clear()
            return
        kind = _KINDS[type(shown)]
        if shown.text:
            self._shown += 1
            at = self._clock()
            self._notices[kind] = PairingNotice(kind, self._shown, shown.expires_at, at)
        else:
            self._notices.pop(kind, None)  # it is void

    async def _write_lease(self) -> bool:
        self._for_lease.clear()
        now, shown = self._now, self._shown
        kept = await self._leases.report(
            self._connection,
            now.epoch,
            state=now.state,
            cause=now.cause,
            since=now.since,
            account=now.account,
            qr=self._qr,
            code=self._code,
            passkey=self._passkey,
            retry_at=now.retry_at,
            obstacle=self._obstacle,
            version_ends_at=self._version_ends_at,
            limited_until=self._limit.until,
            limit_reason=self._limit.reason,
            mistaken_at=self._mistaken_at,
            held=self._held,
            linked_at=self._linked_at,
        )
        if kept:
            self._in_lease = shown
            self._for_notices.set()
        return kept

    async def _write_notices(self) -> bool:
        self._for_notices.clear()
        waiting = sorted(self._notices.values(), key=lambda notice: notice.number)
        reported = [notice for notice in waiting if notice.number <= self._in_lease]
        if reported:
            items = [asdict(notice) for notice in reported]
            noting = self._state.note_pairing(self._connection, self._now.epoch, items)
            if await self._stored(noting, "report_pairing") is False:
                return False
        for notice in reported:
            if self._notices.get(notice.kind) == notice:
                del self._notices[notice.kind]
        return True

    async def _write_limit(self) -> bool:
        self._for_limit.clear()
        if self._limit_notice is None:
            return True
        notice = asdict(self._limit_notice)
        noting = self._state.note_limit(self._connection, self._now.epoch, notice)
        return await self._stored(noting, "report_limit") is not False

    async def _write_state(self) -> None:
        self._for_state.clear()
        reporting = self._state.report_state(self._connection, asdict(self._now))
        await self._stored(reporting, "report_state")

    async def _stored(self, storing: Awaitable[T], action: str) -> T | None:
        return await unless_refused(storing, connection=self._connection, action=action)

    async def _release(self) -> None:
        now = self._now
        await self._leases.release(self._connection, now.epoch, state=now.state, cause=now.cause)
