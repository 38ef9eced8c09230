"""Opens TCP connections through a proxy, for asyncio sockets, blocking sockets and httpx, by python-socks.

The name of a proxy that may not be private is resolved once for each connection, which goes to an address that was
judged: a name that changes in between reaches nothing (DNS rebinding).
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from actors.connection.disconnects.causes import Cause, Kind
from actors.runtime.public_addresses import is_public

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from actors.connection.proxy.address import ProxyAddress

PROXY_CONNECT_SECONDS: Final = 10.0
"""Seconds that a proxy has to connect to WhatsApp."""

WRONG_PASSWORD: Final = 407
"""HTTP's status of a proxy that wants another user or password, or any."""


class ProxyFailed(OSError):
    """The proxy let nothing through; `cause` says why. It carries no secret."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(str(cause))
        self.cause = cause


async def connect(proxy: ProxyAddress, host: str, port: int) -> socket.socket:
    """A socket to `host`, whose name the proxy resolves. Raises `ProxyFailed`; never connects directly."""
    from python_socks.async_.asyncio import Proxy  # noqa: PLC0415 - where there is no proxy, not loaded

    with _failures(proxy):
        async with asyncio.timeout(PROXY_CONNECT_SECONDS):
            arguments = await asyncio.to_thread(_arguments, proxy)
            return await Proxy(*arguments, rdns=True).connect(host, port)


def connect_blocking(proxy: ProxyAddress, host: str, port: int, within: float) -> socket.socket:
    """As `connect`, for a thread; `within` is in seconds."""
    from python_socks.sync import Proxy  # noqa: PLC0415

    with _failures(proxy):
        return Proxy(*_arguments(proxy), rdns=True).connect(host, port, timeout=within)


def transport(proxy: ProxyAddress, **more: Any) -> httpx.AsyncBaseTransport:
    """The transport with which an `httpx.AsyncClient` asks through the proxy; it raises `ProxyFailed` too.

    `more` are arguments of `httpx.AsyncHTTPTransport`.
    """
    import httpcore  # noqa: PLC0415
    import httpx  # noqa: PLC0415
    from anyio.abc import SocketStream  # noqa: PLC0415
    from httpcore._backends.anyio import AnyIOStream  # noqa: PLC0415 - it has no public name

    class Tunnels(httpcore.AnyIOBackend):
        async def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> AnyIOStream:
            made = await connect(proxy, host, port)
            return AnyIOStream(await SocketStream.from_socket(made))

    through = httpx.AsyncHTTPTransport(**more)
    assert through._pool._network_backend  # noqa: SLF001 - all connections are made by it
    through._pool._network_backend = Tunnels()  # noqa: SLF001
    return through


def _arguments(proxy: ProxyAddress) -> tuple[Any, str, int, str | None, str | None]:
    """The proxy in python-socks' words: type, host, port, user, password. Raises `ProxyFailed`, and blocks for a name."""
    from python_socks import ProxyType  # noqa: PLC0415

    host = proxy.host
    if not proxy.private:
        found = socket.getaddrinfo(host, proxy.port, type=socket.SOCK_STREAM)
        addresses = [str(address[0]) for *_, address in found]
        if not all(map(is_public, addresses)):
            raise ProxyFailed(Cause(Kind.PROXY_PRIVATE, "connect"))
        host = addresses[0]
    return ProxyType[proxy.scheme.upper()], host, proxy.port, proxy.user, proxy.password


@contextmanager
def _failures(proxy: ProxyAddress) -> Iterator[None]:
    """Turns what python-socks raises into `ProxyFailed`."""
    from python_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError  # noqa: PLC0415

    try:
        yield
    except ProxyFailed:
        raise
    except (ProxyTimeoutError, TimeoutError):
        raise ProxyFailed(Cause(Kind.PROXY_UNREACHABLE, "timeout")) from None
    except ProxyConnectionError:
        raise ProxyFailed(Cause(Kind.PROXY_UNREACHABLE, "connect")) from None
    except ProxyError as error:
        raise ProxyFailed(_refusal(proxy, str(error), error.error_code)) from None
    except OSError:
        raise ProxyFailed(Cause(Kind.PROXY_UNREACHABLE, "broke_off")) from None


def _refusal(proxy: ProxyAddress, text: str, code: int | None) -> Cause:
    """The cause in a proxy's answer; `code` is HTTP's status or SOCKS' reply, where there was one."""
    if proxy.scheme == "http" and code == WRONG_PASSWORD:
        return Cause(Kind.PROXY_AUTHENTICATION, f"answer_{code}")
    if code is not None:
        return Cause(Kind.PROXY_REFUSED, f"answer_{code}")
    # SOCKS has no number for it, and python-socks no class: each of its texts about that step says so.
    if proxy.scheme == "socks5" and "auth" in text.lower():
        return Cause(Kind.PROXY_AUTHENTICATION, "answer")
    return Cause(Kind.PROXY_UNREACHABLE, "answer")
