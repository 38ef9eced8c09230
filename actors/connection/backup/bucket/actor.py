"""Implements the Ray actor that calls the bucket for other actors, so that these need not load Google's client."""

from __future__ import annotations

import asyncio
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

from actors.config.settings import Settings
from actors.connection.backup.bucket.port import BucketAway, Conflict
from actors.connection.backup.open_vault import open_bucket
from actors.runtime.actor_base import Shell

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from actors.connection.backup.bucket.port import Bucket

Outcome = tuple[str, Any]
"""``done`` and the value, ``away`` and the reason, or ``conflict``: Ray's errors say less."""


class VaultActor(Shell):
    """Performs bucket calls for other actors. Objects are encrypted before they get here (G10), and none is kept.

    While it is dead the bucket is away, and what is asked of it is asked again.
    """

    async def write(self, name: str, data: bytes, replaces: int) -> Outcome:
        """As `Bucket.write`; the outcome instead of an exception, which Ray would wrap."""
        return await self._outcome((await self._ready()).write(name, data, replaces))

    async def read(self, name: str) -> Outcome:
        outcome, found = await self._outcome((await self._ready()).read(name))
        return outcome, astuple(found) if outcome == "done" and found is not None else found

    async def list(self, prefix: str) -> Outcome:
        outcome, found = await self._outcome((await self._ready()).list(prefix))
        return outcome, [astuple(each) for each in found] if outcome == "done" else found

    async def delete(self, name: str, generation: int) -> Outcome:
        return await self._outcome((await self._ready()).delete(name, generation))

    async def _start(self) -> None:
        settings = await asyncio.to_thread(Settings.load, self.data)
        self._bucket = await asyncio.to_thread(open_bucket, settings)

    async def _ready(self) -> Bucket:
        await self.start()
        return self._bucket

    async def _outcome(self, call: Awaitable[Any]) -> Outcome:
        try:
            return "done", await call
        except BucketAway as away:
            return "away", away.reason
        except Conflict:
            return "conflict", None
