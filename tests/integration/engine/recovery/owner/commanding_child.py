"""An owner of ``shop`` that executes commands of the gateway, and kills itself at a step of one.

Called with one argument, JSON: `settings` (values), `directory`, `kind` (of the engine) and `point`, one of `POINTS`.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from actors.config.sources import resolve_settings
from actors.connection.engine import EngineEvents
from actors.connection.native.signal import prekeys
from actors.connection.native.transport.socket import Socket
from actors.connection.owner.command_handler import CommandHandler
from actors.redis.client import connect
from actors.redis.commands import Commands
from actors.redis.leases.leases import Leases, Owner
from tests.integration.engine.recovery.owner.crashing_child import Step, before_calling

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.protocol.wire_format.nodes import Node


def around_request(step: Step, *, after: bool) -> None:
    """Beside the writing of a request that changes a group."""
    original = Socket.send

    async def send(self: Socket, *nodes: Node) -> None:
        changes = any(
            (one.attrs.get("xmlns"), one.attrs.get("type")) == ("w:g2", "set") for one in nodes
        )
        if changes and not after:
            step.reached()
        await original(self, *nodes)
        if changes and after:
            await asyncio.sleep(0.2)  # it is on its way
            step.reached()

    Socket.send = send  # type: ignore[method-assign]


POINTS: dict[str, Callable[[Step], None]] = {
    "before_request_leaves": lambda step: around_request(step, after=False),
    "after_request_left": lambda step: around_request(step, after=True),
    "before_answer": lambda step: before_calling(step, Commands, "answer"),
}


async def main(asked: dict[str, Any]) -> None:
    prekeys.FEW = 0  # type: ignore[misc]  # those that the pairing made will do
    settings = resolve_settings(**asked["settings"])
    POINTS[asked["point"]](Step(1))
    redis = connect(settings)
    lease = await Leases(redis).take("shop", Owner("child", os.getpid(), "here"), 1)
    package = importlib.import_module(f"actors.connection.{asked['kind']}")
    events = EngineEvents()
    engine = package.open_engine(
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
