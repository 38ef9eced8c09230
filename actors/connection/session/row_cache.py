"""Caches rows of one table of a session file in memory, until a transaction changes the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.session.file import SessionFile

MAX_CACHED_ROWS: Final = 10_000
"""Values that one cache keeps; beyond that it begins anew."""

Value = TypeVar("Value")


class RowCache(Generic[Value]):
    """Returns what a read of the file would: of what is committed, inside a transaction also of what it changed.

    The part that has the table calls `change` in each transaction that changes it.
    """

    def __init__(self, file: SessionFile, read: Callable[[str], Value]) -> None:
        """`read` reads the value of a key from the file."""
        self._file = file
        self._read = read
        self._values: dict[str, Value] = {}
        self._changing = False
        file.add_cache(self._drop)

    def get(self, key: str = "") -> Value:
        """Return the value of a key, whether there is a row or not."""
        if self._changing and self._file.within:
            return self._read(key)
        try:
            return self._values[key]
        except KeyError:
            pass
        found = self._read(key)
        if len(self._values) >= MAX_CACHED_ROWS:
            self._values.clear()
        self._values[key] = found
        return found

    def change(self) -> None:
        """Note that the open transaction changes the table."""
        self._changing = True

    def _drop(self) -> None:
        if self._changing:
            self._values.clear()
            # A savepoint may be undone after another one of its transaction changed something.
            self._changing = self._file.in_transaction
