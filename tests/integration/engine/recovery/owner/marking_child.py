"""An owner of ``shop`` with the engine, which kills itself at a step while it marks messages as read.

Called with one argument, JSON: `settings` (values), `directory` and `point`, one of `POINTS`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from actors.config.sources import resolve_settings
from actors.connection.engine import EngineEvents
from actors.connection.limits.message_deferral import MessageDeferral
from actors.connection.native import open_engine
from actors.connection.native.signal import prekeys
from actors.connection.owner.sender import Sender, Ticket
from actors.queue.outbound_queue import OutboundQueue
from actors.redis.client import connect
from actors.redis.leases.leases import Leases, Owner
from tests.integration.engine.recovery.owner.crashing_child import POINTS, Step, before_calling
from tests.integration.queue.sending_child import Mute

if TYPE_CHECKING:
    from actors.connection.owner.reporter import Reporter


def after_claim(step: Step) -> None:
    """A message is claimed, and nothing of it was begun."""
    before_calling(step, Sender, "_begin")


async def main(asked: dict[str, Any]) -> None:
    prekeys.FEW = 0  # type: ignore[misc]  # those that the pairing made will do
    settings = resolve_settings(**asked["settings"])
    {**POINTS, "after_claim": after_claim}[asked["point"]](Step(1))
    redis = connect(settings)
    lease = await Leases(redis).take("shop", Owner("child", os.getpid(), "here"), 1)
    events = EngineEvents()
    engine = open_engine(settings, "shop", lease.epoch, events, Path(asked["directory"]))
    lanes = OutboundQueue(redis, settings)
    sender = Sender(
        Ticket("shop", lease.epoch),
        engine,
        lanes,
        MessageDeferral(lease, lanes, cast("Reporter", Mute()), on_lost=sys.exit),
        concurrency=4,
        retry_at=lambda _attempts, _permanent, now: now + 1,
        on_lost=sys.exit,
    )

    async def on_open() -> None:
        sender.opened()

    events.on_open = on_open
    await asyncio.gather(engine.run(), sender.run())


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
