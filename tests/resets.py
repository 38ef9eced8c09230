"""Servers that reset a connection just as it is made, as those do that are killed."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ROUNDS = 120
TURNS = 12


async def asked(ask: Callable[[str], Awaitable[object]]) -> list[object]:
    """The outcomes, or the exceptions, of asking each of many such servers four times at once.

    `ask` gets the server's URL. The server goes after 0 to 11 turns of the loop, in one of which the
    connection is made.
    """
    outcomes: list[object] = []
    for number in range(ROUNDS):
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = f"http://127.0.0.1:{server.getsockname()[1]}/"
            asking = [asyncio.ensure_future(ask(url)) for _ in range(4)]
            for _ in range(number % TURNS):
                await asyncio.sleep(0)
        outcomes += await asyncio.gather(*asking, return_exceptions=True)
    return outcomes
