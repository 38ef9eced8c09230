"""Stores message files in a directory of this host under their SHA-256, each written completely or not at all."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import tempfile
import threading
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from actors.media.store import (
    SHA256_PATTERN,
    FileTooLarge,
    StoreFull,
    StoreUnavailable,
    room_for_files,
)
from actors.runtime.atomic_files import TEMPORARY_PREFIX, held

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    Before = Callable[[str, int], Awaitable[None]]
    Turns = Callable[[], AbstractAsyncContextManager[None]]

FILE_WRITE_BYTES: Final = 2**20
"""Bytes that are collected before a thread writes them."""

_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class DirectoryStore:
    """Files by the SHA-256 of their bytes (see the port `MediaStore`), with mode 0600 in directories of 0700.

    Several processes may keep files here, the same one at the same time too. A process that dies
    leaves at most a temporary file, which the first `add` of the next one removes. No step blocks
    the event loop.
    """

    def __init__(self, directory: Path, *, reserve: Callable[[], int]) -> None:
        """`reserve` is called in a thread; it returns the bytes of the disk that files leave free (DISK_RESERVE)."""
        self._directory = directory
        self._reserve = reserve
        self._swept = False

    async def room(self) -> int:
        """See the port."""

        def run() -> int:
            self._prepare()
            return room_for_files(self._directory, self._reserve())

        found: int = await step(run)
        return found

    async def add(
        self,
        chunks: AsyncIterable[bytes],
        *,
        limit: int,
        before: Before,
        expected: str | None = None,
        turns: Turns = nullcontext,
    ) -> tuple[str, int]:
        """See the port. `before` is awaited with digest and size before the file appears; `add` raises what it raises.

        Each step that a thread takes is one of the `turns`, and none is held while a chunk is awaited.
        """

        async def fill(writer: FileWriter) -> None:
            held, size = bytearray(), 0
            async for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    raise FileTooLarge
                held += chunk
                if len(held) >= FILE_WRITE_BYTES:
                    async with turns():
                        await step(writer.write, bytes(held))
                    held.clear()
            async with turns():
                await step(writer.write, bytes(held))

        return await self.add_filled(fill, before=before, expected=expected, turns=turns)

    async def add_filled(
        self,
        fill: Callable[[FileWriter], Awaitable[None]],
        *,
        before: Before,
        expected: str | None = None,
        turns: Turns = nullcontext,
    ) -> tuple[str, int]:
        """As `add`, of what `fill` writes."""
        writer = FileWriter(self._directory, await step(self._reserve))
        try:
            async with turns():
                await step(self._prepare)
                await step(writer.open)
            await fill(writer)
            digest = writer.digest
            if expected is not None and digest != expected:
                raise ValueError("not what was expected")
            async with turns():
                await step(writer.sync)
            await before(digest, writer.size)
            async with turns():
                await step(writer.publish)
        finally:
            # Where this task is cancelled, a thread may still be at it: `drop` waits for that one.
            await asyncio.shield(asyncio.to_thread(writer.drop))
        return digest, writer.size

    async def find(self, sha256: str) -> Path | None:
        """See the port."""
        file = self.place(sha256)
        return file if file is not None and await step(file.is_file) else None

    def place(self, sha256: str) -> Path | None:
        """The path of a file on this host; None for what is no digest."""
        return place(self._directory, sha256)

    def _prepare(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._swept:
            sweep(self._directory)
            self._swept = True


class FileWriter:
    """A file on its way in, for one thread at a time. `drop` ends it, whatever became of it."""

    def __init__(self, directory: Path, reserve: int = 0) -> None:
        """`reserve` is how many bytes of the disk are left free."""
        self._directory = directory
        self._reserve = reserve
        self._hash = hashlib.sha256()
        self.size = 0
        self._turn = threading.Lock()
        self._descriptor = -1
        self._name: str | None = None
        self._dropped = False

    @property
    def digest(self) -> str:
        """The SHA-256 of the bytes so far, in hexadecimal digits."""
        return self._hash.hexdigest()

    def open(self) -> None:
        """Create a temporary file and lock it, so that a sweep leaves it alone while this process lives."""
        with self._turn:
            while self._descriptor < 0 and not self._dropped:
                self._descriptor, self._name = tempfile.mkstemp(
                    prefix=TEMPORARY_PREFIX, dir=self._directory
                )
                fcntl.flock(self._descriptor, fcntl.LOCK_EX)
                # A sweep before the lock took it for a dead process's.
                if os.fstat(self._descriptor).st_nlink == 0:
                    os.close(self._descriptor)
                    self._descriptor, self._name = -1, None

    def write(self, data: bytes) -> None:
        """Append bytes. Raises `StoreFull` where less than the reserve would be left."""
        self._hash.update(data)
        self.size += len(data)
        with self._turn:
            writes = bool(self._reserve) and not self._dropped
            if writes and room_for_files(self._descriptor, self._reserve) < len(data):
                raise StoreFull(reserve=self._reserve)
            rest = memoryview(data)
            while rest and not self._dropped:
                rest = rest[os.write(self._descriptor, rest) :]

    def sync(self) -> None:
        """Write the bytes so far to the disk (fsync)."""
        with self._turn:
            if not self._dropped:
                os.fsync(self._descriptor)

    def publish(self) -> None:
        """Put it in its place, also over one that is there: that may have been damaged since."""
        with self._turn:
            if self._dropped or self._name is None:
                return
            file = place(self._directory, self.digest)
            assert file is not None
            file.parent.mkdir(mode=0o700, exist_ok=True)
            Path(self._name).replace(file)
            self._name = None
            # The process that made the directory may have died before its sync.
            for directory in (file.parent, self._directory, self._directory.parent):
                _sync(directory)

    def drop(self) -> None:
        """Delete the temporary file; any number of times, and during `open` in another thread."""
        with self._turn:
            self._dropped = True
            if self._name is not None:
                with suppress(OSError):
                    Path(self._name).unlink()
                self._name = None
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1


def place(directory: Path, sha256: str) -> Path | None:
    """The path of a file in the store; None for what is no digest, and so might lead elsewhere."""
    return directory / sha256[:2] / sha256 if SHA256_PATTERN.fullmatch(sha256) else None


def sweep(directory: Path) -> None:
    """Remove what processes left that died while they wrote; a file that one still writes is locked."""
    for left in directory.glob(f"{TEMPORARY_PREFIX}*"):
        with suppress(OSError), held(left) as ours:
            if ours:
                left.unlink()


async def step(work: Callable[..., Any], *arguments: object) -> Any:
    """Run `work` in a thread and return its result. Raises `StoreUnavailable` for an OSError."""
    try:
        return await asyncio.to_thread(work, *arguments)
    except OSError as error:
        raise unavailable(error) from error


def unavailable(error: OSError) -> StoreUnavailable:
    """The port's error for an OSError."""
    reason = errno.errorcode.get(error.errno or 0, "OSError")
    return StoreFull(reason) if error.errno in _FULL else StoreUnavailable(reason)


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
