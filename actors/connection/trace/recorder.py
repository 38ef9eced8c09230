"""Recording: stanzas are handed over on the event loop, shaped and written by a thread."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final, Literal

import structlog

from actors.connection.trace import payload as login_payload
from actors.connection.trace.shape import Shaper, is_word
from actors.connection.trace.trace_file import FILE_BYTES, TraceFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from actors.connection.causes import Cause
    from actors.connection.trace.shape import Stanza

log = structlog.get_logger()

MOST_WAITING: Final = 4096
BYTES_WAITING: Final = 16 * 2**20
"""Stanzas that wait to be written at most, and bytes that they had on the wire."""

PERIOD: Final = 0.25
"""Seconds between two writes; a process that is killed loses what came since the last one."""

Kind = Literal["in", "out", "login", "end"]


class Recorder:
    """Records the shape of what passes a connection's sockets while it is `on`; never slows them down.

    A stanza that cannot be written, since it comes too fast or the disk is full, is dropped and counted.
    Recording ends with the process.
    """

    def __init__(
        self,
        file: Path,
        by: str,
        *,
        file_bytes: int = FILE_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`by`: the engine whose traffic it is."""
        self.on = False
        self._path, self._by, self._file_bytes, self._clock = file, by, file_bytes, clock
        self._recording: _Recording | None = None

    def start(self) -> None:
        """Begin to record; running numbers begin anew. Nothing happens where it records."""
        if not self.status()["tracing"]:
            file = TraceFile(self._path, self._by, self._file_bytes)
            self._recording = _Recording(file, self._clock)
            self._recording.start()
            self.on = True

    async def stop(self) -> None:
        """Record no more; what came so far is written when this returns."""
        self.on = False
        if self._recording is not None:
            await asyncio.to_thread(self._recording.finish)

    def status(self) -> dict[str, Any]:
        """Whether it records, into which file, and what became of what it noted since it began.

        `error` says why the last write failed, and is None where it did not.
        """
        one = self._recording
        return {
            "tracing": self.on and one is not None and one.is_alive(),
            "file": "/".join(self._path.parts[-3:]),
            "lines": 0 if one is None else one.file.lines,
            "dropped": 0 if one is None else one.refused + one.file.dropped,
            "error": None if one is None else one.file.error,
        }

    def sent(self, stanzas: Sequence[Stanza], plaintexts: Sequence[bytes]) -> None:
        """Note stanzas that leave, each with the bytes that it has on the wire."""
        for stanza, plaintext in zip(stanzas, plaintexts, strict=True):
            self._note("out", stanza, len(plaintext))

    def received(self, stanza: Stanza, size: int) -> None:
        """Note a stanza that came, with the number of bytes that it had on the wire."""
        self._note("in", stanza, size)

    def login(self, payload: bytes) -> None:
        """Note that a socket is opened with this client payload."""
        self._note("login", payload, len(payload))

    def ended(self, cause: Cause) -> None:
        """Note why a socket ended."""
        self._note("end", cause, 0)

    def _note(self, kind: Kind, what: Any, size: int) -> None:
        if self.on and self._recording is not None:
            self._recording.note(kind, what, size)


class _Recording(Thread):
    """From one start to its end: what waits, and the thread that writes it."""

    def __init__(self, file: TraceFile, clock: Callable[[], float]) -> None:
        super().__init__(name="trace", daemon=True)
        self.file = file
        self.refused = 0
        self._clock, self._began = clock, clock()
        self._waiting: deque[tuple[float, Kind, Any, int]] = deque()
        self._put = self._taken = 0  # bytes; each is changed by one thread alone
        self._told = 0
        self._finished = Event()

    def note(self, kind: Kind, what: Any, size: int) -> None:
        waiting = self._put - self._taken
        full = len(self._waiting) >= MOST_WAITING or waiting + size > BYTES_WAITING
        if full or self._finished.is_set():
            self.refused += 1
            return
        self._put += size
        self._waiting.append((self._clock() - self._began, kind, what, size))

    def finish(self) -> None:
        self._finished.set()
        self.join()

    def run(self) -> None:
        shaper, finished = Shaper(), False
        try:
            while not finished:
                finished = self._finished.wait(PERIOD)
                self.file.write(self._lines(shaper))
        except Exception as error:  # noqa: BLE001 - the connection goes on, traced or not
            log.error("trace broke", action="trace.broke", error=type(error).__name__)  # noqa: TRY400
        finally:
            self._finished.set()
            self.file.close()

    def _lines(self, shaper: Shaper) -> Iterator[dict[str, Any]]:
        for _ in range(len(self._waiting)):
            at, kind, what, size = self._waiting.popleft()
            yield {"at": round(at, 3), **_line(kind, what, shaper)}
            self._taken += size
        dropped = self.refused + self.file.dropped
        if dropped > self._told and self.file.error is None:
            self._told = dropped
            yield {"at": round(self._clock() - self._began, 3), "event": "gap", "dropped": dropped}


def _line(kind: Kind, what: Any, shaper: Shaper) -> dict[str, Any]:
    if kind == "login":
        return {"event": "login", "payload": login_payload.shape(what)}
    if kind == "end":
        words = [str(what.kind), *([what.detail] if what.detail else [])]
        return {"event": "end", "cause": [word if is_word(word) else "~" for word in words]}
    return {"dir": kind, **shaper.shape(what, sent=kind == "out")}
