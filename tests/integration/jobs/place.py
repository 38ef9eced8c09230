"""An instance in which jobs run."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from actors.redis.client import connect
from actors.state.open_store import open_documents
from supervision.jobs.__main__ import main
from tests.processes.valkey import PASSWORD, Valkey

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    import pytest
    from redis.asyncio import Redis

    from actors.config.settings import Settings
    from actors.state.documents import Documents

SHOP, ID, DAY = "shop", "shop--K7Q2M9XA4TBC", 86_400.0
GONE = "15550100003@s.whatsapp.net"
ANA, SECRET = "15550100002@s.whatsapp.net", "nobody but the recipient reads this"
OLD, NEW = "5e" * 32, "6f" * 32


class Place:
    """An instance's directory with a real Redis and SQLite, in which jobs run."""

    def __init__(self, data: Path, valkey: Valkey, capfd: pytest.CaptureFixture[str]) -> None:
        self.data, self._valkey, self._capfd = data, valkey, capfd
        self.settings = self.set()
        self.do(lambda redis, _: redis.flushall())

    def set(self, **flags: Any) -> Settings:
        settings = self._valkey.settings(**flags).model_copy(update={"data": self.data})
        settings.save()
        self.settings = settings
        return settings

    def do(self, work: Callable[[Redis, Documents], Awaitable[Any]]) -> Any:
        async def done() -> Any:
            redis, documents = connect(self.settings), open_documents(self.settings)
            try:
                return await work(redis, documents)
            finally:
                await documents.close()
                await redis.aclose()

        return asyncio.run(done())

    def run(self, *words: str, status: int = 0) -> list[dict[str, Any]]:
        """Runs a job; returns its lines as JSON."""
        self._capfd.readouterr()
        assert main([*words, "--data", str(self.data)]) == status
        said = self._capfd.readouterr().out
        assert SECRET not in said
        assert PASSWORD not in said
        return [json.loads(line) for line in said.splitlines()]

    def result(self, *words: str) -> dict[str, Any]:
        last = self.run(*words)[-1]
        assert last["dry_run"] == ("--dry-run" in words)
        found: dict[str, Any] = last["result"]
        return found

    def refused(self, code: str, *words: str) -> str:
        last = self.run(*words, status=1)[-1]
        assert last["code"] == code, last
        return str(last["error"])
