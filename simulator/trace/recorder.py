"""Records stanzas and logins of the server's client sockets as shapes, in a trace file for each linked device."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from actors.connection.trace import login_payload
from actors.connection.trace.shape import Shaper, is_word
from actors.connection.trace.trace_file import TraceFile
from simulator.wire.protocol_library import JID

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from simulator.server.companions import DeviceKey

MOST_EARLY: Final = 1000
"""The limit on events of a socket that are buffered until its device is known."""

_Event = tuple[float, str, Any]
"""The time by the clock; its kind (`in`, `out`, `login`, `end`); stanza, payload or cause."""


class Recorder:
    """Switches recording on and off, for one account or for all, and owns the traces.

    Off at first, and after a restart of the process.
    """

    def __init__(self, directory: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._clock = clock
        self._everyone = False
        self._numbers: set[str] = set()
        self._traces: dict[DeviceKey, _Trace] = {}

    def start(self, number: str | None) -> None:
        """Starts to record the sockets of an account; of all accounts for None."""
        if number is None:
            self._everyone = True
        else:
            self._numbers.add(number)

    def stop(self, number: str | None) -> None:
        """Reverts a `start` for the same account, or for all."""
        if number is None:
            self._everyone = False
        else:
            self._numbers.discard(number)
        for device in [one for one in self._traces if not self._records(one)]:
            self._traces.pop(device).file.close()

    def close(self) -> None:
        """Stops all recording."""
        self._numbers.clear()
        self.stop(None)

    def described(self, number: str | None) -> dict[str, Any]:
        """Whether the account is recorded (None: whether all are), and the files that are written."""
        traces = [
            trace.described()
            for device, trace in sorted(self._traces.items())
            if number in (None, device[0])
        ]
        return {"tracing": self._everyone or number in self._numbers, "files": traces}

    def socket(self) -> SocketRecorder:
        """Returns the recorder of a new socket."""
        return SocketRecorder(self)

    def note(self, device: DeviceKey, event: _Event) -> None:
        """Writes an event on a socket of the device, where it is recorded."""
        if self._records(device):
            if device not in self._traces:
                path = self._directory / f"{device[0]}-{device[1]}.jsonl"
                self._traces[device] = _Trace(path, began=event[0])
            self._traces[device].note(event)

    @property
    def on(self) -> bool:
        """Whether anything is recorded."""
        return self._everyone or bool(self._numbers)

    def now(self) -> float:
        return self._clock()

    def _records(self, device: DeviceKey) -> bool:
        return self._everyone or device[0] in self._numbers


class SocketRecorder:
    """Passes on the events of one socket; buffers them until its device is known."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._device: DeviceKey | None = None
        self._early: list[_Event] = []

    def identified(self, device: DeviceKey) -> None:
        """Sets the device of the socket, or the account that links the device."""
        self._device = device
        early, self._early = self._early, []
        for event in early:
            self._recorder.note(device, event)

    def login(self, payload: bytes) -> None:
        """Records the login payload of the handshake."""
        self._note("login", payload)

    def sent(self, stanza: Any) -> None:
        """Records a stanza to the client."""
        self._note("in", stanza)

    def received(self, stanza: Any) -> None:
        """Records a stanza from the client."""
        self._note("out", stanza)

    def ended(self, cause: str) -> None:
        """Writes the end of the socket, with its cause."""
        self._note("end", cause)

    def _note(self, kind: str, what: Any) -> None:
        if not self._recorder.on:
            return
        event = (self._recorder.now(), kind, what)
        if self._device is not None:
            self._recorder.note(self._device, event)
        elif len(self._early) < MOST_EARLY:
            self._early.append(event)


class _Trace:
    """The trace of one device."""

    def __init__(self, path: Path, began: float) -> None:
        self.file = TraceFile(path, "simulator")
        self._path = path
        self._began = began
        self._shaper = Shaper()
        self._reported = 0

    def note(self, event: _Event) -> None:
        at, kind, what = event
        seconds = round(at - self._began, 3)
        self.file.write([{"at": seconds, **self._line(kind, what)}])
        if self.file.dropped > self._reported and self.file.error is None:
            self._reported = self.file.dropped
            self.file.write([{"at": seconds, "event": "gap", "dropped": self._reported}])

    def _line(self, kind: str, what: Any) -> dict[str, Any]:
        match kind:
            case "login":
                return {"event": "login", "payload": login_payload.shape(what)}
            case "end":
                return {"event": "end", "cause": [what if is_word(what) else "~"]}
            case _:
                return {"dir": kind, **self._shaper.shape(_Stanza(what), sent=kind == "out")}

    def described(self) -> dict[str, Any]:
        """The file, lines written, lines dropped, and the last write's error."""
        file = self.file
        return {
            "file": str(self._path),
            "lines": file.lines,
            "dropped": file.dropped,
            "error": file.error,
        }


class _Stanza:
    """A node of the protocol library as the shape's protocol has it: attributes and texts as on the wire."""

    def __init__(self, node: Any) -> None:
        self.tag: str = node.tag
        self.attrs = {name: _text(value) for name, value in node.attrs.items()}
        content = node.content
        self.content: list[_Stanza] | bytes | None = (
            [_Stanza(part) for part in content]
            if isinstance(content, list)
            else content.encode(errors="replace")
            if isinstance(content, str)
            else content
        )


def _text(value: Any) -> str:
    """Returns an attribute as on the wire: the library writes a device behind a dot."""
    if isinstance(value, JID):
        device = f":{value.device}" if value.device else ""
        return f"{value.user}{device}@{value.server}"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
