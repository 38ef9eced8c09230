"""The drain of one connection's inbox in a process that kills itself at a step that the test names.

Called with one argument, JSON: `settings` (values), `session` (its file), `epoch` and `point`. The
steps are replaced in here; the product knows nothing of them. Without a point it drains to the end.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.config.sources import resolve_settings
from actors.connection import whatsmeow
from actors.connection.engine import EngineEvents
from actors.connection.owner.inbox_drain import InboxDrain
from actors.connection.owner.sender import Ticket
from actors.connection.session.received.inbox import Inbox
from actors.queue.outbound_queue import OutboundQueue
from actors.redis.client import connect
from actors.state.actor import StateManager
from actors.state.sqlite.store import SqliteDocuments

if TYPE_CHECKING:
    from collections.abc import Callable


def dying(owner: type, name: str, *, after: bool) -> None:
    original: Callable[..., Any] = getattr(owner, name)

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    async def called(self: Any, *arguments: Any, **named: Any) -> Any:
        if not after:
            die()
        answer = await original(self, *arguments, **named)
        die()
        return answer

    setattr(owner, name, called)


def dying_in_the_settling(*, of: int = 1) -> None:
    """In the settling with this number."""
    original, settled = Inbox.settle, 0

    def settle(self: Inbox, keys: Any) -> None:
        nonlocal settled
        original(self, keys)
        settled += 1
        if settled == of:
            os.kill(os.getpid(), signal.SIGKILL)

    Inbox.settle = settle  # type: ignore[method-assign]


POINTS: dict[str, Callable[[], None]] = {
    "before_store": lambda: dying(SqliteDocuments, "batch", after=False),
    "after_store": lambda: dying(SqliteDocuments, "batch", after=True),
    "before_redacting": lambda: dying(OutboundQueue, "redact", after=False),
    "after_redacting": lambda: dying(OutboundQueue, "redact", after=True),
    "before_clearing": lambda: dying(StateManager, "clear_app_state", after=False),
    "after_clearing": lambda: dying(StateManager, "clear_app_state", after=True),
    "before_settling_commit": dying_in_the_settling,
    "before_settling_the_end": lambda: dying_in_the_settling(of=2),
    "none": lambda: None,
}


async def main(asked: dict[str, Any]) -> None:
    settings = resolve_settings(**{**asked["settings"], "data": Path(asked["settings"]["data"])})
    engine = whatsmeow.open_engine(
        settings, "shop", asked["epoch"], EngineEvents(), Path(asked["session"]).parent
    )
    redis = connect(settings)
    lanes = OutboundQueue(redis, settings)
    state = StateManager(asked["settings"]["data"], "state")
    POINTS[asked["point"]]()
    await state.start()
    drain = InboxDrain(
        Ticket("shop", asked["epoch"]),
        engine,
        lanes,
        state,
        on_lost=lambda _: None,
    )
    assert await drain.once()
    await state.stop()
    await lanes.close()
    await redis.aclose()
    await engine.close()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
