"""Finds the event loops that a test's code of the product held: in the suite's logs, and in the test's own process.

A silence counts where the loop's own thread computed for it, or slept in a blocking call (`actors/runtime/loop_watchdog.py`):
what only waited for a busy core is in the log and no more. `leaks` reads the logs, and hands them over.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final

import uvloop

from actors.runtime.loop_watchdog import LOOP_SILENT, LoopWatchdog, Silence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HELD: Final = ("computed", "blocked")
PRODUCT: Final = ("actors.", "gateway.", "supervision.", "simulator.")
_MARK: Final = LOOP_SILENT.encode()
_CLOCK_SECONDS: Final = 0.5
"""A silence is logged at its end, a little later than its test may be over."""


class Silences:
    """The silences found since the last look. Under `make coverage`, which slows code down, none is noted."""

    def __init__(self) -> None:
        self._logged: list[tuple[float, str]] = []
        self.own: list[str] = []
        self._excused: list[tuple[float, float]] = []
        self._slowed = "COVERAGE_ROOT" in os.environ

    def note_log(self, content: bytes, file: str) -> None:
        """Take the silences out of a piece of a log."""
        if _MARK not in content or self._slowed:
            return
        for line in content.splitlines():
            if _MARK in line and (found := _of_line(line)) is not None:
                at, text = found
                self._logged.append((at, f"{file}: {text}"))

    def note_own(self, silence: Silence) -> None:
        """Take a silence of a loop of this process, where code of the product is in its stack.

        Not that of a module that is being loaded: processes of the product load theirs before they serve.
        """
        if (
            _held(silence.kind, silence.where)
            and any(line.startswith(PRODUCT) for line in silence.where)
            and not any(line.endswith(" <module>") for line in silence.where)
            and not self._slowed
        ):
            self.own.append(_text(silence.kind, silence.seconds, silence.where))

    @contextmanager
    def test(self, *, excused: bool) -> Iterator[None]:
        """Runs a test; one that is `excused` may hold loops. Fails where code of the product held the test's own loop."""
        began = time.time()
        yield
        if excused:
            self._excused.append((began, time.time() + _CLOCK_SECONDS))
        own, self.own = self.own, []
        assert excused or not own, "\n".join(own)

    def taken(self) -> list[str]:
        """Return the silences of logs since the last call, but for those of excused tests."""
        logged, self._logged = self._logged, []
        return [
            text
            for at, text in logged
            if not any(began <= at <= ended for began, ended in self._excused)
        ]


SILENCES: Final = Silences()
"""Those of this process of the run."""


class WatchedLoops(uvloop.EventLoopPolicy):
    """Makes uvloop's loops, each with a watchdog from its first round on."""

    def new_event_loop(self) -> uvloop.Loop:
        """A loop that reports its silences."""
        loop = super().new_event_loop()
        loop.call_soon(LoopWatchdog(SILENCES.note_own).start)
        return loop


def _of_line(line: bytes) -> tuple[float, str] | None:
    try:
        fields = json.loads(line)
        if fields["action"] != LOOP_SILENT or not _held(fields["kind"], fields["where"]):
            return None
        if _loads(fields["where"]):
            return None
        at = datetime.fromisoformat(fields["timestamp"]).timestamp()
        return at, _text(fields["kind"], fields["seconds"], fields["where"])
    except (ValueError, KeyError, TypeError):
        return None  # of a killed process the last line may lack its end


def _loads(where: Sequence[str]) -> bool:
    """Whether an actor that does not serve yet loads a module."""
    begins = any(line.startswith("actors.runtime.actor_base:") for line in where)
    return (
        begins
        and any(line.endswith(" _begin") for line in where)
        and where[-1].endswith(" <module>")
    )


def _held(kind: str, where: Sequence[str]) -> bool:
    """Whether the loop's own thread is the cause, in a call that a test does not make itself.

    An actor that runs in a test's loop logs the calls of the test, too.
    """
    ours = [line for line in where if line.startswith((*PRODUCT, "tests."))]
    return kind in HELD and not (ours and ours[-1].startswith("tests."))


def _text(kind: str, seconds: float, where: Sequence[str]) -> str:
    return f"the event loop {kind} for {seconds:.2f} s in {' > '.join(where) or 'unknown code'}"
