"""Logs the keeper's restarts of OS processes to a file, which the root actor copies to the recovery history.

The keeper opens no state store.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from actors.runtime.record_files import RecordFile
from actors.state.recovery_actions import recovery_action

if TYPE_CHECKING:
    from actors.state.recovery_actions import RecoveryDocument

RESTARTS_KEPT = 100


@dataclass(frozen=True, slots=True)
class Restart:
    """A fall of a part by `cause`; it was ready again at `at` (seconds since the epoch), `seconds` later."""

    role: str
    cause: str
    at: float
    seconds: float

    @property
    def action(self) -> RecoveryDocument:
        """The document in ``recovery_actions``; the same id for the same restart."""
        return recovery_action(
            role=self.role,
            cause=self.cause,
            action="restarted",
            before=self.cause,
            after="running",
            seconds=self.seconds,
            at=self.at,
        )


RESTART_FILE = RecordFile(Restart, Path("run") / "restarts.json")


class Restarts:
    """The newest restarts, also by earlier keepers."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._kept = read(data)

    def add(self, role: str, cause: str, seconds: float) -> None:
        """Adds a finished restart. Raises OSError, and then the next call writes it."""
        self._kept = [*self._kept, Restart(role, cause, time.time(), seconds)][-RESTARTS_KEPT:]
        RESTART_FILE.write(self._data, self._kept)


def read(data: Path) -> list[Restart]:
    """Returns the logged restarts, the newest last; none without a readable file."""
    return RESTART_FILE.read(data)
