"""The history of recoveries is written however often the store is away meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from actors.config.sources import resolve_settings
from actors.state.documents import RECOVERY_ACTIONS, StoreAway
from actors.state.open_store import open_documents
from supervision.reports import recovery_log
from supervision.reports.recovery_log import RecoveryLog
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

    from actors.state.documents import Write


def record(of: RecoveryLog, connection: str) -> None:
    of.record(
        role="connection",
        connection=connection,
        cause="crashed",
        action="restarted",
        seconds=0.5,
        before="open",
        after="connecting",
    )


async def test_what_is_recorded_while_the_store_is_away_is_written_once_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G11: nothing of the history is lost, and each action is in it once."""
    documents = open_documents(resolve_settings(data=tmp_path))
    store, refused = documents.batch, list[int]()

    async def batch(writes: Sequence[Write]) -> None:
        if len(refused) < 3:
            refused.append(len(writes))
            raise StoreAway("away")
        await store(writes)

    monkeypatch.setattr(recovery_log, "RETRY_PAUSE", 0.01)
    monkeypatch.setattr(documents, "batch", batch)
    kept = RecoveryLog(documents)
    running = asyncio.create_task(kept.run())
    for connection in ("shop", "kiosk"):
        record(kept, connection)

    async def written() -> list[Any] | None:
        found = (await documents.query(RECOVERY_ACTIONS)).items
        return found if len(found) == 2 else None

    try:
        found = await eventually("both are written", written, 5)
        assert {each["connection"] for each in found} == {"shop", "kiosk"}
        assert len(refused) == 3
    finally:
        running.cancel()
        await asyncio.wait([running])
        await documents.close()
