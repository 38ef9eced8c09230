"""Performs HTTPS requests to the media servers with bounded time and memory; loads httpx on first use."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from actors.connection.proxy import tunnel

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator
    from pathlib import Path

    import httpx

    from actors.connection.proxy.address import ProxyAddress

STREAM_CHUNK_BYTES: Final = 64 * 1024
"""Bytes that are handled at a time."""

LONGEST_ANSWER: Final = 64 * 1024
"""Bytes that are read of what a server says about an upload."""

_CONNECT_SECONDS: Final = 10.0
_SILENT_SECONDS: Final = 30.0
_LEAST_RATE: Final = 32 * 1024
"""Bytes a second; a slower transfer is given up."""

_ORIGIN: Final = "https://web.whatsapp.com"


class ServerUnreachable(Exception):
    """The server did not answer, or its answer broke off."""


def patience(size: int) -> float:
    """Seconds that a file of so many bytes may take."""
    return 60.0 + size / _LEAST_RATE


class HttpClient:
    """Requests over TLS, each with bounds on time and on memory; follows no redirect.

    `authority` is a PEM file that they are checked by instead of the public ones. `use` names the proxy
    through which it asks from then on.
    """

    def __init__(self, authority: Path | None = None) -> None:
        self._authority = authority
        self._proxy: ProxyAddress | None = None
        self._opening: asyncio.Task[httpx.AsyncClient] | None = None

    async def use(self, proxy: ProxyAddress | None) -> None:
        """Ask through this proxy, None without one; requests under way on another way break off."""
        if proxy != self._proxy:
            self._proxy = proxy
            await self.close()

    @asynccontextmanager
    async def get(self, url: str) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        """The status of the answer, and its bytes as they come. Raises `ServerUnreachable`."""
        client = await self._client()
        async with AsyncExitStack() as stack:
            try:
                response = await stack.enter_async_context(client.stream("GET", url))
            except _failures() as error:
                raise ServerUnreachable(type(error).__name__) from None
            # An error while they are used is not the server's doing.
            yield response.status_code, _chunks(response)

    async def post(self, url: str, body: AsyncIterable[bytes], size: int) -> tuple[int, bytes]:
        """Send `size` bytes; the status of the answer, and what it says. Raises `ServerUnreachable`."""
        client = await self._client()
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        try:
            async with (
                asyncio.timeout(patience(size)),
                client.stream("POST", url, content=body, headers=headers) as response,
            ):
                answer = bytearray()
                async for part in response.aiter_raw():
                    answer += part
                    if len(answer) > LONGEST_ANSWER:
                        raise ServerUnreachable("answers too much")
                return response.status_code, bytes(answer)
        except TimeoutError:
            raise ServerUnreachable("too slow") from None
        except _failures() as error:
            raise ServerUnreachable(type(error).__name__) from None

    async def close(self) -> None:
        """Close what is open."""
        opening, self._opening = self._opening, None
        if opening is not None:
            with suppress(OSError):
                await (await opening).aclose()

    async def _client(self) -> httpx.AsyncClient:
        if self._opening is None:
            self._opening = asyncio.ensure_future(
                asyncio.to_thread(_open, self._authority, self._proxy)
            )
        opening = self._opening
        try:
            return await asyncio.shield(opening)
        except OSError as error:  # the authority cannot be read, or is none
            if self._opening is opening:
                self._opening = None
            raise ServerUnreachable(type(error).__name__) from None


def _open(authority: Path | None, proxy: ProxyAddress | None) -> httpx.AsyncClient:
    import httpx  # noqa: PLC0415 - most connections are idle, and pay nothing for it

    trust = ssl.create_default_context(cafile=authority) if authority is not None else True
    limits = httpx.Limits(max_keepalive_connections=4, keepalive_expiry=30.0)
    through: dict[str, Any] = {"verify": trust, "limits": limits}
    if proxy is not None:
        through = {"transport": tunnel.transport(proxy, **through)}
    return httpx.AsyncClient(
        **through,
        timeout=httpx.Timeout(_SILENT_SECONDS, connect=_CONNECT_SECONDS, pool=None),
        headers={"Origin": _ORIGIN, "Referer": f"{_ORIGIN}/", "Accept-Encoding": "identity"},
        follow_redirects=False,
    )


def _failures() -> tuple[type[Exception], ...]:
    import httpx  # noqa: PLC0415

    # uvloop has no socket of a connection that its server reset at once, which anyio does not expect.
    return (httpx.HTTPError, httpx.InvalidURL, OSError, AttributeError)


async def _chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    held = bytearray()
    try:
        async for part in response.aiter_raw():
            held += part
            if len(held) >= STREAM_CHUNK_BYTES:
                yield bytes(held)
                held.clear()
    except _failures() as error:
        raise ServerUnreachable(type(error).__name__) from None
    if held:
        yield bytes(held)
