"""Stores backups of instances in a directory or bucket: an encrypted list of files each, and equal content once.

``backups/MARK/TIME`` is the list of one backup, written when all that it names is there, so that a backup is whole
or is none. MARK distinguishes the instances that share a target. ``content/MARK/…`` has the content by its SHA-256.
"""

from __future__ import annotations

import io
import json
import re
import time
from calendar import timegm
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from actors.connection.backup.backup_format import Header, Tampered, seal, unseal
from actors.connection.backup.bucket.folder import BucketFolder
from actors.media.bucket_copies import BucketCopies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.connection.backup.bucket.port import Bucket
    from actors.connection.backup.keyring import Keyring

_STAMP: Final = "%Y%m%dT%H%M%SZ"
_NAME: Final = re.compile(r"backups/([0-9a-f]{8})/(\d{8}T\d{6}Z)")
_PATH: Final = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*", re.ASCII)


def _seconds(stamp: str) -> float:
    return float(timegm(time.strptime(stamp, _STAMP)))


class BackupName(NamedTuple):
    """The instance that a backup is of, and when it was made, in UTC."""

    mark: str
    stamp: str

    def __str__(self) -> str:
        return f"{self.mark}/{self.stamp}"

    @property
    def at(self) -> float:
        """When the backup was begun, in seconds since the epoch."""
        return _seconds(self.stamp)

    @classmethod
    def of(cls, mark: str, at: float) -> Self:
        """Name a backup that begins at that time."""
        return cls(mark, time.strftime(_STAMP, time.gmtime(at)))


BACKUP_CLOCKS_DIFFER: Final = 60.0
"""Seconds by which the clocks of those who make and list backups may differ."""


def in_the_past(names: Sequence[BackupName], now: float) -> list[BackupName]:
    """Return the backups that a right clock made; one of the future is never the newest, for whatever is decided (pure)."""
    return [name for name in names if name.at <= now + BACKUP_CLOCKS_DIFFER]


@dataclass(frozen=True, slots=True)
class BackupFile:
    """A file of the data directory: its path there, its bytes, and the SHA-256 of each piece of them."""

    path: str
    size: int
    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A session that could not be copied, by its connection's id, and the stable code of the reason.

    `copied_at` is the stamp of the backup whose copy of it is in its place; None where there is none.
    """

    connection: str
    code: str
    copied_at: str | None

    @property
    def at(self) -> float | None:
        """The time of that stamp, in seconds since the epoch."""
        return None if self.copied_at is None else _seconds(self.copied_at)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The list of a backup: every file that a restore writes, and the sessions that are not as they were then."""

    name: BackupName
    files: tuple[BackupFile, ...]
    left_out: tuple[LeftOut, ...] = ()

    def earlier(self, place: str, connection: str) -> tuple[list[BackupFile], str | None]:
        """Return the files below `place`, a session's directory, and the stamp of the backup that copied them."""
        files = [file for file in self.files if file.path.startswith(f"{place}/")]
        before = (each.copied_at for each in self.left_out if each.connection == connection)
        return files, next(before, self.name.stamp) if files else None

    @property
    def pieces(self) -> set[str]:
        """The content that the backup needs."""
        return {piece for file in self.files for piece in file.pieces}

    def sealed(self, keyring: Keyring) -> bytes:
        """Encrypt the list, bound to its name."""
        listed = {
            name: [asdict(each) for each in getattr(self, name)] for name in ("files", "left_out")
        }
        plain = json.dumps(listed).encode()
        header = Header(str(self.name), 0, 0, self.name.at)
        return b"".join(seal(io.BytesIO(plain), header, keyring))

    @classmethod
    def opened(cls, name: BackupName, sealed: bytes, keyring: Keyring) -> Self:
        """Decrypt a list. Raises `Tampered` or `WrongKey`."""
        plain = io.BytesIO()
        if unseal(io.BytesIO(sealed), keyring, plain).connection != str(name):
            raise Tampered("another backup under its name")
        try:
            listed = json.loads(plain.getvalue())
            if isinstance(listed, list):
                listed = {"files": listed, "left_out": []}
            files = [
                BackupFile(each["path"], each["size"], tuple(each["pieces"]))
                for each in listed["files"]
            ]
            left_out = [LeftOut(**each) for each in listed["left_out"]]
        except (ValueError, TypeError, KeyError):
            raise Tampered("its list") from None
        if not all(_PATH.fullmatch(file.path) for file in files):
            raise Tampered("a path")
        return cls(name, tuple(files), tuple(left_out))


class BackupStore:
    """The backups in one target. Every method raises `BucketAway`, and may be repeated then."""

    def __init__(self, bucket: Bucket, keyring: Keyring) -> None:
        self._bucket = bucket
        self._keyring = keyring

    async def names(self, mark: str | None = None) -> list[BackupName]:
        """Whole backups, of one instance or of all, those of each instance from the oldest on."""
        found = await self._bucket.list("backups/" if mark is None else f"backups/{mark}/")
        matches = (_NAME.fullmatch(entry.name) for entry in found)
        return sorted(BackupName(match[1], match[2]) for match in matches if match)

    async def read(self, name: BackupName) -> Manifest:
        """Return the list of a backup. Raises `Tampered`, also where there is none, or `WrongKey`."""
        content = await self._bucket.read(f"backups/{name}")
        if content is None:
            raise Tampered("it is gone")
        return Manifest.opened(name, content.data, self._keyring)

    def content(self, mark: str) -> BucketCopies:
        """Return the content of the backups of one instance."""
        return BucketCopies(BucketFolder(self._bucket, f"content/{mark}"), self._keyring)

    async def write(self, manifest: Manifest) -> None:
        """Let the backup be one: all of its content is there. Raises `Conflict` for a name that is taken."""
        await self._bucket.write(f"backups/{manifest.name}", manifest.sealed(self._keyring))

    async def prune(self, mark: str, keep: int, now: float) -> Sequence[BackupName]:
        """Delete all but the newest `keep` backups of an instance; return those that are left.

        Those that are later than `now` (`actors.runtime.deletion_time`) stay, and none goes for them.
        """
        names = await self.names(mark)
        over = in_the_past(names, now)[:-keep]
        for name in over:
            await self._bucket.delete(f"backups/{name}")
        return [name for name in names if name not in over]
