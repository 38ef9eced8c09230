"""An owner of ``shop`` that executes commands of the gateway, and kills itself before it answers one.

Called with one argument, JSON: `settings` (values) and `directory`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, cast

from actors.config.sources import resolve_settings
from actors.connection.engine import EngineEvents
from actors.connection.owner.command_handler import CommandHandler
from actors.connection.whatsmeow import open_engine
from actors.redis.client import connect
from actors.redis.commands import Commands
from actors.redis.leases.leases import Leases, Owner


def before_answering() -> None:
    """WhatsApp has carried the command out, and its caller does not know."""

    async def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    Commands.answer = die  # type: ignore[assignment,method-assign]


async def main(asked: dict[str, Any]) -> None:
    settings = resolve_settings(**asked["settings"])
    before_answering()
    redis = connect(settings)
    lease = await Leases(redis).take("shop", Owner("child", os.getpid(), "here"), 1)
    events = EngineEvents()
    engine = open_engine(
        settings, "shop", lease.epoch, events, Path(asked["directory"]), media=None
    )
    engine.extend(60)
    handler = CommandHandler("shop", engine, Commands(redis, settings), cast("Any", None))
    opened = asyncio.Event()

    async def on_open() -> None:
        opened.set()

    async def obey() -> None:
        await opened.wait()
        await handler.run()

    events.on_open = on_open
    await asyncio.gather(engine.run(), obey())


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
