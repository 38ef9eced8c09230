"""The actors of which there is one each: state, queue, health, vault. One-for-one, for ever."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

import structlog

from actors.connection.state_manager.remote import RemoteState
from supervision.cluster import ActorDead, NoAnswer, Refused

if TYPE_CHECKING:
    from supervision.children import Child, Children, End
    from supervision.policy import Lives
    from supervision.reports.recovery_log import Recovery

log = structlog.get_logger()

ROLES = ("state", "queue", "health", "vault")
SHARED = frozenset({"state", "queue", "vault"})
"""Those whose handles the others need."""
BEHIND = frozenset({"queue", "health"})
"""Those that nothing which is open waits for: the view of the queue, and the monitor."""


class Services:
    """Keeps one actor of each role alive, and everybody's handles of them new.

    They are restarted with backoff, and never given up: without them the service is degraded,
    giving up would leave it so. Nobody waits for them: sends go past all three.
    """

    def __init__(
        self, children: Children, lives: Lives, recovery: Recovery, *, vault: bool
    ) -> None:
        """`vault`: whether a process has to stand before the bucket."""
        self._roles = [role for role in ROLES if role != "vault" or vault]
        self._children = children
        self._lives = lives
        self._recovery = recovery
        self._making: dict[str, asyncio.Task[None]] = {}
        self.state = RemoteState()
        """The StateManager, for what the root itself has to store."""

    def adopted(self, child: Child) -> None:
        """One of them lived already."""
        if child.role in SHARED:
            self._children.share(child.role, child.handle)
        if child.role == "state":
            self.state.handle = child.handle.raw

    def ensure(self, *, but: frozenset[str] = frozenset()) -> None:
        """Make what is missing, `but` those roles."""
        there = {child.role for child in self._children}
        for role in self._roles:
            if role not in there | but:
                self._make(role, None)

    def ended(self, child: Child, end: End) -> None:
        """One of them ended: make it again."""
        self._lives.fell(child.role, child.lived, time.monotonic())
        self._make(child.role, end)

    async def stop(self) -> None:
        """Make none any more."""
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
            except (ActorDead, NoAnswer, Refused, ImportError) as error:
                # An actor just dead may still have its name: the next try makes a new one.
                log.warning("not made", action="create", role=role, error=repr(error))
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


def _chance() -> float:
    return random.random()  # noqa: S311 - spreads restarts, hides nothing
