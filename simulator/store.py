"""Everything that the simulator must not forget, in one SQLite file.

What a peer is told has been committed first: stanzas leave through `after_commit`, so an ack can
never overtake the commit it stands for.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS people (
    number TEXT PRIMARY KEY, lid TEXT NOT NULL UNIQUE, raw_id INTEGER NOT NULL,
    name TEXT NOT NULL, registered INTEGER NOT NULL DEFAULT 1,
    receipts TEXT NOT NULL DEFAULT 'read', delivered_after REAL NOT NULL DEFAULT 0.02,
    read_after REAL NOT NULL DEFAULT 0.15, next_device INTEGER NOT NULL DEFAULT 1
) WITHOUT ROWID;
-- devices that the simulator plays itself, with their private keys
CREATE TABLE IF NOT EXISTS endpoints (
    number TEXT NOT NULL, device INTEGER NOT NULL, identity BLOB NOT NULL,
    registration INTEGER NOT NULL, skey_id INTEGER NOT NULL, skey BLOB NOT NULL,
    skey_signature BLOB NOT NULL, next_prekey INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (number, device)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS endpoint_prekeys (
    number TEXT NOT NULL, device INTEGER NOT NULL, id INTEGER NOT NULL, private BLOB NOT NULL,
    PRIMARY KEY (number, device, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sessions (
    number TEXT NOT NULL, device INTEGER NOT NULL, peer TEXT NOT NULL,
    peer_device INTEGER NOT NULL, record TEXT NOT NULL,
    PRIMARY KEY (number, device, peer, peer_device)
) WITHOUT ROWID;
-- devices that clients linked by QR, with what they published
CREATE TABLE IF NOT EXISTS companions (
    number TEXT NOT NULL, device INTEGER NOT NULL, noise BLOB NOT NULL, identity BLOB NOT NULL,
    registration INTEGER NOT NULL, skey_id INTEGER NOT NULL, skey BLOB NOT NULL,
    skey_signature BLOB NOT NULL, adv BLOB NOT NULL, key_index INTEGER NOT NULL,
    paired_at REAL NOT NULL, logins INTEGER NOT NULL DEFAULT 0,
    uploaded INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (number, device)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS prekeys (
    number TEXT NOT NULL, device INTEGER NOT NULL, id INTEGER NOT NULL, public BLOB NOT NULL,
    PRIMARY KEY (number, device, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS queue (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, number TEXT NOT NULL, device INTEGER NOT NULL,
    class TEXT NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL, stanza BLOB NOT NULL,
    UNIQUE (number, device, class, id, type)
);
CREATE TABLE IF NOT EXISTS inbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, number TEXT NOT NULL, sender TEXT NOT NULL,
    id TEXT NOT NULL, chat TEXT NOT NULL, kind TEXT NOT NULL, text TEXT,
    deliveries INTEGER NOT NULL DEFAULT 1, at REAL NOT NULL, ciphertext BLOB NOT NULL,
    UNIQUE (number, sender, id)
);
CREATE TABLE IF NOT EXISTS undecrypted (
    number TEXT NOT NULL, sender TEXT NOT NULL, device INTEGER NOT NULL, id TEXT NOT NULL,
    count INTEGER NOT NULL, PRIMARY KEY (number, sender, device, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS said (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, number TEXT NOT NULL, recipient TEXT NOT NULL,
    id TEXT NOT NULL, text TEXT NOT NULL, addressing TEXT NOT NULL, at REAL NOT NULL,
    delivered INTEGER NOT NULL DEFAULT 0, read INTEGER NOT NULL DEFAULT 0,
    retries INTEGER NOT NULL DEFAULT 0,
    UNIQUE (number, id)
);
"""


class Store:
    """One SQLite file in write-ahead mode, one writer: this process's event loop.

    A transaction that fails leaves nothing behind, in the file or in the caches that registered
    with `on_rollback`.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode=WAL")
        # A killed process keeps the page cache, so NORMAL loses nothing that was committed; only
        # a power cut could, and a simulator promises nothing about those.
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_SCHEMA)
        self._depth = 0
        self._after: list[Callable[[], None]] = []
        self._rollbacks: list[Callable[[], None]] = []

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    def row(self, statement: str, *values: Any) -> sqlite3.Row | None:
        found: sqlite3.Row | None = self._connection.execute(statement, values).fetchone()
        return found

    def rows(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        return self._connection.execute(statement, values).fetchall()

    def number(self, statement: str, *values: Any) -> int:
        """The first column of the only row, as a count."""
        found = self.row(statement, *values)
        return int(found[0]) if found is not None and found[0] is not None else 0

    def secret(self, name: str, make: Callable[[], bytes]) -> bytes:
        """A secret that is made at first need and stays the same ever after."""
        with self.transaction():
            found = self.row("SELECT value FROM meta WHERE name = ?", name)
            if found is not None:
                return bytes(found["value"])
            made = make()
            self.execute("INSERT INTO meta (name, value) VALUES (?, ?)", name, made)
            return made

    def on_rollback(self, forget: Callable[[], None]) -> None:
        """Registers a cache: `forget` runs after every transaction that failed."""
        self._rollbacks.append(forget)

    def after_commit(self, action: Callable[[], None]) -> None:
        """Runs `action` once the open transaction is committed, or now when none is open.

        A transaction that fails drops its actions.
        """
        if self._depth:
            self._after.append(action)
        else:
            action()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits at the end of the outermost block; an exception rolls all of it back."""
        if self._depth:
            yield
            return
        self._connection.execute("BEGIN IMMEDIATE")
        self._depth = 1
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            self._depth = 0
            self._after.clear()
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            for forget in self._rollbacks:
                forget()
            raise
        self._depth = 0
        actions, self._after = self._after, []
        for action in actions:
            action()

    def close(self) -> None:
        self._connection.close()
