"""Reads all that a gateway's Redis and its state store hold, so that a test sees whether anything was written."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING, Any

from actors.redis.client import connect

if TYPE_CHECKING:
    from tests.integration.gateway.served import Gateway

Everything = tuple[dict[str, bytes | None], list[Any]]
"""All that Redis and the state store hold."""


class HeldContents:
    """Contents of both, read by one connection to each."""

    def __init__(self, gateway: Gateway) -> None:
        self._runner = asyncio.Runner()
        self._redis = connect(gateway.settings)
        self._redis.connection_pool.connection_kwargs["decode_responses"] = False
        self._store = sqlite3.connect(f"file:{gateway.settings.state_file}?mode=ro", uri=True)
        self.last: Everything | None = None
        """The contents after the last test; before the first one, those that the gateway begins with."""

    def read(self) -> Everything:
        documents = self._store.execute("SELECT * FROM documents ORDER BY 1, 2").fetchall()
        assert documents
        return self._runner.run(self._keys()), documents

    async def _keys(self) -> dict[str, bytes | None]:
        return {str(key): await self._redis.dump(key) async for key in self._redis.scan_iter()}

    def close(self) -> None:
        self._runner.run(self._redis.aclose())
        self._runner.close()
        self._store.close()
