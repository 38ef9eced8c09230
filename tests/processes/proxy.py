"""Small real proxies on loopback: HTTP CONNECT and SOCKS5, with a user and a password."""

from __future__ import annotations

import asyncio
import base64
import threading
from contextlib import suppress
from typing import Literal, Self

USER, PASSWORD = "shop", "s3cret-of-the-proxy"
HOST = "whatsapp.example"
"""A name that nobody but the proxy can resolve: for it, that is loopback."""

Kind = Literal["http", "socks5"]
KINDS: tuple[Kind, ...] = ("http", "socks5")


class _RefusedError(Exception):
    """The client gets an answer that is no tunnel."""


class Proxy:
    """A proxy in a thread of its own; it tells which tunnels it made, and whom it refused.

    `refuses`: it lets nobody through from then on. `mute`: it takes connections and answers nothing.
    """

    def __init__(self, kind: Kind, *, user: str | None = USER, password: str = PASSWORD) -> None:
        self.kind, self.user, self.password = kind, user, password
        self.port = 0
        self.tunnels: list[tuple[str, int]] = []
        self.refused: list[str] = []
        self.came = 0
        self.carried = 0
        self.refuses = self.mute = False
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        return self.url_of(self.user, self.password)

    def url_of(self, user: str | None, password: str) -> str:
        secret = "" if user is None else f"{user}:{password}@"
        return f"{self.kind}://{secret}127.0.0.1:{self.port}"

    @property
    def thread(self) -> int:
        """The id of its thread: connections of that one are its own."""
        return self._thread.ident or 0

    @property
    def open(self) -> int:
        """The number of open connections to it."""
        return len(self._tasks)

    def __enter__(self) -> Self:
        self._thread.start()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def start(self) -> None:
        """Listen, again on the same port."""
        self._do(self._listen())

    def stop(self) -> None:
        """End all tunnels, and listen no more."""
        self._do(self._close())

    def cut(self) -> None:
        """End all tunnels."""
        self._do(self._cut())

    def _do(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)  # type: ignore[arg-type]

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._cut()

    async def _cut(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.came += 1
        others: list[asyncio.StreamWriter] = [writer]
        try:
            if self.mute:
                await reader.read()
                return
            shake = self._http if self.kind == "http" else self._socks5
            try:
                host, port = await shake(reader, writer)
            except _RefusedError as refusal:
                self.refused.append(str(refusal))
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
                return
            there, back = await asyncio.open_connection("127.0.0.1" if host == HOST else host, port)
            others.append(back)
            self.tunnels.append((host, port))
            done = b"HTTP/1.1 200 Connection established\r\n\r\n"
            writer.write(done if self.kind == "http" else b"\5\0\0\1\0\0\0\0\0\0")
            await asyncio.gather(self._carry(reader, back), self._carry(there, writer))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            for each in others:
                each.transport.abort()
            self._tasks.discard(task)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            self.carried += len(data)
            sink.write(data)
            await sink.drain()
        with suppress(OSError):
            sink.write_eof()

    async def _http(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[str, int]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        verb, target, _ = head.split("\r\n", 1)[0].split(" ")
        wanted = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        if self.user is not None and f"Proxy-Authorization: Basic {wanted}\r\n" not in head:
            writer.write(
                b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                b'Proxy-Authenticate: Basic realm="proxy"\r\nContent-Length: 0\r\n\r\n'
            )
            raise _RefusedError("password")
        if verb != "CONNECT" or self.refuses:
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            raise _RefusedError("target")
        host, _, port = target.rpartition(":")
        return host.strip("[]"), int(port)

    async def _socks5(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[str, int]:
        """RFC 1928, and RFC 1929 for the password."""
        _, count = await reader.readexactly(2)
        offered = await reader.readexactly(count)
        method = 0 if self.user is None else 2
        if method not in offered:
            writer.write(b"\5\xff")
            raise _RefusedError("password")
        writer.write(bytes((5, method)))
        if method == 2:
            _, size = await reader.readexactly(2)
            user = await reader.readexactly(size)
            (size,) = await reader.readexactly(1)
            password = await reader.readexactly(size)
            right = (user.decode(), password.decode()) == (self.user, self.password)
            writer.write(b"\1\0" if right else b"\1\1")
            if not right:
                raise _RefusedError("password")
        _, _, _, kind = await reader.readexactly(4)
        if kind == 1:
            host = ".".join(map(str, await reader.readexactly(4)))
        else:
            assert kind == 3, "a name or an IPv4 address"
            (size,) = await reader.readexactly(1)
            host = (await reader.readexactly(size)).decode()
        port = int.from_bytes(await reader.readexactly(2))
        if self.refuses:
            writer.write(b"\5\2\0\1\0\0\0\0\0\0")
            raise _RefusedError("target")
        return host, port
