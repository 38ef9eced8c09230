"""Sends HTTP POST requests to webhook endpoints, over a pool for each endpoint; returns status or error code."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpcore

from gateway.acceptance import address_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.acceptance.address_policy import Guarded
    from gateway.webhooks.requests.body import DeliveryBody

POST_CONNECT_SECONDS, POST_SECONDS = 5.0, 15.0
"""Seconds: for a connection, and until the answer's status."""

MAX_ANSWER_READ, ANSWER_READ_SECONDS = 65_536, 1.0
"""Bytes of an answer, and seconds of it, that are read and dropped: its connection serves again."""

KEEP_ALIVE_SECONDS = 30.0
"""Seconds for which a connection is kept."""

PER_ENDPOINT, PER_INSTANCE = 24, 1000
"""Requests on their way at a time, at most: each endpoint has its share of those of the instance."""


def share(endpoints: int) -> int:
    """Requests that one of so many endpoints may have on their way, whatever the others send."""
    return max(1, min(PER_ENDPOINT, PER_INSTANCE // max(1, endpoints)))


class Posters:
    """Makes a `Poster` for each endpoint, so that one that hangs takes no connection of another's."""

    def __init__(self, guarded: Guarded) -> None:
        self._guarded = guarded

    @cached_property
    def _context(self) -> ssl.SSLContext:
        """Made for the first POST: a gateway need not wait at its start for authorities to be read."""
        return _authorities()

    def new(self) -> Poster:
        """One without a connection yet; the taker closes it."""
        return Poster(self._guarded, context=lambda: self._context)


class Poster:
    """Posts over HTTP and HTTPS, to no private address unless `private` ones may be. No redirects."""

    def __init__(
        self,
        guarded: Guarded,
        *,
        whole: float = POST_SECONDS,
        context: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        self._guarded, self._whole = guarded, whole
        self._context = context or _authorities
        self._pool: httpcore.AsyncConnectionPool | None = None

    async def _opened(self) -> httpcore.AsyncConnectionPool:
        """The pool of connections; the authorities are read in a thread, which takes a while."""
        if self._pool is None:
            context = await asyncio.to_thread(self._context)
            self._pool = self._pool or httpcore.AsyncConnectionPool(
                ssl_context=context,
                network_backend=self._guarded,
                max_connections=PER_ENDPOINT,
                keepalive_expiry=KEEP_ALIVE_SECONDS,
            )
        return self._pool

    async def post(
        self, url: str, body: DeliveryBody, headers: Sequence[tuple[str, str]]
    ) -> int | str:
        """The status of the answer, or the code of what kept it from coming.

        ``unknown_host`` ``private_address`` ``unreachable`` ``tls_failed`` ``timeout``
        ``malformed_answer``
        """
        try:
            return await self._post(url, body, headers)
        except address_policy.Unknown:
            return "unknown_host"
        except address_policy.Private:
            return "private_address"
        except (TimeoutError, httpcore.TimeoutException):
            return "timeout"
        except httpcore.NetworkError as error:
            failed = isinstance(error.__context__, ssl.SSLError) or "SSL" in str(error)
            return "tls_failed" if failed else "unreachable"
        except (ssl.SSLError, ssl.CertificateError):
            return "tls_failed"
        except OSError:
            return "unreachable"
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol, ValueError):
            return "malformed_answer"

    async def close(self) -> None:
        """Close the connections to the endpoint, where a request opened any."""
        if self._pool is not None:
            await self._pool.aclose()

    async def _post(self, url: str, body: DeliveryBody, headers: Sequence[tuple[str, str]]) -> int:
        request = (await self._opened()).stream(
            "POST",
            url,
            headers=[
                ("Host", urlsplit(url).netloc),
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(body))),
                ("User-Agent", "teimoso"),
                ("Accept", "*/*"),
                *headers,
            ],
            content=body.stream() if body.whole is None else body.whole,
            extensions={"timeout": {"connect": POST_CONNECT_SECONDS}},
        )
        async with asyncio.timeout(self._whole) as patience, request as response:
            patience.reschedule(None)  # the status was said: later bytes change nothing
            left = MAX_ANSWER_READ
            with contextlib.suppress(
                TimeoutError,
                httpcore.NetworkError,
                httpcore.ProtocolError,
                httpcore.TimeoutException,
            ):
                async with asyncio.timeout(ANSWER_READ_SECONDS):
                    async for chunk in response.aiter_stream():
                        left -= len(chunk)
                        if left < 0:
                            break
            return int(response.status)


def _authorities() -> ssl.SSLContext:
    """Those in SSL_CERT_FILE, where it is set, are trusted in place of the public ones."""
    import httpx  # noqa: PLC0415 - with it comes its command line

    return httpx.create_ssl_context()
