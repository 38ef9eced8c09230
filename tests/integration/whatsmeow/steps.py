"""Steps of the pipelines at which a driven engine, or its program, is killed; the product knows none of them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from actors.connection.session.received.app_state import AppState
from actors.connection.session.received.inbox import Inbox
from actors.connection.session.session import Session
from actors.connection.whatsmeow.login_channel import Link
from actors.connection.whatsmeow.program.pipe import Pipe
from actors.connection.whatsmeow.to_nodes import Delivery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from actors.connection.protocol.wire_format.nodes import Node
    from actors.connection.session.session_part import SessionPart
    from actors.connection.whatsmeow.program.frames import Frame


class Step:
    """Counts how often it is reached, and kills the `at`-th time."""

    def __init__(self, at: int, kill: Callable[[], None]) -> None:
        self._left, self._kill = at, kill

    def reached(self, times: int = 1) -> None:
        for _ in range(times):
            self._left -= 1
            if self._left == 0:
                self._kill()


def after_commit(step: Step, part: type[SessionPart] = Inbox, write: str = "add") -> None:
    original, added = Session.transaction, getattr(part, write)
    calls = 0

    def counted(self: SessionPart, *arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += brings(part, *arguments)
        return added(self, *arguments, **named)

    @asynccontextmanager
    async def transaction(self: Session) -> AsyncIterator[None]:
        nonlocal calls
        async with original(self):
            calls = 0
            yield
        step.reached(calls)

    setattr(part, write, counted)
    Session.transaction = transaction  # type: ignore[assignment,method-assign]


def before_commit(step: Step, part: type[SessionPart], write: str) -> None:
    original = getattr(part, write)

    def reached(self: SessionPart, *arguments: Any, **named: Any) -> Any:
        found = original(self, *arguments, **named)
        step.reached(brings(part, *arguments))
        return found

    setattr(part, write, reached)


def brings(part: type[SessionPart], *arguments: Any) -> bool:
    """Returns whether a write of the session changes anything: app state is reported without changes, too."""
    return part is not AppState or bool(arguments[2])


def around_answering(step: Step, *, after: bool, kind: str = "message") -> None:
    original = Link.send

    async def send(self: Link, *stanzas: Node) -> None:
        count = sum(
            isinstance(one, Delivery)
            and one.kind == kind
            and bool((one.told or {}).get("changes", True))
            for one in stanzas
        )
        if not after:
            step.reached(count)
        await original(self, *stanzas)
        if after:
            step.reached(count)

    Link.send = send  # type: ignore[method-assign]


def around_posting(step: Step, *, after: bool) -> None:
    original = Link.post

    async def post(self: Link, do: str, *arguments: Any, **named: Any) -> Frame:
        if not after:
            step.reached()
        answer = await original(self, do, *arguments, **named)
        if after:
            step.reached()
        return answer

    Link.post = post  # type: ignore[method-assign]


def after_writing(step: Step) -> None:
    write, flush = Pipe._write, Pipe._flush
    sends = 0

    def counted(self: Pipe, header: Mapping[str, Any], body: bytes) -> None:
        nonlocal sends
        sends += header.get("do") == "send"
        write(self, header, body)

    def flushed(self: Pipe) -> None:
        nonlocal sends
        flush(self)
        count, sends = sends, 0
        step.reached(count)

    Pipe._write, Pipe._flush = counted, flushed  # type: ignore[method-assign]


STEPS: dict[str, Callable[[Step], None]] = {
    "after_commit": after_commit,
    "before_answer": lambda step: around_answering(step, after=False),
    "after_answer": lambda step: around_answering(step, after=True),
    "state_before_commit": lambda step: before_commit(step, AppState, "note"),
    "state_after_commit": lambda step: after_commit(step, AppState, "note"),
    "state_after_answer": lambda step: around_answering(step, after=True, kind="app_state"),
    "before_post": lambda step: around_posting(step, after=False),
    "after_post": after_writing,
    "after_ack": lambda step: around_posting(step, after=True),
}


def kill_at(name: str, at: int, kill: Callable[[], None]) -> None:
    """Have `kill` called when the step of this name is reached the `at`-th time."""
    STEPS[name](Step(at, kill))
