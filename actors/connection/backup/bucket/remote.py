"""Implements the bucket interface by Ray calls to the bucket actor, which has loaded Google's client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from actors.connection.backup.bucket.port import (
    BucketAway,
    BucketObject,
    Conflict,
    Content,
    check_name,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

REMOTE_CALL_SECONDS: Final = 60.0
"""Seconds within which the other process has given up by itself."""


class RemoteBucket:
    """Calls the bucket actor by the handle that supervision passed last."""

    def __init__(self) -> None:
        self.handle: Any = None

    async def write(self, name: str, data: bytes, replaces: int = 0) -> int:
        """See the port."""
        return int(await self._call("write", check_name(name), data, replaces))

    async def read(self, name: str) -> Content | None:
        """See the port."""
        found = await self._call("read", check_name(name))
        return None if found is None else Content(*found)

    async def list(self, prefix: str) -> Sequence[BucketObject]:
        """See the port."""
        return [BucketObject(*each) for each in await self._call("list", prefix)]

    async def delete(self, name: str, generation: int = 0) -> None:
        """See the port."""
        await self._call("delete", check_name(name), generation)

    async def _call(self, method: str, *arguments: object) -> Any:
        if self.handle is None:
            raise BucketAway("not_known_yet")
        try:
            reference = getattr(self.handle, method).remote(*arguments)
            async with asyncio.timeout(REMOTE_CALL_SECONDS):
                outcome, value = await reference
        except Exception as error:  # noqa: BLE001 - it is gone, hangs, or is not made yet
            raise BucketAway(type(error).__name__) from None
        if outcome == "away":
            raise BucketAway(value)
        if outcome == "conflict":
            raise Conflict
        return value
