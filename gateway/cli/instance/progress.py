"""Waits in `teimoso up` until all processes of the instance are ready, and shows the progress."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Protocol, Self

from rich.live import Live
from rich.table import Table
from rich.text import Text

from gateway.cli.instance.instance_state import TREE_ROLES
from gateway.cli.instance.start_state import STARTUP_TIMEOUT, begun, hopeless
from gateway.cli.output import console
from supervision.keeper import process, status_file
from supervision.reports import process_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from supervision.keeper.status_file import PartState

PROGRESS_POLL_SECONDS = 0.15


class NotStarted(Exception):
    """Parts did not start: one sentence for each."""


class ProgressDisplay(Protocol):
    """A place where progress is displayed."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def update(self, notes: Sequence[PartState]) -> None:
        """Show the states of all parts."""


class Silent:
    """Shows nothing: a program reads the end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, notes: Sequence[PartState]) -> None:
        pass


class Lines(Silent):
    """A line whenever a part is ready or falls: for logs and pipes."""

    def __init__(self) -> None:
        self._shown: dict[str, tuple[str, int]] = {}
        self._begun = time.monotonic()

    def update(self, notes: Sequence[PartState]) -> None:
        for note in notes:
            word = (note.state, note.falls)
            if note.state not in ("ready", "fallen") or self._shown.get(note.role) == word:
                continue
            self._shown[note.role] = word
            seconds = time.monotonic() - self._begun
            ran = " (ran already)" if note.attached else ""
            reason = f": {note.reason}" if note.reason else ""
            sys.stdout.write(f"{note.role:10} {note.state}{ran}{reason} after {seconds:.1f} s\n")
            sys.stdout.flush()


class Screen:
    """A live table: for a person at a terminal."""

    MARKS = {"waiting": ("·", "dim"), "starting": ("…", "yellow"), "ready": ("✓", "green")}  # noqa: RUF012

    def __init__(self) -> None:
        self._live = Live(console=console(), refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def update(self, notes: Sequence[PartState]) -> None:
        shown = Table(box=None, pad_edge=False, show_header=False)
        now = time.time()
        for note in notes:
            seconds = f"{now - note.since:4.0f} s" if note.state == "starting" else ""
            words = "ran already" if note.attached and note.state == "ready" else note.state
            mark = Text(*self.MARKS.get(note.state, ("✗", "red")))
            shown.add_row(mark, note.role, words, seconds, Text(note.reason or "", "red"))
        self._live.update(shown)


def display(*, quiet: bool) -> ProgressDisplay:
    """A display that fits the place where the output goes."""
    if quiet:
        return Silent()
    return Screen() if sys.stdout.isatty() else Lines()


def wait(
    data: Path, roles: Iterable[str], shown: ProgressDisplay, check: Callable[[], None]
) -> None:
    """Return when every part runs and the tree has `begun`; raises `NotStarted`.

    `check` is called at every look, and raises what should end the waiting.
    """
    expected = set(roles)
    deadline = time.monotonic() + STARTUP_TIMEOUT
    while True:
        check()
        notes = [note for note in status_file.read(data) if note.role in expected]
        shown.update(notes)
        tree = {entry.role for entry in process_files.read(data)}
        ready = {note.role for note in notes if note.state == "ready"}
        if ready >= expected and begun(tree):
            return
        failed = hopeless(notes)
        if not failed and time.monotonic() > deadline:
            failed = [note for note in notes if note.state != "ready"]
            if not failed:
                lacking = ", ".join(sorted(set(TREE_ROLES) - tree))
                raise NotStarted(f"The root does not start {lacking}. Logs of Ray: {data / 'ray'}")
        if failed:
            raise NotStarted("\n".join(_sentence(data, note) for note in failed))
        time.sleep(PROGRESS_POLL_SECONDS)


def _sentence(data: Path, note: PartState) -> str:
    log = process.log_of(data, process.RAY_TASK if note.role == "root" else note.role)
    reason = (note.reason or "it is not ready in time").rstrip(".")
    where = f" Its log: {log}" if log.exists() else ""
    return f"{note.role} does not start: {reason}.{where}"
