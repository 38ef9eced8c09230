"""Counts, by triggers, the bytes that each connection keeps in the SQLite state store; reads the counts from its file.

The database itself keeps the counts: they are right after a crash, and after any process that wrote or deleted a
document. Reading them costs as much with many documents as with few.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from actors.state.documents import (
    CHATS,
    CONNECTIONS,
    CONTACTS,
    DELIVERIES,
    EVENTS,
    JOBS,
    LABELS,
    MESSAGES,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DOCUMENT_OVERHEAD, EVENT_OVERHEAD = 700, 100
"""Bytes that the indexes take beside a document, and the records of deliveries beside an event, as measured."""

READ_SECONDS: Final = 1.0
"""Seconds for which `read` waits while another process has the file locked."""

_TABLE = "CREATE TABLE IF NOT EXISTS stored (connection TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID"


@dataclass(frozen=True, slots=True)
class _Kind:
    """Collections whose documents count alike: the expressions of a unit and of its bytes, for a row named `d`.

    `parts` is the table of the parts of a document, if each part counts for a unit of its own.
    """

    collections: tuple[str, ...]
    unit: str
    bytes: str
    parts: str = ""

    def of_row(self, row: str, sign: str = "") -> str:
        """The unit and the bytes of a trigger's `row`, to be inserted."""
        values = f"{self.unit}, {sign}({self.bytes})"
        if self.parts:  # each by itself: a table of one row's sums would be sorted
            text = f"SELECT {values} FROM {self.parts} WHERE e.type = 'object'"  # noqa: S608 - constants
        else:
            text = f"VALUES ({values})"
        return text.replace("d.", f"{row}.")

    @property
    def of_all(self) -> str:
        """The units and bytes of all rows."""
        tables, where = "documents AS d", f"d.collection {self.within}"
        if self.parts:
            tables, where = f"{tables}, {self.parts}", f"{where} AND e.type = 'object'"
        return f"SELECT {self.unit} AS unit, {self.bytes} AS bytes FROM {tables} WHERE {where}"  # noqa: S608 - constants

    @property
    def within(self) -> str:
        return f"IN ({', '.join(map(repr, self.collections))})"


_SIZE = f"length(CAST(d.data AS BLOB)) + {DOCUMENT_OVERHEAD}"

_KINDS = (
    _Kind(
        (MESSAGES, JOBS, CONTACTS, CHATS, LABELS),
        "coalesce(json_extract(d.data, '$.connection'), '')",
        _SIZE,
    ),
    _Kind(
        (DELIVERIES,),
        "coalesce(CASE WHEN json_valid(json_extract(d.data, '$.event'))"
        " THEN json_extract(json_extract(d.data, '$.event'), '$.event.connection') END, '')",
        _SIZE,
    ),
    _Kind(
        (EVENTS,),
        "coalesce(json_extract(e.value, '$.connection'), '')",
        f"length(CAST(e.value AS BLOB)) + {EVENT_OVERHEAD}",
        "json_each(CASE WHEN json_valid(json_extract(d.data, '$.events'))"
        " THEN json_extract(d.data, '$.events') ELSE '[]' END) AS e",
    ),
)
"""Documents that cannot be read, or name no connection, count for `SHARED_UNIT`, and so do events without a connection."""

_SIDES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "INSERT": (("NEW", ""),),
    "UPDATE OF data": (("OLD", "-"), ("NEW", "")),
    "DELETE": (("OLD", "-"),),
}


def schema() -> Iterator[str]:
    """The statements that create the counts. The last one counts what is there before them, once."""
    yield _TABLE
    for number, kind in enumerate(_KINDS):
        for change, sides in _SIDES.items():
            steps = [_adding(kind.of_row(row, sign)) for row, sign in sides]
            if change == "DELETE":
                steps.append("DELETE FROM stored WHERE bytes <= 0 AND connection <> ''")
            yield (
                f"CREATE TRIGGER IF NOT EXISTS stored_{change.split()[0].lower()}_{number}"
                f" AFTER {change} ON documents WHEN {sides[-1][0]}.collection {kind.within}"
                f" BEGIN {'; '.join(steps)}; END"
            )
    counts = " UNION ALL ".join(kind.of_all for kind in _KINDS)
    # The row of `SHARED_UNIT` marks the count as done.
    yield (
        "INSERT INTO stored SELECT unit, sum(bytes) FROM"  # noqa: S608 - constants
        f" ({counts} UNION ALL SELECT '', 0) WHERE NOT EXISTS (SELECT 1 FROM stored) GROUP BY unit"
    )


def _adding(counted: str) -> str:
    return (
        f"INSERT INTO stored {counted}"
        " ON CONFLICT (connection) DO UPDATE SET bytes = bytes + excluded.bytes"
    )


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """Bytes of documents: `used` by unit (`actors.runtime.limits.quotas`), and `free` ones inside the file.

    `living` are the ids of the connections that are not deleted.
    """

    used: Mapping[str, int]
    living: frozenset[str]
    free: int

    @property
    def total(self) -> int:
        return sum(self.used.values())


def read(file: Path) -> StoredBytes:
    """Read the counts of a store. Blocking. Raises `OSError` where they cannot be read."""
    try:
        with closing(
            sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", READ_SECONDS, uri=True)
        ) as database:
            used = dict(database.execute("SELECT connection, bytes FROM stored"))
            living = database.execute(
                "SELECT coalesce(json_extract(data, '$.incarnation'), id) FROM documents"
                " WHERE collection = ? AND NOT coalesce(json_extract(data, '$.deleted'), false)",
                (CONNECTIONS,),
            )
            ((size,),) = database.execute("PRAGMA page_size")
            ((pages,),) = database.execute("PRAGMA freelist_count")
            return StoredBytes(used, frozenset(each for (each,) in living), size * pages)
    except sqlite3.Error as error:
        raise OSError(getattr(error, "sqlite_errorname", type(error).__name__)) from None
