"""Switches a connection's trace on and off, and passes the engine's stanzas to the trace writer while on."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from actors.connection.disconnects.causes import Cause
    from actors.connection.trace.shape import Stanza
    from actors.connection.trace.trace_writer import Kind, TraceWriter


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
        low: Callable[[], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`by`: the engine whose traffic it is; `low` looks at the disk, and is called in a thread."""
        self.on = False
        self.on_turn: Callable[[bool], None] = lambda _: None
        """Called with whether it records, once that changed."""
        self._path, self._by, self._low, self._clock = file, by, low, clock
        self._recording: TraceWriter | None = None

    def start(self) -> None:
        """Begin to record; running numbers begin anew. Nothing happens where it records."""
        if not self.status()["tracing"]:
            # Loaded by those alone that record: each connection is a process of its own.
            from actors.connection.trace.trace_file import TraceFile  # noqa: PLC0415
            from actors.connection.trace.trace_writer import TraceWriter  # noqa: PLC0415

            file = TraceFile(self._path, self._by, low=self._low)
            self._recording = TraceWriter(file, self._clock)
            self._recording.start()
            self.on = True
            self.on_turn(True)

    async def stop(self) -> None:
        """Record no more; lines until now are written when this returns."""
        self.on = False
        self.on_turn(False)
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

    def sent(self, stanza: Stanza, size: int) -> None:
        """Note a stanza that leaves, with the number of bytes that it has on the wire."""
        self._note("out", stanza, size)

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
