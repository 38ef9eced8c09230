"""Keeps spare connection actors in the root actor's care, with code imported; hands one over when a connection starts."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from supervision.cluster import ActorDead, CallRefused, CallTimeout

if TYPE_CHECKING:
    from supervision.child import Child
    from supervision.children import Children

log = structlog.get_logger()

RETRY_PAUSE = 1.0
"""Seconds until the next try after the creation of a standby failed."""


class Standbys:
    """Keeps `size` standbys ready.

    `take` returns a ready one at once, else creates one. Its replacement is created after the takeover,
    so that the two do not share a core of a small host.
    """

    def __init__(self, children: Children, size: int) -> None:
        self._children = children
        self._size = size
        self._ready: list[Child] = []
        self._busy = 0
        self._making: asyncio.Future[Child] | None = None
        self._promised = False
        self._look = asyncio.Event()
        self._look.set()

    def add(self, child: Child) -> None:
        """Adds a standby that a previous root created, or that did not serve."""
        self._ready.append(child)

    def remove(self, child: Child) -> bool:
        """Removes an ended child; returns whether it was a standby."""
        if child not in self._ready:
            return False
        self._ready.remove(child)
        self._look.set()
        return True

    async def take(self) -> Child:
        """Returns a child that is ready to serve. Raises `ActorDead`, `CallTimeout`, `CallRefused`.

        The caller calls `done` once the child serves, or failed to.
        """
        self._busy += 1
        if not self._ready and self._making is not None and not self._promised:
            # A standby under construction is ready sooner than another one beside it. There is only
            # one: after a cold start all other callers would wait for it in vain.
            self._promised = True
            try:
                with suppress(ActorDead, CallTimeout, CallRefused):
                    await asyncio.shield(self._making)
                    await asyncio.sleep(0)
            finally:
                self._promised = False
        if self._ready:
            return self._ready.pop(0)
        return await self._children.create("connection")

    def done(self) -> None:
        """Ends a takeover, so that its replacement is created."""
        self._busy -= 1
        self._look.set()

    async def renew(self) -> None:
        """Ends the ready standbys; their replacements run the installed code."""
        while self._ready:
            old = self._ready.pop()
            self._look.set()
            await self._children.dismiss(old)

    async def replenish(self) -> None:
        """Creates missing standbys, for ever; one at a time."""
        while True:
            await self._look.wait()
            self._look.clear()
            while len(self._ready) > self._size:  # adopted beside one under construction
                await self._children.dismiss(self._ready.pop())
            while len(self._ready) < self._size and not self._busy:
                self._making = asyncio.ensure_future(self._children.create("connection"))
                try:
                    self._ready.append(await self._making)
                except (ActorDead, CallTimeout, CallRefused) as error:
                    log.warning("no standby", action="standby", error=repr(error))
                    await asyncio.sleep(RETRY_PAUSE)
                finally:
                    self._making = None

    @property
    def names(self) -> set[str]:
        """The names of the ready standbys."""
        return {child.name for child in self._ready}
