"""Resolves a host name within three seconds, for the checks of `teimoso doctor`."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress

NAME_SECONDS = 3.0


async def addresses_of(host: str, port: int) -> list[str]:
    """The addresses of a host. Raises OSError, UnicodeError or, in time, TimeoutError.

    A name server that is away holds up its thread for a minute, and nobody may wait for that one.
    """
    found: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()

    def settle(addresses: list[str] | None, error: Exception | None) -> None:
        if found.done():
            return
        if error is not None:
            found.set_exception(error)
        else:
            found.set_result(addresses or [])

    def resolve() -> None:
        addresses, failure = None, None
        try:
            resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = [str(address[0]) for *_, address in resolved]
        except (OSError, UnicodeError) as error:
            failure = error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, addresses, failure)

    threading.Thread(target=resolve, daemon=True).start()
    async with asyncio.timeout(NAME_SECONDS):
        return await found
