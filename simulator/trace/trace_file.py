"""Writes the simulator's trace files, readable for the files' owner alone, and rotates full ones."""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

FORMAT: Final = 1
"""Named in the first line of each file."""
FILE_BYTES: Final = 8 * 2**20
OLDER: Final = 3
"""Bytes of a file, and files that are kept beside it."""


class TraceFile:
    """Appends lines, each of them whole; one that cannot be written is dropped and counted."""

    def __init__(self, path: Path, most: int = FILE_BYTES) -> None:
        self.path = path
        self.lines = self.dropped = 0
        self.error: str | None = None
        """The name of the last write's error, as `ENOSPC`; None where it had none."""
        self._most = most
        self._part = 0
        self._descriptor: int | None = None

    def write(self, line: dict[str, Any]) -> None:
        try:
            self._append(_encoded(line))
        except OSError as error:
            self.error = errno.errorcode.get(error.errno or 0, "EIO")
            self.dropped += 1
            self.close()
        else:
            self.error = None
            self.lines += 1

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)

    def _append(self, data: bytes) -> None:
        descriptor = self._open()
        size = os.fstat(descriptor).st_size
        if size and size + len(data) > self._most:
            self.close()
            self._rotate()
            descriptor, size = self._open(), 0
        # A trace begins behind the one before, and goes on in another file.
        begins = size == 0 or self._part == 0
        if begins:
            data = _encoded(self._head()) + data
        if os.write(descriptor, data) < len(data):
            os.ftruncate(descriptor, size)
            raise OSError(errno.ENOSPC, "a part of the line was written")
        self._part += begins

    def _head(self) -> dict[str, Any]:
        day = datetime.now(UTC).date().isoformat()
        return {"trace": FORMAT, "by": "simulator", "began": day, "part": self._part + 1}

    def _open(self) -> int:
        """Returns the descriptor of the file; of a new one where the old one was removed."""
        if self._descriptor is not None and os.fstat(self._descriptor).st_nlink:
            return self._descriptor
        self.close()
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(self.path, flags, 0o600)
        os.fchmod(self._descriptor, 0o600)
        return self._descriptor

    def _rotate(self) -> None:
        for number in range(OLDER, 0, -1):
            with suppress(FileNotFoundError):
                older(self.path, number - 1).replace(older(self.path, number))


def older(path: Path, number: int) -> Path:
    """Returns the path of an older file; 1 is the newest; 0 is the current one."""
    return path if number == 0 else path.with_name(f"{path.name}.{number}")


def _encoded(line: dict[str, Any]) -> bytes:
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"
