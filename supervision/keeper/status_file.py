"""Writes and reads the file with each process's state; the keeper writes, CLI commands (up, status, upgrade) read."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from actors.runtime.record_files import RecordFile

State = Literal["waiting", "starting", "ready", "fallen"]


@dataclass(frozen=True)
class PartState:
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


STATUS_FILE = RecordFile(PartState, Path("run") / "parts.json")


class StatusFile:
    """The states of all parts of an instance."""

    def __init__(self, data: Path, roles: tuple[str, ...]) -> None:
        self._data = data
        now = time.time()
        self._notes = {role: PartState(role, "waiting", now) for role in roles}
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
        self._notes[role] = PartState(role, state, time.time(), reason, falls, streak, attached)
        self.write()

    def write(self) -> None:
        """Writes the file. Raises OSError."""
        STATUS_FILE.write(self._data, self._notes.values())


def read(data: Path) -> list[PartState]:
    """Returns the states that the last keeper wrote; the caller checks first whether it lives."""
    return STATUS_FILE.read(data)
