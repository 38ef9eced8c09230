"""Writes the state of each part to a file that `teimoso up` and `teimoso status` read."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from actors.runtime.atomic_files import write_atomically

FILE = Path("run") / "parts.json"

State = Literal["waiting", "starting", "ready", "fallen"]


@dataclass(frozen=True)
class Note:
    """The state of a part: `waiting` for another one, `starting`, `ready`, or `fallen` with a reason.

    `since` is in seconds since the epoch; `falls` counts the falls under this keeper, `streak` those in
    a row; `attached`: the part ran before this keeper began.
    """

    role: str
    state: State
    since: float
    reason: str | None = None
    falls: int = 0
    streak: int = 0
    attached: bool = False


class StatusFile:
    """The states of all parts of an instance."""

    def __init__(self, data: Path, roles: tuple[str, ...]) -> None:
        self._file = data / FILE
        self._file.parent.mkdir(parents=True, exist_ok=True)
        now = time.time()
        self._notes = {role: Note(role, "waiting", now) for role in roles}
        self.write()

    def put(
        self,
        role: str,
        state: State,
        reason: str | None = None,
        *,
        falls: int = 0,
        streak: int = 0,
        attached: bool = False,
    ) -> None:
        """Sets the state of a part and writes the file. Raises OSError, and keeps the state all the same."""
        if reason is None and state == "starting" and streak:
            reason = self._notes[role].reason  # the reason of the restart
        self._notes[role] = Note(role, state, time.time(), reason, falls, streak, attached)
        self.write()

    def write(self) -> None:
        """Writes the file. Raises OSError."""
        plain = [asdict(note) for note in self._notes.values()]
        write_atomically(self._file, json.dumps(plain, indent=1))


def read(data: Path) -> list[Note]:
    """Returns the states that the last keeper wrote; the caller checks first whether it lives."""
    try:
        return [Note(**plain) for plain in json.loads((data / FILE).read_text())]
    except (OSError, ValueError, TypeError):
        return []
