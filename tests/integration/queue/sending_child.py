"""Sends for ``shop`` of the data directory given, in a process that some messages kill.

Each attempt is a line of the file ``attempts`` there. A text that begins with ``kill`` ends the
process in the middle of its sending, with all else that is in flight; so does a change of a chat while
there is the file ``deadly``. One that begins with ``wait``
waits while a limit of the account is in the file ``limited``, which has its end.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

from actors.config.settings import Settings
from actors.connection.limits.account_limits import REACH_OUT_LIMITED, Limits
from actors.connection.limits.ack_errors import SendDeferred
from actors.connection.limits.message_deferral import MessageDeferral
from actors.connection.owner.sender import Sender, Ticket
from actors.messages.content import pack, text_of
from actors.queue.outbound_queue import OutboundQueue
from actors.redis.client import connect
from actors.redis.leases.leases import Leases, Owner
from tests.integration.queue.names import Learnt

if TYPE_CHECKING:
    from actors.connection.engine import Engine, SendRequest
    from actors.connection.owner.reporter import Reporter
    from actors.messages.content import SettingChange


class Mute:
    """A reporter whom nobody hears."""

    def limited(self, _: object) -> None:
        return

    def mistaken(self) -> None:
        return


class DeadlyEngine(Learnt):
    """Acknowledges after a while, if it lives that long."""

    def __init__(self, log: Path, limits: Limits) -> None:
        self._log = log
        self._limits = limits

    async def send(self, message: SendRequest) -> float:
        until = self._limits.locked_until
        if until is not None and (text_of(message.content) or "").startswith("wait"):
            await asyncio.sleep(0.01)
            raise SendDeferred(REACH_OUT_LIMITED, until)
        with self._log.open("a") as file:
            file.write(f"{text_of(message.content)}\n")
        if (text_of(message.content) or "").startswith("kill"):
            await asyncio.sleep(0.05)
            os.kill(os.getpid(), signal.SIGKILL)
        await asyncio.sleep(0.2)
        return time.time()

    async def change_chat(self, chat: str, change: SettingChange, at: float) -> None:
        with self._log.open("a") as file:
            file.write(f"{chat} {pack(change)} {at}\n")
        if self._log.with_name("deadly").exists():
            os.kill(os.getpid(), signal.SIGKILL)


async def serve(data: Path) -> None:
    settings = Settings.load(data)
    redis = connect(settings)
    lease = await Leases(redis).take("shop", Owner("child", os.getpid(), "here"))
    lanes, limited = OutboundQueue(redis, settings), data / "limited"
    limits = Limits(float(limited.read_text()) if limited.exists() else None)
    standing = MessageDeferral(lease, lanes, cast("Reporter", Mute()), on_lost=sys.exit)
    sender = Sender(
        Ticket("shop", lease.epoch),
        cast("Engine", DeadlyEngine(data / "attempts", limits)),
        lanes,
        standing,
        concurrency=settings.queue_concurrency,
        retry_at=lambda _attempts, _permanent, now: now + 1,
        on_lost=sys.exit,
    )
    await standing.update(limits)  # as at each login
    sender.opened()
    await asyncio.gather(sender.run(), standing.run())


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
