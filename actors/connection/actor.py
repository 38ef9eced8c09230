"""Implements the Ray actor of one connection: a standby until supervision calls `serve`, then takes the lease and serves."""

from __future__ import annotations

import asyncio
import importlib
import os
import random
import sys
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from actors.config.settings import Settings
from actors.connection import whatsmeow
from actors.connection.backup.bucket.port import BucketAway
from actors.connection.backup.quarantine import move_aside, remove_former
from actors.connection.disconnects.causes import Kind
from actors.connection.engine import EngineNotInstalled
from actors.connection.owner.sender import Ticket
from actors.connection.owner.serving import Serving
from actors.connection.owner.timeouts import Timeouts
from actors.connection.proxy.address import parse
from actors.connection.refused_items.oversized_messages import OversizedMessages
from actors.connection.state_manager.remote import RemoteState
from actors.connection.whatsmeow.program import executable
from actors.media.open_store import open_store
from actors.metrics import initial_counters
from actors.queue.outbound_queue import OutboundQueue, decide
from actors.redis.client import RedisAway, connect
from actors.redis.commands import Commands
from actors.redis.leases.leases import EXPIRES, Leases, Obstacle, Owner
from actors.redis.presence import Presences
from actors.runtime.actor_base import Shell, end_tasks
from actors.runtime.connection_options import ConnectionOptions
from actors.runtime.host_identity import here
from actors.runtime.processes import start_of
from actors.state.connection_document import ENGINE
from actors.state.tenants.store_floor import StoreFloor

if TYPE_CHECKING:
    from pathlib import Path

    from actors.connection.backup.backup_factory import ConnectionBackup, SessionCopies
    from actors.connection.backup.restore import Restorer
    from actors.connection.disconnects.consequences import ServingEnd
    from actors.connection.engine import Engine
    from actors.connection.proxy.address import ProxyAddress
    from actors.metrics.counters import Sample
    from actors.redis.leases.leases import Lease

log = structlog.get_logger()


class EngineRemoved(ValueError):
    """An engine that is gone linked the account, which has to be linked anew; its data stays as it is."""

    code = "engine_removed"


class Busy(Exception):
    """The actor serves, or served, a connection already: one actor serves once."""

    code = "busy"


