"""Queues stanzas on the event loop, and shapes and writes them to the trace file in a thread."""

from __future__ import annotations

from collections import deque
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final, Literal

from actors.connection.trace import login_payload
from actors.connection.trace.shape import Shaper, is_word
from actors.metrics.mistakes import log_mistake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from actors.connection.trace.trace_file import TraceFile


MOST_WAITING: Final = 4096
BYTES_WAITING: Final = 16 * 2**20
"""Stanzas that wait to be written at most, and bytes that they had on the wire."""

PERIOD: Final = 0.25
"""Seconds between two writes; a process that is killed loses what came since the last one."""

Kind = Literal["in", "out", "login", "end"]


class TraceWriter(Thread):
    """From one start to its end: what waits, and the thread that writes it."""

    def __init__(self, file: TraceFile, clock: Callable[[], float]) -> None:
        super().__init__(name="trace", daemon=True)
        self.file = file
        self.refused = 0
        self._clock, self._began = clock, clock()
        self._waiting: deque[tuple[float, Kind, Any, int]] = deque()
        self._put = self._taken = 0  # bytes; each is changed by one thread alone
        self._reported = 0
        self._finished = Event()

    def note(self, kind: Kind, what: Any, size: int) -> None:
        """Queue a stanza; one that does not fit is counted in `refused`. Never blocks."""
        waiting = self._put - self._taken
        full = len(self._waiting) >= MOST_WAITING or waiting + size > BYTES_WAITING
        if full or self._finished.is_set():
            self.refused += 1
            return
        self._put += size
        self._waiting.append((self._clock() - self._began, kind, what, size))

    def finish(self) -> None:
        """Write what is queued, and wait for the thread to end."""
        self._finished.set()
        self.join()

    def run(self) -> None:
        shaper, finished = Shaper(), False
        try:
            while not finished:
                finished = self._finished.wait(PERIOD)
                self.file.write(self._lines(shaper))
        except Exception as error:  # noqa: BLE001 - the connection goes on, traced or not
            log_mistake("trace broke", "trace.broke", error)
        finally:
            self._finished.set()
            self.file.close()

    def _lines(self, shaper: Shaper) -> Iterator[dict[str, Any]]:
        for _ in range(len(self._waiting)):
            at, kind, what, size = self._waiting.popleft()
            yield {"at": round(at, 3), **_line(kind, what, shaper)}
            self._taken += size
        dropped = self.refused + self.file.dropped
        if dropped > self._reported and self.file.error is None:
            self._reported = dropped
            yield {"at": round(self._clock() - self._began, 3), "event": "gap", "dropped": dropped}


def _line(kind: Kind, what: Any, shaper: Shaper) -> dict[str, Any]:
    if kind == "login":
        return {"event": "login", "payload": login_payload.shape(what)}
    if kind == "end":
        words = [str(what.kind), *([what.detail] if what.detail else [])]
        return {"event": "end", "cause": [word if is_word(word) else "~" for word in words]}
    return {"dir": kind, **shaper.shape(what, sent=kind == "out")}
