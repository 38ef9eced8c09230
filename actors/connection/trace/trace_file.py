"""Appends lines to a connection's trace file (mode 0600), and rotates the file by size."""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

FORMAT: Final = 1
"""Of the lines, in the first one; it rises once a reader of these would misread them."""

FILE_BYTES: Final = 8 * 2**20
OLDER: Final = 3
"""Bytes of a file at most, and how many older ones are kept."""

TRACE_WRITE_BYTES: Final = 2**18
"""Bytes that are written at a time, about; less where a file may have less than four times as many."""


class TraceFile:
    """Appends lines, and begins another file once one has so many bytes; used by one thread.

    A line that cannot be written, or for which the disk is too `low`, is dropped and counted, and leaves no part. The
    next write tries again, also where somebody took the file away.
    """

    def __init__(
        self,
        path: Path,
        by: str,
        most: int = FILE_BYTES,
        low: Callable[[], bool] | None = None,
    ) -> None:
        """`by` is who records; `most` bytes a file has, or one batch of lines; `low` looks at the disk (`DiskFloor.look`)."""
        self._path = path
        self._most = most
        self._low = low
        self._head = {"trace": FORMAT, "by": by, "began": datetime.now(UTC).date().isoformat()}
        self._part = 0
        self._descriptor: int | None = None
        self.lines = self.dropped = 0
        self.error: str | None = None
        """The name of the last write's error, as ``ENOSPC``; None where it had none."""

    def write(self, lines: Iterable[dict[str, Any]]) -> None:
        """Append the lines, in batches of `TRACE_WRITE_BYTES` at most."""
        batch: list[bytes] = []
        size = 0
        for line in lines:
            batch.append(_written(line))
            size += len(batch[-1])
            if size >= min(TRACE_WRITE_BYTES, self._most // 4):
                self._write(batch)
                batch, size = [], 0
        if batch:
            self._write(batch)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)

    def _write(self, batch: list[bytes]) -> None:
        try:
            self._append(b"".join(batch))
        except OSError as error:
            self.error = errno.errorcode.get(error.errno or 0, "EIO")
            self.dropped += len(batch)
            self.close()
        else:
            self.lines += len(batch)
            self.error = None

    def _append(self, data: bytes) -> None:
        if self._low is not None and self._low():
            raise OSError(errno.ENOSPC, "the rest is for messages")
        descriptor = self._opened()
        size = os.fstat(descriptor).st_size
        if size and size + len(data) > self._most:
            self.close()
            self._shift()
            descriptor, size = self._opened(), 0
        # Also where this trace is the second one in its file.
        begins = size == 0 or self._part == 0
        if begins:
            data = _written({**self._head, "part": self._part + 1}) + data
        if os.write(descriptor, data) < len(data):
            os.ftruncate(descriptor, size)
            raise OSError(errno.ENOSPC, "there was room for a part")
        self._part += begins

    def _opened(self) -> int:
        if self._descriptor is not None and os.fstat(self._descriptor).st_nlink:
            return self._descriptor
        self.close()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(self._path, flags, 0o600)
        os.fchmod(self._descriptor, 0o600)
        return self._descriptor

    def _shift(self) -> None:
        for number in range(OLDER, 0, -1):
            with suppress(FileNotFoundError):
                older(self._path, number - 1).replace(older(self._path, number))


def older(path: Path, number: int) -> Path:
    """A file before: 1 is the newest, `OLDER` the oldest, 0 the one that is written now."""
    return path if number == 0 else path.with_name(f"{path.name}.{number}")


def _written(line: dict[str, Any]) -> bytes:
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"
