"""A StateManager that kills itself as it stores messages: ``state_manager_child.py DATA POINT FIRST COUNT``.

`POINT` is ``before`` or ``after`` the batch is in the store, or ``none``: then it stores them all.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from actors.runtime import actor_base
from actors.state.actor import StateManager
from actors.state.sqlite.store import SqliteDocuments
from tests.integration.gateway.served import SHOP
from tests.integration.gateway.webhooks.stored_messages import received


def dying(*, after: bool) -> None:
    original = SqliteDocuments.batch

    async def batch(self: SqliteDocuments, writes: Any) -> None:
        if after:
            await original(self, writes)
        os.kill(os.getpid(), signal.SIGKILL)

    SqliteDocuments.batch = batch  # type: ignore[method-assign]


async def main(data: Path, point: str, first: int, count: int) -> None:
    vars(actor_base)["log_to"] = lambda *_: None  # the log of this process is the test's
    if point != "none":
        dying(after=point == "after")
    state = StateManager(str(data), "state")
    await state.start()
    items = [received(number) for number in range(first, first + count)]
    assert await state.store_messages(SHOP, 1, items)
    await state._stop()


if __name__ == "__main__":
    directory, where, begin, size = sys.argv[1:]
    asyncio.run(main(Path(directory), where, int(begin), int(size)))
