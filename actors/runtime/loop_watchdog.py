"""Notices an event loop that runs nothing new for more than `SILENT_SECONDS`; logs and counts why, with the code location.

The loop notes its time and its thread's processor time every `BEAT_SECONDS`. Where that is overdue, a thread takes the
stack of the loop's thread. The time before the note was due is left out, so that a silence is never overstated:
one of less than `SILENT_SECONDS + BEAT_SECONDS` may pass unnoticed.
"""

from __future__ import annotations

import asyncio
import linecache
import math
import re
import sys
import threading
import time
import traceback
from collections import deque
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import structlog

from actors.metrics.counters import measures
from actors.runtime.logs import FRAMES

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

SILENT_SECONDS: Final = 0.1
"""A longer silence of the loop is reported."""

BEAT_SECONDS: Final = 0.1
"""Seconds between two notes of the loop, and between two looks at them."""

HUNG_SECONDS: Final = 2.0
"""A silence is reported after this time, while it lasts: its process may be killed before it ends."""

WORST_SECONDS: Final = 15.0
"""The worst silence is that of this time, or of twice that at most."""

LOOP_SILENT: Final = "loop_silent"

Kind = Literal["computed", "blocked", "waited"]

_BLOCKING: Final = re.compile(
    r"\b(sleep|fsync|fdatasync|execute(many|script)?|commit|backup|recv(_into|from)?|accept|connect|sendall|do_handshake"
    r"|getaddrinfo|gethostby\w+|copy(file\w*|tree)|rmtree|flock|lockf|acquire|join|wait|waitpid|wait4|result|get|run|call"
    r"|check_\w+|communicate|poll|select)\s*\("
)
"""The calls that put a thread to sleep for as long as something else takes, as the source has them."""

_ASLEEP: Final = re.compile(
    r"^State:\s+S.*^voluntary_ctxt_switches:\s+(\d+)", re.DOTALL | re.MULTILINE
)
"""The status of a thread that sleeps, with the number of its sleep; one that waits for the disk is in another state."""

_START_OF_A_THREAD: Final = threading.Thread.start.__code__

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Silence:
    """A time in which the loop ran nothing that became ready meanwhile.

    `computed`: its thread had the processor for more than `SILENT_SECONDS`. `blocked`: it slept through two looks in one
    call of `_BLOCKING`. `waited`: it waited for a core, for the disk, or for another thread of the process. `where` has
    module, line and function of each frame, innermost last; it is empty where the loop went on before the look.
    """

    kind: Kind
    seconds: float
    cpu_seconds: float
    where: tuple[str, ...]
    over: bool = True
    """False for one that still lasts."""


def report(silence: Silence) -> None:
    """Log a silence in one line."""
    log.warning(
        "event loop silent",
        action=LOOP_SILENT,
        kind=silence.kind,
        seconds=round(silence.seconds, 3),
        cpu_seconds=round(silence.cpu_seconds, 3),
        over=silence.over,
        where=silence.where,
    )


class _Beat(NamedTuple):
    """When the loop has to come again, and the processor time that its thread has used by then at most."""

    due: float
    ran: float


class _Look(NamedTuple):
    """The loop's thread in a silence since `beat`: where it was, and in which sleep (see `_ASLEEP`)."""

    beat: _Beat
    where: tuple[str, ...]
    sleep: str | None
    blocked: bool


_NEVER: Final = _Beat(math.inf, math.inf)
"""The beat of a loop that is not run."""


