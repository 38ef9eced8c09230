"""Implements the bucket interface on a local or shared directory: whole objects, generations, conditional writes."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from actors.connection.backup.bucket.blocking_bucket import BlockingBucket
from actors.connection.backup.bucket.port import BucketAway, BucketObject, Conflict, Content
from actors.runtime.atomic_files import TEMPORARY_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TEMPORARY_SECONDS: Final = 3600.0
"""Seconds after which a file with the temporary prefix belongs to nobody any more."""

LOCK_SECONDS: Final = 10.0
"""Seconds for which another writer may keep the lock."""


class DirectoryBucket(BlockingBucket):
    """A directory with the promises of Google's buckets: whole objects, generations, one winner of each.

    The generation is the time of the file's content, in microseconds; it always rises. A crash
    leaves the earlier object and at most a temporary file, which a later write removes.
    """

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise BucketAway(errno.errorcode.get(error.errno or 0, "OSError")) from error

    def _write(self, name: str, data: bytes, replaces: int) -> int:
        file = self._root / name
        with self._locked():
            current = _generation(file)
            if current != replaces:
                if current and file.read_bytes() == data:
                    return current
                raise Conflict
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._sweep(file.parent)
            descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=TEMPORARY_PREFIX)
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(data)
                    stream.flush()
                    generation = max(time.time_ns() // 1000, current + 1)
                    os.utime(stream.fileno(), ns=(generation * 1000,) * 2)
                    os.fsync(stream.fileno())
                Path(temporary).replace(file)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
            self._sync(file.parent)
        return generation

    def _read(self, name: str) -> Content | None:
        try:
            with (self._root / name).open("rb") as stream:
                return Content(_of(os.fstat(stream.fileno())), stream.read())
        except (FileNotFoundError, NotADirectoryError):
            self._demand()
            return None

    def _list(self, prefix: str) -> Sequence[BucketObject]:
        self._demand()
        # Nothing above the last part of the prefix need be walked through.
        start = self._root / prefix.rpartition("/")[0]
        found = []
        for file in start.rglob("*"):
            name = file.relative_to(self._root).as_posix()
            if not name.startswith(prefix) or file.name.startswith("."):
                continue
            try:
                status = file.stat()
            except FileNotFoundError:
                continue
            if file.is_file():
                found.append(BucketObject(name, _of(status), status.st_size, status.st_mtime))
        return sorted(found, key=lambda entry: entry.name)

    def _delete(self, name: str, generation: int) -> None:
        self._demand()
        file = self._root / name
        with self._locked():
            if generation and _generation(file) not in {0, generation}:
                raise Conflict
            file.unlink(missing_ok=True)

    def _demand(self) -> None:
        """A directory that is not there is a disk that is not mounted, not an empty bucket."""
        self._root.stat()

    def _sweep(self, directory: Path) -> None:
        for left in directory.glob(f"{TEMPORARY_PREFIX}*"):
            if time.time() - left.stat().st_mtime > TEMPORARY_SECONDS:
                left.unlink(missing_ok=True)

    def _sync(self, directory: Path) -> None:
        # The directories above may be as new.
        while True:
            handle = os.open(directory, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
            if directory == self._root:
                return
            directory = directory.parent

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time, over all processes; the lock ends with its process."""
        descriptor = os.open(self._root / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            end = time.monotonic() + LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > end:
                        raise
                    time.sleep(0.005)
            yield
        finally:
            os.close(descriptor)


def _generation(file: Path) -> int:
    try:
        return _of(file.stat())
    except FileNotFoundError:
        return 0


def _of(status: os.stat_result) -> int:
    return status.st_mtime_ns // 1000
