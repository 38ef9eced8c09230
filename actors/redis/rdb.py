"""Downloads a snapshot (RDB) of all Redis data to a file by the replication protocol, for the job `backup-redis`.

It needs no access to the server's disk, and the server goes on serving meanwhile.
"""

from __future__ import annotations

import asyncio
import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from actors.redis.client import connect, redis_errors
from actors.runtime.atomic_files import begin_scratch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from actors.config.settings import Settings

RDB_CHUNK_BYTES: Final = 1 << 16
RDB_SILENCE_SECONDS: Final = 120.0
"""Seconds without a byte: a server that forks and writes first sends line ends meanwhile."""


class NotGiven(Exception):
    """The server gives no snapshot, or broke off; managed ones may forbid it."""

    code = "no_snapshot"


async def snapshot(settings: Settings, target: Path, report: Callable[[int], None]) -> int:
    """Write it to `target`, on disk when this returns; its bytes. `report` is called with the bytes so far.

    Raises `RedisAway`, `NotGiven` or OSError, and then nothing is at `target` that was not; a file
    that is there is never replaced.
    """
    scratch: Path | None = None
    client = connect(settings, blocking=True)
    pool = client.connection_pool
    try:
        with redis_errors:
            connection: Any = await pool.get_connection()  # type: ignore[no-untyped-call]
            await connection.send_command("SYNC")
        reader: asyncio.StreamReader = connection._reader  # noqa: SLF001 - what comes is no answer
        descriptor, scratch = begin_scratch(target)
        with os.fdopen(descriptor, "wb") as stream:
            size = await _copy(reader, stream, report)
            stream.flush()
            await asyncio.to_thread(os.fsync, stream.fileno())
            await asyncio.to_thread(_put, scratch, target)
        await connection.disconnect(nowait=True)
        return size
    finally:
        if scratch is not None:
            scratch.unlink(missing_ok=True)
        with suppress(Exception):
            await client.aclose()


def _put(scratch: Path, target: Path) -> None:
    if target.exists():
        raise FileExistsError(errno.EEXIST, "there is such a file already")
    scratch.replace(target)


async def _copy(reader: asyncio.StreamReader, stream: Any, report: Callable[[int], None]) -> int:
    try:
        head = await _head(reader)
        if head.startswith(b"EOF:"):
            return await _until(reader, stream, report, head[4:])
        left = total = int(head)
        while left:
            async with asyncio.timeout(RDB_SILENCE_SECONDS):
                part = await reader.read(min(RDB_CHUNK_BYTES, left))
            if not part:
                raise NotGiven("Redis ended its snapshot early.")
            await asyncio.to_thread(stream.write, part)
            left -= len(part)
            report(total - left)
    except (TimeoutError, ValueError, ConnectionError):
        raise NotGiven("Redis ended its snapshot early.") from None
    return total


async def _head(reader: asyncio.StreamReader) -> bytes:
    """The length, or the mark behind which it ends: `$1234` or `$EOF:…40 bytes…`."""
    while True:
        async with asyncio.timeout(RDB_SILENCE_SECONDS):
            line = await reader.readline()
        if not line:
            raise NotGiven("Redis ended its snapshot early.")
        if line.startswith(b"-"):
            raise NotGiven("Redis sends no snapshot: its SYNC is forbidden or fails.")
        if line.startswith(b"$"):
            return line[1:].rstrip()


async def _until(
    reader: asyncio.StreamReader, stream: Any, report: Callable[[int], None], mark: bytes
) -> int:
    """A server without a disk for it does not know the length before."""
    total, tail = 0, b""
    while True:
        async with asyncio.timeout(RDB_SILENCE_SECONDS):
            part = await reader.read(RDB_CHUNK_BYTES)
        if not part:
            raise NotGiven("Redis ended its snapshot early.")
        held = tail + part
        if held.endswith(mark):
            held = held[: -len(mark)]
            await asyncio.to_thread(stream.write, held)
            return total + len(held)
        ready, tail = held[: -len(mark)], held[-len(mark) :]
        await asyncio.to_thread(stream.write, ready)
        total += len(ready)
        report(total)
