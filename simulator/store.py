"""Runs SQL and transactions on the simulator's SQLite file, and actions after commits; stores secrets and counters.

Stanzas leave through `after_commit`, so that no peer receives an ack of state that is not committed.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from simulator.store_tables import SCHEMA, VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Store:
    """One SQLite file in write-ahead mode, with the event loop of this process as its only writer.

    A failed transaction changes nothing, in the file and in the caches that registered with
    `on_rollback`.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        # The page cache survives a killed process, so that no commit is lost without a
        # sync, except by a power cut, against which a simulator does not protect.
        self._connection.execute("PRAGMA synchronous=OFF")
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._create()
        self._depth = 0
        self._after: list[Callable[[], None]] = []
        self._rollbacks: list[Callable[[], None]] = []

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        """Runs one statement, in the open transaction where there is one."""
        return self._connection.execute(statement, values)

    def row(self, statement: str, *values: Any) -> sqlite3.Row | None:
        """Returns the first row; None for none."""
        found: sqlite3.Row | None = self._connection.execute(statement, values).fetchone()
        return found

    def rows(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        """Returns all rows."""
        return self._connection.execute(statement, values).fetchall()

    def number(self, statement: str, *values: Any) -> int:
        """Returns the first column of the only row, as a count."""
        found = self.row(statement, *values)
        return int(found[0]) if found is not None and found[0] is not None else 0

    def secret(self, name: str, make: Callable[[], bytes]) -> bytes:
        """Returns a secret that is created at first use and then stored."""
        with self.transaction():
            found = self.row("SELECT value FROM meta WHERE name = ?", name)
            if found is not None:
                return bytes(found["value"])
            made = make()
            self.execute("INSERT INTO meta (name, value) VALUES (?, ?)", name, made)
            return made

    def replace_secret(self, name: str, secret: bytes) -> bytes:
        """Replaces a stored secret by `secret`, and returns it."""
        with self.transaction():
            self.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", name, secret)
        return secret

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

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Encloses a part of the open transaction: an exception rolls back this part alone."""
        assert self._depth
        actions = len(self._after)
        self._connection.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            del self._after[actions:]
            self._connection.execute("ROLLBACK TO part")
            for forget in self._rollbacks:
                forget()
            raise
        finally:
            self._connection.execute("RELEASE part")

    def count(self, number: str, name: str) -> None:
        """Increments the count `name` of `number`."""
        self.execute(
            "INSERT INTO counts (number, name, value) VALUES (?, ?, 1)"
            " ON CONFLICT DO UPDATE SET value = value + 1",
            number,
            name,
        )

    def counted_by(self, number: str, prefix: str) -> dict[str, int]:
        """Returns the counts of a number whose names begin with `prefix`, without the prefix."""
        rows = self.rows(
            "SELECT name, value FROM counts WHERE number = ?1 AND substr(name, 1, ?2) = ?3"
            " ORDER BY name",
            number,
            len(prefix),
            prefix,
        )
        return {row["name"].removeprefix(prefix): row["value"] for row in rows}

    def counted(self, number: str, name: str) -> int:
        """Returns how often `name` was counted for the number; 0 for never."""
        return self.number("SELECT value FROM counts WHERE number = ? AND name = ?", number, name)

    def close(self) -> None:
        self._connection.close()

    def _create(self) -> None:
        """Creates the tables. Raises ValueError for a file of another version, which is left as it is."""
        version = self.number("PRAGMA user_version")
        if version != VERSION and self.row("SELECT 1 FROM sqlite_schema LIMIT 1") is not None:
            raise ValueError(
                f"the simulator's file has version {version}, not {VERSION}: remove it"
            )
        self._connection.executescript(
            f"BEGIN IMMEDIATE; {SCHEMA}; PRAGMA user_version = {VERSION}; COMMIT;"
        )
