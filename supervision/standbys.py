"""The standbys: connection actors with everything imported, waiting for a connection to serve."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from supervision.cluster import ActorDead, NoAnswer, Refused

if TYPE_CHECKING:
    from supervision.children import Child, Children

log = structlog.get_logger()

AGAIN = 1.0
"""Seconds until the next try after a standby could not be made."""


class Standbys:
    """Keeps `size` standbys ready.

    `take` gives one at once where one is ready, else makes one; either way a new one is made
    behind it, after the takeover and not beside it: on a small machine they would share the core.
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
        """An adopted standby."""
        self._ready.append(child)

    def remove(self, child: Child) -> bool:
        """A child that ended; True when it was a standby."""
        if child not in self._ready:
            return False
        self._ready.remove(child)
        self._look.set()
        return True

    async def take(self) -> Child:
        """A child that is ready to serve. Raises `ActorDead`, `NoAnswer`, `Refused`.

        Call `done` when it serves, or when it could not.
        """
        self._busy += 1
        if not self._ready and self._making is not None and not self._promised:
            # The one on its way is here sooner than another that shares the machine with it. It is
            # one: after a cold start all others would wait for it in vain.
            self._promised = True
            try:
                with suppress(ActorDead, NoAnswer, Refused):
                    await asyncio.shield(self._making)
                    await asyncio.sleep(0)
            finally:
                self._promised = False
        if self._ready:
            return self._ready.pop(0)
        return await self._children.create("connection")

    def done(self) -> None:
        """The takeover is over: make a standby behind it."""
        self._busy -= 1
        self._look.set()

    async def renew(self) -> None:
        """End those that are ready: others are made in their place, of the code that is there now."""
        while self._ready:
            old = self._ready.pop()
            self._look.set()
            await self._children.dismiss(old)

    async def keep(self) -> None:
        """Make standbys whenever one is missing, for ever; one at a time."""
        while True:
            await self._look.wait()
            self._look.clear()
            while len(self._ready) > self._size:  # adopted, with one that was just being made
                await self._children.dismiss(self._ready.pop())
            while len(self._ready) < self._size and not self._busy:
                self._making = asyncio.ensure_future(self._children.create("connection"))
                try:
                    self._ready.append(await self._making)
                except (ActorDead, NoAnswer, Refused) as error:
                    log.warning("no standby", action="standby", error=repr(error))
                    await asyncio.sleep(AGAIN)
                finally:
                    self._making = None

    @property
    def names(self) -> set[str]:
        """The names of those that are ready."""
        return {child.name for child in self._ready}
