"""Probes whether a process answers, by one request on a new socket: TCP connect, Redis PING or HTTP GET."""

from __future__ import annotations

import asyncio
import json
from typing import Any

LOOPBACK = "127.0.0.1"
MAX_ANSWER_BYTES = 1 << 16  # bytes of an answer that are read


async def accepts(port: int, within: float = 1.0) -> bool:
    """Returns whether a process accepts connections on the loopback `port` within `within` seconds."""
    try:
        async with asyncio.timeout(within):
            _, writer = await asyncio.open_connection(LOOPBACK, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def ping(port: int, password: str, within: float = 2.0) -> bool:
    """Returns whether a Redis server answers PING with PONG; an error while it loads its log does not count."""
    word = f"$4\r\nAUTH\r\n${len(password)}\r\n{password}\r\n"
    answer = await _request(
        port, f"*2\r\n{word}*1\r\n$4\r\nPING\r\n".encode(), b"+PONG\r\n", within
    )
    return answer is not None and answer.endswith(b"+PONG\r\n")


async def get(
    port: int, path: str, within: float = 2.0, host: str = LOOPBACK
) -> tuple[int, bytes] | None:
    """Returns status and body of an HTTP request; ``None`` without a whole answer in time."""
    named = f"[{host}]" if ":" in host else host
    request = f"GET {path} HTTP/1.1\r\nHost: {named}:{port}\r\nConnection: close\r\n\r\n"
    answer = await _request(port, request.encode(), None, within, host)
    if answer is None:
        return None
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if not head.startswith(b"HTTP/1.") or len(words) < 2 or not words[1].isdigit():
        return None
    return int(words[1]), body


async def get_json(port: int, path: str, within: float = 2.0) -> dict[str, Any] | None:
    """Returns the JSON object in an answer with status 200, else ``None``."""
    answer = await get(port, path, within)
    if answer is None or answer[0] != 200:
        return None
    text = answer[1]
    try:
        value = json.loads(text[text.index(b"{") : text.rindex(b"}") + 1])
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


async def _request(
    port: int, request: bytes, until: bytes | None, within: float, host: str = LOOPBACK
) -> bytes | None:
    writer = None
    try:
        async with asyncio.timeout(within):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(request)
            answer = b""
            while len(answer) < MAX_ANSWER_BYTES and not (until and answer.endswith(until)):
                received = await reader.read(4096)
                if not received:
                    break
                answer += received
            return answer
    except (OSError, TimeoutError):
        return None
    finally:
        if writer is not None:
            writer.close()
