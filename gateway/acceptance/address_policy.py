"""Resolves host names in callers' URLs, and lets HTTP clients connect to public addresses only (SSRF guard).

A name is resolved once for each connection, every address that it has is judged, and the connection
goes to one of those: an answer that changes in between reaches nothing (DNS rebinding).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING

import httpcore

from actors.runtime.public_addresses import is_public

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    Resolve = Callable[[str, int], Awaitable[list[str]]]


class Private(Exception):
    """A name has an address that is not for everybody."""


class Unknown(Exception):
    """A name has no address that is known here."""


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host by this machine's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def is_private_host(host: str) -> bool:
    """Whether that is so without asking anybody: an address that is private, or this machine."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        # Also as 127.1, 0x7f000001 or 2130706433, which resolvers take for addresses.
        return not is_public(socket.inet_ntoa(socket.inet_aton(name)))
    except (OSError, UnicodeError):
        pass
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return not is_public(name)


def _live(stream: httpcore.AsyncNetworkStream) -> httpcore.AsyncNetworkStream:
    """The stream of a connection that stands. Raises `ConnectError` where its server reset it at once.

    uvloop has no socket of such a connection, which anyio does not expect.
    """
    try:
        stream.get_extra_info("socket")
    except AttributeError:
        raise httpcore.ConnectError("reset") from None
    return stream


class Guarded(httpcore.AsyncNetworkBackend):
    """Connects only where every address of the name may be reached, unless `private` ones may.

    Raises `Private` and `Unknown`.
    """

    def __init__(
        self,
        *,
        private: bool,
        resolve: Resolve = resolve,
        network: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._private = private
        self._resolve = resolve
        self._network = network or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - its signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._resolve(host, port)
        except (OSError, UnicodeError, TimeoutError):
            raise Unknown from None
        if not self._private and not all(is_public(each) for each in addresses):
            raise Private
        for number, address in enumerate(addresses, 1):
            try:
                return _live(
                    await self._network.connect_tcp(
                        address, port, timeout, local_address, socket_options
                    )
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if number == len(addresses):
                    raise
        raise Unknown

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)
