"""whatsmeow's own database: the keys of the device, in a file beside the session file.

Whose account it is, is read here; nothing else of it is touched but its being there.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from actors.connection.native.identities.addresses import Address, parse_optional

if TYPE_CHECKING:
    from pathlib import Path

FILE: Final = "whatsmeow.db"
_BESIDES: Final = ("", "-wal", "-shm", "-journal")

_KNOWN: Final = "SELECT 1 FROM sqlite_schema WHERE name = 'whatsmeow_device'"
_DEVICE: Final = "SELECT jid, lid FROM whatsmeow_device"


class StoreDamaged(Exception):  # noqa: N818 - reads as what it is
    """The file is no database of whatsmeow's, or cannot be read. It was left as it is."""


class Store:
    """The database in a session's directory, readable by its owner alone (mode 0600)."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE
        self._handed_over = False

    def prepare(self) -> str:
        """Make the file where there is none; the name that whatsmeow opens it by.

        Go's driver makes files that others may read: SQLite gives those beside it the mode of this.
        One that is there is not opened: see `device`.
        """
        self._handed_over = True
        if not self.path.exists():
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        return f"{quote(str(self.path))}?_journal_mode=WAL&_synchronous=FULL&_foreign_keys=on&_"

    def device(self) -> tuple[Address, Address | None] | None:
        """The address of the linked device, and its LID; None where none is linked.

        Only before whatsmeow opened it: Python's SQLite and Go's do not know of one another in
        one process, and the first to close takes the locks and the log of the other away. Raises
        `StoreDamaged`.
        """
        if self._handed_over:
            raise RuntimeError("whatsmeow may have the database open")
        if not self.path.exists() or not self.path.stat().st_size:
            return None
        uri = f"{self.path.resolve().as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(uri, uri=True, timeout=5.0)) as database:
                row = database.execute(_KNOWN).fetchone() and database.execute(_DEVICE).fetchone()
        except sqlite3.Error as error:
            raise StoreDamaged(type(error).__name__) from None
        device = parse_optional(row[0]) if row else None
        return None if device is None else (device, parse_optional(row[1]))

    def remove(self) -> None:
        """Forget the device."""
        for suffix in _BESIDES:
            self.path.with_name(FILE + suffix).unlink(missing_ok=True)
