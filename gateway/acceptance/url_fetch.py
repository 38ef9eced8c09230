"""Fetches the file at a URL in a send request as a stream, from public addresses only unless settings allow private ones.

The addresses of a name are judged for each connection (`address_policy`). Redirects are followed here,
so that each is judged like the first.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urljoin, urlsplit

import httpcore

from gateway.acceptance.address_policy import Guarded, Private, Unknown, resolve

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterable, AsyncIterator

    from gateway.acceptance.address_policy import Resolve

REDIRECTS: Final = 5
FETCH_CONNECT_SECONDS, FETCH_IDLE_SECONDS, FETCH_SECONDS = 10.0, 20.0, 120.0
"""Seconds: for a connection, between two pieces, and for all of it."""

_REDIRECT: Final = {301, 302, 303, 307, 308}


class UrlRefused(Exception):
    """The URL may not be fetched. The message is for the caller and repeats nothing of the URL."""


class UrlUnreachable(Exception):
    """The URL could not be fetched. The message is for the caller and repeats nothing of the URL."""


class DownloadTooLarge(Exception):
    """The server announces a larger file than is allowed."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file as it arrives, from `url` in the end; `mime` is as its server says. `chunks` raise `UrlUnreachable`."""

    url: str
    mime: str | None
    name: str | None
    chunks: AsyncIterable[bytes]


class UrlFetcher:
    """Fetches over HTTP and HTTPS. With `private`, from any address."""

    def __init__(
        self,
        *,
        private: bool,
        resolve: Resolve = resolve,
        network: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._guarded = Guarded(private=private, resolve=resolve, network=network)
        self._pool: httpcore.AsyncConnectionPool | None = None

    async def _opened(self) -> httpcore.AsyncConnectionPool:
        """The pool, made for the first file, as is `http_post.Poster`'s for the first POST.

        It has no limit, where one caller would wait for another: requests at once have theirs (`ConcurrencyLimiter`).
        """
        if self._pool is None:
            trust = await asyncio.to_thread(_trust)
            self._pool = self._pool or httpcore.AsyncConnectionPool(
                ssl_context=trust,
                network_backend=self._guarded,
                max_connections=None,
                max_keepalive_connections=0,
            )
        return self._pool

    @asynccontextmanager
    async def fetch(self, url: str, *, limit: int) -> AsyncIterator[Fetched]:
        """Yield the file at `url` as it arrives. Raises `UrlRefused`, `UrlUnreachable` and `DownloadTooLarge`."""
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                for _ in range(REDIRECTS + 1):
                    async with self._request(checked(url)) as response:
                        if response.status in _REDIRECT:
                            url = urljoin(url, _header(response, b"location") or "")
                            continue
                        yield _fetched(response, url, limit)
                        return
                raise UrlUnreachable("it is redirected too often")
        except TimeoutError:
            raise UrlUnreachable("it takes too long") from None

    async def close(self) -> None:
        """Close the pool of connections, where a fetch opened it."""
        if self._pool is not None:
            await self._pool.aclose()

    @asynccontextmanager
    async def _request(self, url: str) -> AsyncIterator[httpcore.Response]:
        timeout = {
            "connect": FETCH_CONNECT_SECONDS,
            "read": FETCH_IDLE_SECONDS,
            "write": FETCH_IDLE_SECONDS,
        }
        headers = [("Accept-Encoding", "identity"), ("Accept", "*/*"), ("User-Agent", "teimoso")]
        with _problems():
            request = (await self._opened()).stream(
                "GET",
                url,
                headers=[("Host", urlsplit(url).netloc), *headers],
                extensions={"timeout": timeout},
            )
            response = await request.__aenter__()
        try:
            yield response
        finally:
            await request.__aexit__(None, None, None)


@cache
def _trust() -> ssl.SSLContext:
    """The public authorities, read once in a process: that takes 20 ms."""
    import httpx  # noqa: PLC0415 - with it comes its command line, and most gateways fetch nothing

    return httpx.create_ssl_context(trust_env=False)


def checked(url: str) -> str:
    """The URL as it may be asked for. Raises `UrlRefused`."""
    url = quote(url.partition("#")[0], safe="!#$%&'()*+,/:;=?@[]~")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UrlRefused("it is no URL") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise UrlRefused("it is no URL of HTTP or HTTPS")
    if "@" in parts.netloc:
        raise UrlRefused("it has a name or a password in it")
    return url


class _problems:  # noqa: N801 - reads as what it does
    """Turns httpcore's errors into those of this module."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, Unknown):
            raise UrlUnreachable("its server's name is not known") from None
        if isinstance(error, Private):
            raise UrlRefused(
                "its server has a private address, which MEDIA_URL_PRIVATE set to true would allow"
            ) from None
        if isinstance(error, httpcore.TimeoutException):
            raise UrlUnreachable("its server does not answer in time") from None
        if isinstance(error, (httpcore.NetworkError, httpcore.ProtocolError)):
            raise UrlUnreachable("its server does not answer, or not whole") from None
        if isinstance(error, (httpcore.UnsupportedProtocol, UnicodeError, ValueError)):
            raise UrlRefused("it is no URL") from None


def _fetched(response: httpcore.Response, url: str, limit: int) -> Fetched:
    if response.status != 200:
        raise UrlUnreachable(f"its server answers {response.status}")
    if (_header(response, b"content-encoding") or "identity").lower() != "identity":
        raise UrlUnreachable("its server compresses it, though it was asked not to")
    length = _header(response, b"content-length") or ""
    if re.fullmatch(r"[0-9]{1,20}", length) and int(length) > limit:
        raise DownloadTooLarge
    name = unquote(urlsplit(url).path).rpartition("/")[2]
    return Fetched(url, _header(response, b"content-type"), name or None, _pieces(response))


async def _pieces(response: httpcore.Response) -> AsyncIterator[bytes]:
    with _problems():
        async for chunk in response.aiter_stream():
            yield chunk


def _header(response: httpcore.Response, name: bytes) -> str | None:
    for key, value in response.headers:
        if key.lower() == name:
            return value.decode("latin-1").strip()
    return None
