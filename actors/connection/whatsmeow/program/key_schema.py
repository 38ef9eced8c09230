"""Reads the schema of a key database, while the program has it open or not, without changing it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def schema_in(database: Path) -> tuple[int, int] | None:
    """The schema of a key database, and the least that a program has to know to open it; None where there is none."""
    if not database.exists():
        return None
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=10)) as opened:
        try:
            row = opened.execute("SELECT version, compat FROM whatsmeow_version").fetchone()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return None
            raise
    return None if row is None else (row[0], row[1] or row[0])
