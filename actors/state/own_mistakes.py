"""Notes a fault of this service (like a write that the state store refuses) in a document that health checks read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from actors.metrics.counters import measures
from actors.state.documents import HEALTH_STATUS

if TYPE_CHECKING:
    from actors.state.documents import Documents

MISTAKE = "mistake"
"""The document of `HEALTH_STATUS` with the last one."""


async def note(documents: Documents, action: str) -> None:
    """Count a mistake, and write when it was and what the log calls it. Raises `StoreAway`."""
    measures.count("teimoso_state_store_refusals", reason="mistake")
    await documents.set(
        HEALTH_STATUS, MISTAKE, {"stuck": 0, "mistaken_at": time.time(), "action": action}
    )
