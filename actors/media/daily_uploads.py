"""Counts API callers' uploaded bytes of today per connection in the media ledger (SQLite); returns a refusal of excess.

Those that are on their way to a process are counted in its memory, beside them.
"""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from actors.runtime.limits.durations import DAY

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterator, Mapping

    from actors.runtime.limits.limits import Limit, LimitReached

UPLOADED: Final = """CREATE TABLE IF NOT EXISTS uploaded (
    day INTEGER NOT NULL,
    connection TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (day, connection)
) WITHOUT ROWID"""


def uploaded(database: sqlite3.Connection, owners: Collection[str], now: float) -> dict[str, int]:
    """Return the bytes that each of these uploaded on this day."""
    rows = database.execute(
        "SELECT connection, bytes FROM uploaded WHERE day = ?"
        " AND connection IN (SELECT value FROM json_each(?))",
        (int(now // DAY), json.dumps(list(owners))),
    )
    return dict.fromkeys(owners, 0) | dict(rows)


def refusal(used: Collection[int], size: int, limit: Limit, now: float) -> LimitReached | None:
    """Return the refusal of `size` bytes more by owners that `used` so many each, or None (pure)."""
    if not limit.size or max(used, default=-size) + size <= limit.size:
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


@dataclass(slots=True)
class _Owner:
    """The bytes of an owner on one day, with those on their way, and the number of uploads on their way."""

    size: int
    uploads: int = 0


class UploadsUnderway:
    """The owners of uploads to this process have no more than their bytes of the day, those on their way among them.

    Uploads on their way to another process are refused where they end, by the ledger.
    """

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._owners: dict[tuple[float, str], _Owner] = {}

    @contextmanager
    def upload(self, used: Mapping[str, int], now: float) -> Iterator[Callable[[int], None]]:
        """An upload of owners that `used` so many bytes on this day; counts those that come, by what it yields.

        That raises `LimitReached`. The bytes of an upload that fails count no more.
        """
        owners = {
            (now // DAY, each): self._owners.setdefault((now // DAY, each), _Owner(used[each]))
            for each in used
        }
        size = 0

        def came(count: int) -> None:
            nonlocal size
            refused = refusal([each.size for each in owners.values()], count, self._limit, now)
            if refused is not None:
                raise refused
            size += count
            for each in owners.values():
                each.size += count

        for each in owners.values():
            each.uploads += 1
        try:
            yield came
        except BaseException:
            for each in owners.values():
                each.size -= size
            raise
        finally:
            for key, each in owners.items():
                each.uploads -= 1
                if not each.uploads:
                    del self._owners[key]
