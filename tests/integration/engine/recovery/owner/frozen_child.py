"""An owner that freezes on the way to the state store, and goes on once somebody thaws it.

The arguments are a directory and the step at which it stops itself. It prints ``lost`` when it
learns that its lease is gone. The step is replaced in here; the product knows nothing of it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from actors.config.settings import Settings
from actors.connection.engine import EngineEvents
from actors.connection.owner.inbox_drain import InboxDrain
from actors.connection.owner.sender import Ticket
from actors.connection.session import SESSION_FILE
from actors.connection.session.session import Session
from actors.connection.trace.recorder import Recorder
from actors.connection.whatsmeow.engine import WhatsmeowEngine
from actors.runtime import actor_base
from actors.state.actor import StateManager
from actors.state.sqlite.store import SqliteDocuments

if TYPE_CHECKING:
    from actors.queue.outbound_queue import OutboundQueue

STEPS = {"asking": (StateManager, "store_messages"), "committing": (SqliteDocuments, "batch")}


def freeze_at(step: str) -> None:
    owner, name = STEPS[step]
    called = getattr(owner, name)

    async def frozen(*arguments: Any) -> Any:
        os.kill(os.getpid(), signal.SIGSTOP)
        return await called(*arguments)

    setattr(owner, name, frozen)


async def main(directory: Path, step: str) -> None:
    vars(actor_base)["log_to"] = lambda *_: None
    freeze_at(step)
    made = Settings.load(directory)
    manager = StateManager(str(directory), "state")
    with closing(Session.open(directory / SESSION_FILE, 1)) as session:
        recorder = Recorder(directory / "trace.jsonl", "whatsmeow")
        engine = WhatsmeowEngine(
            made, session, directory, EngineEvents(), epoch=1, recorder=recorder
        )
        drain = InboxDrain(
            Ticket("shop", 1), engine, cast("OutboundQueue", None), manager, on_lost=print
        )
        await drain._messages.once()
        await manager.stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
