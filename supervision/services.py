"""Keeps, in the root, one Ray actor of each service (state, queue, health, vault, backup); hands new handles to others."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

import structlog

from actors.connection.state_manager.remote import RemoteState
from supervision.cluster import ActorDead, CallRefused, CallTimeout

if TYPE_CHECKING:
    from actors.config.settings import Settings
    from supervision.child import Child, End
    from supervision.children import Children
    from supervision.reports.recovery_log import RecoveryLog
    from supervision.restarts.policy import RestartRecords

log = structlog.get_logger()

SERVICES = ("state", "queue", "health", "vault", "backup")
SHARED_SERVICES = frozenset({"state", "queue", "vault"})
"""Services whose handles the other actors need."""
BEHIND = frozenset({"queue", "health", "backup"})
"""Services that start after the connections of a cold start: the view of the queue, the monitor, backups."""


class Services:
    """Keeps one actor of each role alive, and its handle current at all children.

    They are restarted with backoff and never given up, which would leave the service degraded. Sends
    do not pass through them.
    """

    def __init__(
        self,
        children: Children,
        lives: RestartRecords,
        recovery: RecoveryLog,
        *,
        without: frozenset[str] = frozenset(),
    ) -> None:
        """`without`: roles that the settings do not ask for."""
        self._roles = [role for role in SERVICES if role not in without]
        self._children = children
        self._lives = lives
        self._recovery = recovery
        self._making: dict[str, asyncio.Task[None]] = {}
        self.state = RemoteState()
        """The StateManager, for writes of the root."""

    def adopted(self, child: Child) -> None:
        """Notes a service that a previous root started."""
        if child.role in SHARED_SERVICES:
            self._children.share(child.role, child.handle)
        if child.role == "state":
            self.state.handle = child.handle.raw

    def ensure(self, *, but: frozenset[str] = frozenset()) -> None:
        """Starts missing services, `but` these roles."""
        there = {child.role for child in self._children}
        for role in self._roles:
            if role not in there | but:
                self._make(role, None)

    def ended(self, child: Child, end: End) -> None:
        """Starts a service that ended again."""
        self._lives.fell(child.role, child.lived, time.monotonic())
        self._make(child.role, end)

    async def stop(self) -> None:
        """Starts no services any more."""
        for task in list(self._making.values()):
            task.cancel()

    def _make(self, role: str, end: End | None) -> None:
        if role not in self._making:
            task = asyncio.ensure_future(self._until_made(role, end))
            self._making[role] = task
            task.add_done_callback(lambda _: self._making.pop(role, None))

    async def _until_made(self, role: str, end: End | None) -> None:
        began = time.monotonic()
        await asyncio.sleep(self._lives.delay(role, _chance()))
        while True:
            try:
                child = await self._children.create(role)
            except (ActorDead, CallTimeout, CallRefused, ImportError) as error:
                # A dead actor may still have its name: the next try creates a new one.
                log.warning("service not created", action="create", role=role, error=repr(error))
                self._lives.fell(role, 0.0, time.monotonic())
                await asyncio.sleep(max(0.05, self._lives.delay(role, _chance())))
                continue
            break
        self.adopted(child)
        if end is not None:
            self._recovery.record(
                role=role,
                cause=end.reason,
                action="restarted",
                before=end.reason,
                after="running",
                seconds=time.monotonic() - began,
            )


def unneeded(settings: Settings, *, remote: bool) -> frozenset[str]:
    """Returns the roles without work: the bucket's process unless it is `remote`, and scheduled backups without a target."""
    needed = {"vault": remote, "backup": settings.backup_target is not None}
    return frozenset(role for role, is_needed in needed.items() if not is_needed)


def _chance() -> float:
    return random.random()  # noqa: S311 - spreads restarts, hides nothing
