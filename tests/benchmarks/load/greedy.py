"""`python greedy.py PORT KEY CONNECTION`: reads events from the first one on, searches, and sends links to a hostile page.

A process of its own, on bare sockets. It prints a line once each of these has begun, and goes on until it is killed.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from contextlib import suppress
from itertools import count

READERS = 50
AGAIN_SECONDS = 2.0
"""Seconds after which a reader begins anew, on average."""

PAGE = b"<html><head><title>" + "a\u0315\u0300".encode() * 80_000
"""A page of half a megabyte whose head has no end."""


async def read(port: int, key: str) -> None:
    """Read all events, again and again."""
    request = _request("GET", "/api/events", key, b"", "Last-Event-ID: 0\r\n")
    while True:
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(AGAIN_SECONDS * random.uniform(0.5, 1.5)):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    writer.write(request)
                    while await reader.read(65536):
                        pass
                finally:
                    writer.close()


async def ask(port: int, requests: list[bytes]) -> None:
    """Make these requests, one after the other, for ever."""
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with suppress(OSError, asyncio.IncompleteReadError):
            for request in requests:
                writer.write(request)
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                if not head.startswith((b"http/1.1 200", b"http/1.1 202")):
                    raise SystemExit(f"refused: {head!r}")
                begin = head.index(b"content-length:") + 15
                await reader.readexactly(int(head[begin : head.index(b"\r\n", begin)]))
        writer.close()


async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with the page, in a charset whose codec takes a time that grows with the square of the length."""
    with suppress(OSError, asyncio.IncompleteReadError):
        await reader.readuntil(b"\r\n\r\n")
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=punycode\r\nConnection: close\r\n"
        )
        writer.write(f"{head}Content-Length: {len(PAGE)}\r\n\r\n".encode() + PAGE)
        await writer.drain()
    writer.close()


def _request(method: str, path: str, key: str, body: bytes = b"", more: str = "") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Api-Key: {key}\r\n{more}"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body


async def main(port: int, key: str, connection: str) -> None:
    server = await asyncio.start_server(page, "127.0.0.1", 0)
    host = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    numbers = count()

    def sends() -> list[bytes]:
        return [
            _request(
                "POST",
                "/api/messages",
                key,
                json.dumps(
                    {"connection": connection, "to": "15550100009", "text": f"{host}/{number}"}
                ).encode(),
            )
            for number, _ in zip(numbers, range(50_000), strict=False)
        ]

    search = f"/api/chats?connection={connection}&search=nowhere%20to%20be%20found"
    tasks = [
        *(asyncio.create_task(read(port, key)) for _ in range(READERS)),
        asyncio.create_task(ask(port, [_request("GET", search, key)])),
        asyncio.create_task(ask(port, sends())),
    ]
    await asyncio.sleep(AGAIN_SECONDS)
    print("greedy", flush=True)
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
