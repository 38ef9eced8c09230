"""Counts the bytes that API callers uploaded today per connection, in the media ledger (SQLite), and refuses excess."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

    from actors.runtime.limits.limits import Limit, LimitReached

DAY: Final = 24 * 3600.0
"""Seconds of a day, which begins at midnight UTC."""

UPLOADED: Final = """CREATE TABLE IF NOT EXISTS uploaded (
    day INTEGER NOT NULL,
    connection TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (day, connection)
) WITHOUT ROWID"""


def refusal(
    database: sqlite3.Connection, size: int, owners: Collection[str], limit: Limit, now: float
) -> LimitReached | None:
    """Return the refusal of a file that would bring an owner beyond the bytes of the day, or None."""
    (used,) = database.execute(
        "SELECT coalesce(max(bytes), 0) FROM uploaded WHERE day = ?"
        " AND connection IN (SELECT value FROM json_each(?))",
        (int(now // DAY), json.dumps(list(owners))),
    ).fetchone()
    if not owners or not limit.size or used + size <= limit.size:
        return None
    return limit.reached("connection", math.ceil(DAY - now % DAY))


def charge(database: sqlite3.Connection, size: int, owners: Collection[str], now: float) -> None:
    """Count the file for each of its owners, and forget days that are over."""
    today = int(now // DAY)
    database.executemany(
        "INSERT INTO uploaded VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes",
        [(today, owner, size) for owner in owners],
    )
    database.execute("DELETE FROM uploaded WHERE day < ?", (today,))
