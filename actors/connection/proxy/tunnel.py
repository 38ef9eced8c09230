"""Opens TCP connections through a proxy, for asyncio sockets, blocking sockets and httpx, by python-socks."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from actors.connection.disconnects.causes import Cause, Kind

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    import httpx

    from actors.connection.proxy.address import ProxyAddress

PROXY_CONNECT_SECONDS: Final = 10.0
"""Seconds that a proxy has to connect to WhatsApp."""

WRONG_PASSWORD: Final = 407
"""HTTP's status of a proxy that wants another user or password, or any."""


class ProxyFailed(OSError):  # noqa: N818 - reads as what it is
    """The proxy let nothing through; `cause` says why. It carries no secret."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(str(cause))
        self.cause = cause


async def way(url: str, proxy: ProxyAddress | None) -> dict[str, Any]:
    """Arguments of `websockets.connect` for the way to a URL: a socket; none without a proxy.

    Raises `ProxyFailed`. On a socket that it was given, websockets follows no redirect.
    """
    if proxy is None:
        return {}
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    return {"sock": await connect(proxy, parts.hostname or "", port)}


async def connect(proxy: ProxyAddress, host: str, port: int) -> socket.socket:
    """A socket to `host`, whose name the proxy resolves. Raises `ProxyFailed`; never connects directly."""
    from python_socks.async_.asyncio import Proxy  # noqa: PLC0415 - where there is no proxy, not loaded

    with _failures(proxy):
        return await Proxy(*_arguments(proxy), rdns=True).connect(
            host, port, timeout=PROXY_CONNECT_SECONDS
        )


def connect_blocking(proxy: ProxyAddress, host: str, port: int, within: float) -> socket.socket:
    """As `connect`, for a thread; `within` is in seconds."""
    from python_socks.sync import Proxy  # noqa: PLC0415

    with _failures(proxy):
        return Proxy(*_arguments(proxy), rdns=True).connect(host, port, timeout=within)


def transport(proxy: ProxyAddress, **more: Any) -> httpx.AsyncBaseTransport:
    """The transport with which an `httpx.AsyncClient` asks through the proxy; it raises `errors` too.

    `more` are arguments of `httpx.AsyncHTTPTransport`.
    """
    from httpx_socks import AsyncProxyTransport  # noqa: PLC0415

    kind, host, port, user, password = _arguments(proxy)
    return AsyncProxyTransport(
        proxy_type=kind,
        proxy_host=host,
        proxy_port=port,
        username=user,
        password=password,
        rdns=True,
        **more,
    )


def errors() -> tuple[type[Exception], ...]:
    """Errors of a `transport`, beside httpx's own, where the proxy lets nothing through."""
    from python_socks import ProxyError  # noqa: PLC0415 - the others are an OSError

    return (ProxyError,)


def _arguments(proxy: ProxyAddress) -> tuple[Any, str, int, str | None, str | None]:
    """The proxy in python-socks' words: type, host, port, user, password."""
    from python_socks import ProxyType  # noqa: PLC0415

    return ProxyType[proxy.scheme.upper()], proxy.host, proxy.port, proxy.user, proxy.password


@contextmanager
def _failures(proxy: ProxyAddress) -> Iterator[None]:
    """Turns what python-socks raises into `ProxyFailed`."""
    from python_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError  # noqa: PLC0415

    try:
        yield
    except ProxyTimeoutError:
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