class LoopWatchdog:
    """Watches the event loop that `start` is called in, until that is closed."""

    def __init__(self, report: Callable[[Silence], None] = report) -> None:
        self._report = report
        self._beat = self._reported = _NEVER
        self._looked = _Look(_NEVER, (), None, blocked=False)
        self._window_began = 0.0
        self._worst = self._worst_before = 0.0

    def start(self) -> None:
        """Watch the running loop from now on."""
        self._loop = asyncio.get_running_loop()
        self._thread, self._native_id = threading.get_ident(), threading.get_native_id()
        self._cpu_clock = time.pthread_getcpuclockid(self._thread)
        self._pulse()
        threading.Thread(target=self._watch, name="loop watchdog", daemon=True).start()

    def lag(self, now: float) -> float:
        """Seconds by which the loop is late at `now` on the monotonic clock."""
        return max(0.0, now - self._beat.due)

    def worst(self, now: float) -> float:
        """The most seconds by which the loop was late, of the last `WORST_SECONDS` or of twice that at most."""
        self._turn_window(now)
        return max(self._worst, self._worst_before, self.lag(now))

    def _turn_window(self, now: float) -> None:
        passed = now - self._window_began
        if passed >= WORST_SECONDS:
            self._worst_before = self._worst if passed < 2 * WORST_SECONDS else 0.0
            self._worst, self._window_began = 0.0, now

    def _pulse(self) -> None:
        """Note that the loop runs; runs in it."""
        beat, self._beat = self._beat, _NEVER
        now = time.monotonic()
        self._turn_window(now)
        self._worst = max(self._worst, now - beat.due)
        if now - beat.due > SILENT_SECONDS and self._reported is not beat:
            self._note(beat, now)
        self._beat = _Beat(
            time.monotonic() + BEAT_SECONDS, time.clock_gettime(self._cpu_clock) + BEAT_SECONDS
        )
        self._loop.call_later(BEAT_SECONDS, self._pulse)

    def _watch(self) -> None:
        while not self._loop.is_closed():
            time.sleep(BEAT_SECONDS)
            beat, now = self._beat, time.monotonic()
            if not self._loop.is_running():
                self._beat = _NEVER
            elif now > beat.due:
                self._look(beat)
                if now - beat.due > HUNG_SECONDS and self._reported is not beat:
                    self._reported = beat
                    self._note(beat, now, over=False)

    def _look(self, beat: _Beat) -> None:
        """Take the place of the loop's thread, until it is found to block, or the loop goes on."""
        before = self._looked if self._looked.beat is beat else None
        if before is not None and before.blocked:
            return
        # The frames change as soon as the loop's thread gets the interpreter: nothing waits before they are read.
        frame = _frame(self._thread)
        where = () if frame is None else located(frame)
        blocked = before is not None and frame is not None and blocks(frame)
        sleep = _sleep(self._native_id)
        if self._beat is beat:
            blocked = blocked and before is not None and sleep is not None and sleep == before.sleep
            self._looked = _Look(beat, where, sleep, blocked)

    def _note(self, beat: _Beat, now: float, *, over: bool = True) -> None:
        """Count and report the silence since this beat was due."""
        ran, looked = time.clock_gettime(self._cpu_clock) - beat.ran, self._looked
        where, blocked = (looked.where, looked.blocked) if looked.beat is beat else ((), False)
        kind: Kind = "computed" if ran > SILENT_SECONDS else "blocked" if blocked else "waited"
        measures.count("teimoso_loop_silences", kind=kind)
        self._report(Silence(kind, now - beat.due, max(0.0, ran), where, over))


def _frame(thread: int) -> FrameType | None:
    """The innermost frame of a thread."""
    return sys._current_frames().get(thread)  # noqa: SLF001 - the one way to them


def _sleep(native_id: int) -> str | None:
    """The number of the sleep that a thread is in; None where it runs, waits for a core, or has ended.

    One that waits for the interpreter wakes at each switch interval, so that its number rises.
    """
    try:
        status = Path(f"/proc/self/task/{native_id}/status").read_text()
    except OSError:
        return None
    found = _ASLEEP.search(status)
    return found and found[1]


def located(frame: FrameType) -> tuple[str, ...]:
    """Return the module, line and function of the innermost `FRAMES` frames, innermost last, without the import system's."""
    found: deque[str] = deque()
    for each, line in traceback.walk_stack(frame):
        module = each.f_globals.get("__name__", "?")
        if len(found) == FRAMES:
            break
        if not module.startswith("importlib."):
            found.appendleft(f"{module}:{line} {each.f_code.co_name}")
    return tuple(found)


def blocks(frame: FrameType) -> bool:
    """Return whether the call that a frame is in is one of `_BLOCKING`, as far as its source is there.

    Not the start of a thread: it waits for the new thread to have a core.
    """
    if any(each.f_code is _START_OF_A_THREAD for each, _ in islice(traceback.walk_stack(frame), 3)):
        return False
    line, end, column, end_column = next(
        islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), (None, None, None, None)
    )
    if line is None or end is None:
        return False
    lines = [linecache.getline(frame.f_code.co_filename, each) for each in range(line, end + 1)]
    lines[-1] = lines[-1].encode()[:end_column].decode(errors="ignore")
    lines[0] = lines[0].encode()[column:].decode(errors="ignore")
    return _BLOCKING.search("".join(lines)) is not None