class ConnectionActor(Shell):
    """One WhatsApp account at most: a standby until `serve`, and never a standby again.

    When its process dies, what it had in flight is queued again by the next epoch (G2, G4), and
    what it had received lies in the session file (G5).
    """

    def __init__(self, data: str, name: str) -> None:
        super().__init__(data, name)
        self._connection: str | None = None
        self._lease: Lease | None = None
        self._taken_at = 0.0
        self._serving: Serving | None = None
        self._engine: Engine | None = None
        self._copies: SessionCopies | None = None
        self._options = ConnectionOptions()
        self._following: asyncio.Task[None] | None = None
        self._tidying: asyncio.Task[None] | None = None
        self._state = RemoteState()

    async def _start(self) -> None:
        self._settings = Settings.load(self.data)
        self._redis = connect(self._settings)
        self._leases = Leases(self._redis)
        self._keeping = self._backup()
        self._lanes = OutboundQueue(self._redis, self._settings)
        self._commands = Commands(self._redis, self._settings)
        self._presences = Presences(self._redis)
        bucket = None if self._keeping is None else self._keeping.bucket
        self._media = open_store(self._settings, bucket)
        if self._settings.several_hosts:  # on a host without a gateway nobody else does it
            self._tidying = asyncio.ensure_future(self._media.upkeep().run())
        for module in ("whatsmeow.engine", "session.session"):
            await asyncio.to_thread(importlib.import_module, f"actors.connection.{module}")
        with suppress(RedisAway):  # a takeover finds the socket to Redis open
            await self._leases.read("standby")

    def _backup(self) -> ConnectionBackup | None:
        if self._settings.session_storage_type == "local":
            return None
        from actors.connection.backup import backup_factory  # noqa: PLC0415 - without copies, not loaded

        return backup_factory.ConnectionBackup.of(self._settings, self._leases)

    async def serve(
        self, connection: str, engine: str, forget: bool = False, _created_at: float | None = None
    ) -> int:
        """Take the lease of `connection`, begin to serve it, return the epoch.

        The root of 0.1.0's first code gives `_created_at`, during an upgrade. With `forget` it does not connect: it
        forgets the device here and ends as ``logged_out``. A damaged session is moved aside, and where that of an account that was linked is
        gone there is nothing to move: either way the account has to be linked again. Raises `Busy`,
        `EngineRemoved`, `EngineNotInstalled`, `RedisAway` (no epoch was given), `BucketAway` (only the vault has
        the session, and it is away), or what opening the session raises besides (the lease is then given back as
        ``failed``, with its code as the cause).
        """
        await self.start()
        if self._connection is not None:
            raise Busy(self._connection)
        self._connection = connection
        directory = self._settings.sessions / connection
        try:
            await self._take_over(connection, engine, directory, forget=forget)
        except (RedisAway, BucketAway):
            self._connection = self._lease = None
            raise
        assert self._lease is not None
        self._introduce(self._lease)
        return self._lease.epoch

    async def configure(self, _show_online: bool, options: dict[str, Any]) -> None:
        """Take over the settings of its connection: before `serve`, and whenever they change.

        `options` has the fields of `ConnectionOptions`, `_show_online` among them.
        """
        self._options = ConnectionOptions.of(options)
        if self._engine is not None:
            await self._adjust(self._engine)

    async def _adjust(self, engine: Engine) -> None:
        await engine.use_proxy(self._proxy)
        await engine.configure(show_online=self._options.show_online)

    @property
    def _proxy(self) -> ProxyAddress | None:
        """Its own proxy, which its admin chose, may be private by a setting alone; the instance's always may."""
        if (own := self._options.proxy) is not None:
            return parse(own, private=self._settings.connection_proxy_private)
        of_all = self._settings.whatsapp_proxy
        return None if of_all is None else parse(of_all.get_secret_value())

    async def logout(self) -> None:
        """Unlink the device and end as ``logged_out``."""
        if self._serving is not None:
            await self._serving.logout()
            await self._follow_on()

    def _introduce(self, lease: Lease) -> None:
        """Show in Ray's dashboard whom it serves, in the process's title and in the actor's log.

        Of a name and a `repr` Ray keeps what the standby was called.
        """
        self._entitle(f"ConnectionActor {lease.connection}")
        sys.stdout.write(f"serves {lease.connection} under epoch {lease.epoch}\n")
        sys.stdout.flush()

    async def _take_over(
        self, connection: str, engine: str, directory: Path, *, forget: bool
    ) -> None:
        file = directory / "session.db"
        restorer = self._restorer(connection, engine, file)
        epoch, damage = await self._look(file, restorer)
        owner = Owner(self.name, os.getpid(), here(), start_of(os.getpid()) or "")
        self._taken_at = time.monotonic()
        lease = await self._leases.take(connection, owner, epoch)
        self._lease, self._taken_at = lease, time.monotonic()
        try:
            if engine != ENGINE:
                raise EngineRemoved(engine)  # noqa: TRY301
            if executable.find(self._settings.data, connection) is None:
                raise EngineNotInstalled  # noqa: TRY301
            there = epoch > 0 or damage is not None
            if restorer is not None and damage is None and not forget:
                there = await restorer.place(lease)
            if not (there or forget or lease.account is None or lease.obstacle):
                # It was linked, and no owner wrote into what is there: a file without a byte, or none.
                log.error("session gone", action="session_gone", connection=connection)
                lease = await self._blame_session(lease)
            await self._serve_with(lease, file, damage, restorer, forget=forget)
        except Exception as error:
            cause = getattr(error, "code", type(error).__name__)
            state = "reconnecting" if isinstance(error, BucketAway) else "failed"
            with suppress(RedisAway):
                await self._leases.release(connection, lease.epoch, state=state, cause=cause)
            raise

    def _restorer(self, connection: str, engine: str, file: Path) -> Restorer | None:
        if self._keeping is None or engine != ENGINE:
            return None
        return self._keeping.restorer(connection, file, whatsmeow.renew_session)

    @staticmethod
    async def _look(file: Path, restorer: Restorer | None) -> tuple[int, Exception | None]:
        """The newest epoch that is known but to Redis, and what is wrong with what lies there."""
        session = importlib.import_module("actors.connection.session.session")
        try:
            await asyncio.to_thread(session.make_directory, file.parent)
            if restorer is not None:
                return await restorer.look(), None
            return (await asyncio.to_thread(session.Session.check, file)).epoch, None
        except BucketAway:
            raise  # the session may be there alone: no epoch is to be given
        except Exception as error:  # noqa: BLE001 - dealt with under a lease
            return 0, error

    async def _serve_with(
        self,
        lease: Lease,
        file: Path,
        damage: Exception | None,
        restorer: Restorer | None,
        *,
        forget: bool,
    ) -> None:
        session = importlib.import_module("actors.connection.session.session")
        copies = None
        if self._keeping is not None and restorer is not None:
            ticket = Ticket(lease.connection, lease.epoch)
            copies = self._keeping.copies(ticket, lease, restorer, self._lanes, self._state)
        try:
            if damage is not None:
                raise damage
            serving, opened = self._open(lease, file.parent, copies)
        except session.SessionDamaged as error:
            again = await self._set_aside(lease, file, str(error))
            serving, opened = self._open(again, file.parent, copies)
        if copies is not None:
            try:
                await copies.begin()
            except BaseException:
                await opened.close()
                raise
            self._copies = copies
        initial_counters.declare()
        await self._adjust(opened)
        serving.start(opened, connect=not forget)
        self._serving, self._engine = serving, opened
        self._following = asyncio.ensure_future(self._follow(serving))

    async def _set_aside(self, lease: Lease, file: Path, reason: str) -> Lease:
        """Move a damaged session away, once the lease in Redis reports one."""
        blamed = await self._blame_session(lease)
        place = await asyncio.to_thread(move_aside, file, lease.epoch)
        log.error(
            "session moved aside",
            action="move_aside",
            connection=lease.connection,
            place=str(place.relative_to(self._settings.data)),
            reason=reason,
        )
        await asyncio.to_thread(remove_former, file.parent)
        return blamed

    async def _blame_session(self, lease: Lease) -> Lease:
        """Let Redis know why the account has to be linked again, whatever dies from now on."""
        obstacle = Obstacle(Kind.BAD_SESSION)
        await self._leases.report(
            lease.connection,
            lease.epoch,
            state="connecting",
            cause=obstacle.cause,
            since=time.time(),
            obstacle=obstacle,
        )
        return replace(lease, cause=obstacle.cause, obstacle=obstacle)

    def _open(
        self, lease: Lease, directory: Path, copies: SessionCopies | None
    ) -> tuple[Serving, Engine]:
        settings, media = self._settings, self._media.of(lease.connection)
        serving = Serving(
            lease,
            self._leases,
            self._lanes,
            self._state,
            concurrency=settings.queue_concurrency,
            retry_at=self._retry_at,
            pace=Timeouts(
                reconnect_base=settings.restart_backoff_base / 1000,
                reconnect_cap=settings.restart_backoff_cap / 1000,
                min_uptime=settings.min_uptime / 1000,
                heartbeat=settings.heartbeat_interval / 1000,
                lease=EXPIRES if settings.several_hosts else None,
                silence=settings.zombie_threshold / 1000,
            ),
            taken_at=self._taken_at,
            commands=self._commands,
            presences=self._presences,
            copies=copies,
            options=lambda: self._options,
            floor=StoreFloor.of(settings, directory, connection=lease.connection),
        )
        if copies is not None:
            copies.notify(serving.lose)
        opened = whatsmeow.open_engine(
            settings, lease.connection, lease.epoch, serving.events, directory, media=media
        )
        if copies is not None:
            copies.enclose(opened.copy_keys)
        self._state.words = OversizedMessages(media, opened.count_words)
        return serving, opened

    def _retry_at(self, attempts: int, permanent: bool, now: float) -> float | None:
        settings = self._settings
        return decide(
            attempts,
            settings.max_retry_attempts,
            permanent=permanent,
            now=now,
            base=settings.retry_backoff_base / 1000,
            cap=settings.retry_backoff_cap / 1000,
            random=random.random(),  # noqa: S311 - spreads retries, hides nothing
        )

    async def _follow(self, serving: Serving) -> None:
        ending: ServingEnd = await serving.ended()
        self._end(ending.reason, cause=ending.cause, connection=self._connection)

    async def _follow_on(self) -> None:
        if self._following is not None:
            await self._following

    async def _stop(self) -> None:
        if self._serving is not None:
            await self._serving.stop()
            await self._follow_on()
        if self._tidying is not None:
            await end_tasks([self._tidying], within=5)
        if self._starting is not None and self._starting.done():
            await self._media.close()
            await self._lanes.close()
            await self._commands.close()
            await self._redis.aclose()

    async def _peers(self, state: Any = None, vault: Any = None, **_: Any) -> None:
        self._state.handle = state
        if self._keeping is not None:
            self._keeping.reach(vault)

    def _gauges(self) -> list[Sample]:
        serving, copies = self._serving, self._copies
        if serving is None:
            return []
        gauges: list[Sample] = [("teimoso_inbox_age_seconds", {}, serving.inbox_age)]
        if self._engine is not None and (traffic := self._engine.traffic) is not None:
            gauges.append(("teimoso_traffic_age_seconds", {}, traffic.age))
        if copies is not None:
            every = self._settings.session_backup_interval / 1000
            gauges += [
                ("teimoso_backup_age_seconds", {}, copies.age),
                ("teimoso_backup_interval_seconds", {}, every),
            ]
        return gauges

    def _health(self) -> dict[str, Any]:
        if self._lease is None:
            return {}
        self._entitle(f"ConnectionActor {self._lease.connection}")
        serving = self._serving
        return {
            "connection": self._lease.connection,
            "epoch": self._lease.epoch,
            "state": serving.now.state if serving is not None else "failed",
            "account": serving.now.account if serving is not None else None,
            "served": time.monotonic() - self._taken_at,
        }
