"""Stores the last look for a newer whatsmeow, and judges its age: the command `teimoso engine` writes, health reads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from actors.runtime.limits.durations import DAY
from actors.runtime.record_files import RecordFile

OLD: Final = 30 * DAY
"""Seconds after which WhatsApp may have changed what the library does not know yet."""

_PSEUDO: Final = re.compile(r"v0\.0\.0-([0-9]{14})-[0-9a-f]{12}")
"""Go's version of a commit: its time, in UTC, and its hash."""


@dataclass(frozen=True, slots=True)
class EngineLook:
    """A look at a time (seconds since the epoch): the version in use, and the newest, or why nobody knows it.

    `refused` is the version that a canary returned from last, and `why`.
    """

    at: float
    used: str
    newest: str | None = None
    unknown: str | None = None
    refused: str | None = None
    why: str | None = None

    @classmethod
    def read(cls, data: Path) -> EngineLook | None:
        """Return the last one; None before the first."""
        return next(iter(_FILE.read(data)), None)

    def write(self, data: Path) -> None:
        """Replace the last one. Raises OSError."""
        _FILE.write(data, [self])


_FILE: Final = RecordFile(EngineLook, Path("run/engine_look.json"))


def made_at(version: str) -> datetime | None:
    """The time of the commit that a version names; None where it names none."""
    found = _PSEUDO.fullmatch(version)
    try:
        return datetime.strptime(found[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC) if found else None
    except ValueError:
        return None


def old(look: EngineLook, now: float) -> str | None:
    """A sentence where the version in use is old and not known to be the newest; None otherwise."""
    made = made_at(look.used)
    if made is None or now - made.timestamp() <= OLD:
        return None
    newest = made_at(look.newest or "")
    if newest is not None and newest <= made:
        return None
    age = f"The engine's library is of {made:%Y-%m-%d}, {int((now - made.timestamp()) // DAY)} days old"
    if newest is None:
        return f"{age}, and nobody here can know whether there is a newer one: {look.unknown}"
    refused = f" A connection returned from it: {look.why}" if look.refused == look.newest else ""
    return (
        f"{age}, and there is one of {newest:%Y-%m-%d}: `teimoso engine try` moves to it.{refused}"
    )
