"""Restarts by the keeper, in a file from which the root writes the history.

The keeper opens no store: what it did is noted here, and is history once there is a root.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from actors.runtime.atomic_files import write_atomically
from actors.state.recovery_actions import recovery_action

if TYPE_CHECKING:
    from actors.state.documents import Document

FILE = Path("run") / "restarts.json"
KEPT = 100


@dataclass(frozen=True, slots=True)
class Restart:
    """A part fell by `cause` and was ready again `at` (seconds since the epoch), `seconds` later."""

    role: str
    cause: str
    at: float
    seconds: float

    @property
    def action(self) -> Document:
        """As a document of ``recovery_actions``, the same whenever it is made."""
        return recovery_action(
            role=self.role,
            cause=self.cause,
            action="restarted",
            before=self.cause,
            after="running",
            seconds=self.seconds,
            at=self.at,
        )


class Restarts:
    """The newest restarts, those of earlier keepers among them."""

    def __init__(self, data: Path) -> None:
        self._file = data / FILE
        self._kept = read(data)

    def add(self, role: str, cause: str, seconds: float) -> None:
        """Note one that is over; it is kept when writing raises OSError, for the next time."""
        self._kept = [*self._kept, Restart(role, cause, time.time(), seconds)][-KEPT:]
        write_atomically(self._file, json.dumps([asdict(one) for one in self._kept]))


def read(data: Path) -> list[Restart]:
    """The restarts that were noted, the newest last; none where there is no file to be read."""
    try:
        return [Restart(**plain) for plain in json.loads((data / FILE).read_text())]
    except (OSError, ValueError, TypeError):
        return []
