"""Pings WhatsApp over an open socket at random intervals, and fails the socket when no answer comes."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actors.connection.disconnects.causes import Cause, Kind

if TYPE_CHECKING:
    from actors.connection.native.transport.socket import Socket


@dataclass(frozen=True, slots=True)
class Keepalive:
    """Seconds between pings (from, to, at random) and that WhatsApp has to answer one.

    `most` and `deadline` together are the longest that a dead connection goes unnoticed.
    """

    least: float = 14.0
    most: float = 18.0
    deadline: float = 10.0

    async def run(self, socket: Socket) -> None:
        """Ping the socket until one goes unanswered; the socket ends with the cause then."""
        while True:
            # Not the same for all connections: a thousand of them would ping in step.
            await asyncio.sleep(random.uniform(self.least, self.most))  # noqa: S311
            if await socket.ping(self.deadline):
                continue
            # A stanza that is read only after a long commit was not late.
            if socket.silence >= self.deadline:
                socket.fail(Cause(Kind.KEEPALIVE))
                return
