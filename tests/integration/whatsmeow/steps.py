"""Steps of the pipelines at which a driven engine, or its program, is killed; the product knows none of them.

A step is named by a moment and, where more than messages pass there, by what passes: `after_commit Inbox.add`
(a write of the session), `before_answer receipt` (a kind of delivery), `after_post peer` (a request to the program),
`after_reply found` (an answer with this field),
`before_call FileDownloader.fetch`.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from actors.connection.protocol.media.cipher import FileDecryptor, FileEncryptor
from actors.connection.protocol.media.download import FileDownloader
from actors.connection.protocol.media.outgoing_files import OutgoingFiles
from actors.connection.session.chats.unread import UnreadMessages
from actors.connection.session.files.file_details import SentFileDetails
from actors.connection.session.files.pending_downloads import Downloads
from actors.connection.session.files.uploads import Uploads
from actors.connection.session.identities.groups import Groups
from actors.connection.session.messages.placeholders import Placeholders
from actors.connection.session.messages.sealed_edits import SealedEdits
from actors.connection.session.received.app_state import AppState
from actors.connection.session.received.history_syncs import HistorySyncs
from actors.connection.session.received.inbox import Inbox
from actors.connection.session.session import Session
from actors.connection.whatsmeow.login_channel import Link
from actors.connection.whatsmeow.paired_account import PairedAccount
from actors.connection.whatsmeow.program.pipe import Pipe
from actors.connection.whatsmeow.to_nodes import ProgramDelivery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from actors.connection.protocol.wire_format.nodes import Node
    from actors.connection.session.session_part import SessionPart
    from actors.connection.whatsmeow.program.frames import Frame

CLASSES: dict[str, type] = {
    one.__name__: one
    for one in (
        *(AppState, Downloads, HistorySyncs, Inbox, Placeholders, SealedEdits, UnreadMessages),
        *(FileDownloader, FileDecryptor, FileEncryptor, Groups, OutgoingFiles, PairedAccount),
        *(SentFileDetails, Uploads),
    )
}


class Step:
    """Counts how often it is reached, and kills the `at`-th time."""

    def __init__(self, at: int, kill: Callable[[], None]) -> None:
        self._left, self._kill = at, kill

    def reached(self, times: int = 1) -> None:
        for _ in range(times):
            self._left -= 1
            if self._left == 0:
                self._kill()


def after_commit(step: Step, what: str) -> None:
    part, write = named(what)
    original, added = Session.transaction, getattr(part, write)
    calls = 0

    def counted(self: SessionPart, *arguments: Any, **values: Any) -> Any:
        nonlocal calls
        calls += brings(part, *arguments)
        return added(self, *arguments, **values)

    @asynccontextmanager
    async def transaction(self: Session) -> AsyncIterator[None]:
        nonlocal calls
        async with original(self):
            calls = 0
            yield
        step.reached(calls)

    setattr(part, write, counted)
    Session.transaction = transaction  # type: ignore[assignment,method-assign]


def before_commit(step: Step, what: str) -> None:
    part, write = named(what)
    original = getattr(part, write)

    def reached(self: SessionPart, *arguments: Any, **values: Any) -> Any:
        found = original(self, *arguments, **values)
        step.reached(brings(part, *arguments))
        return found

    setattr(part, write, reached)


def before_call(step: Step, what: str) -> None:
    part, method = named(what)
    original = getattr(part, method)

    def called(self: object, *arguments: Any, **values: Any) -> Any:
        step.reached()
        return original(self, *arguments, **values)

    setattr(part, method, called)


def named(what: str) -> tuple[type, str]:
    """Returns the class and the method of `Class.method`."""
    part, _, method = what.partition(".")
    return CLASSES[part], method


def brings(part: type, *arguments: Any) -> bool:
    """Returns whether a write of the session changes anything: app state is reported without changes, too."""
    return part is not AppState or bool(arguments[2])


def around_answering(step: Step, kind: str, *, after: bool) -> None:
    original = Link.send

    async def send(self: Link, *stanzas: Node) -> None:
        count = sum(
            isinstance(one, ProgramDelivery)
            and one.kind == kind
            and bool((one.report or {}).get("changes", True))
            for one in stanzas
        )
        if not after:
            step.reached(count)
        await original(self, *stanzas)
        if after:
            step.reached(count)

    Link.send = send  # type: ignore[method-assign]


def around_posting(step: Step, wanted: str, *, after: bool) -> None:
    original = Link.post

    async def post(self: Link, do: str, *arguments: Any, **values: Any) -> Frame:
        if not after:
            step.reached(do == wanted)
        answer = await original(self, do, *arguments, **values)
        if after:
            step.reached(do == wanted)
        return answer

    Link.post = post  # type: ignore[method-assign]


def around_asking(step: Step, wanted: str, *, after: bool) -> None:
    original = Link.call

    async def call(self: Link, do: str, **values: Any) -> Frame:
        if not after:
            step.reached(do == wanted)
        answer = await original(self, do, **values)
        if after:
            step.reached(do == wanted)
        return answer

    Link.call = call  # type: ignore[method-assign]


def after_writing(step: Step, wanted: str) -> None:
    after_frames(step, lambda header: header.get("do") == wanted)


def after_replying(step: Step, field: str) -> None:
    after_frames(step, lambda header: field in header.get("ok", ()))


def after_frames(step: Step, wanted: Callable[[Mapping[str, Any]], bool]) -> None:
    write, flush = Pipe._write, Pipe._flush
    requests = 0

    def counted(self: Pipe, header: Mapping[str, Any], body: bytes) -> None:
        nonlocal requests
        requests += wanted(header)
        write(self, header, body)

    def flushed(self: Pipe) -> None:
        nonlocal requests
        flush(self)
        count, requests = requests, 0
        step.reached(count)

    Pipe._write, Pipe._flush = counted, flushed  # type: ignore[method-assign]


STEPS: dict[str, Callable[[Step, str], None]] = {
    "before_call": before_call,
    "before_commit": before_commit,
    "after_commit": after_commit,
    "before_answer": lambda step, kind: around_answering(step, kind, after=False),
    "after_answer": lambda step, kind: around_answering(step, kind, after=True),
    "before_post": lambda step, do: around_posting(step, do, after=False),
    "after_post": after_writing,
    "after_reply": after_replying,
    "after_ack": lambda step, do: around_posting(step, do, after=True),
    "before_ask": lambda step, do: around_asking(step, do, after=False),
    "after_ask": lambda step, do: around_asking(step, do, after=True),
}


def kill_at(name: str, at: int, kill: Callable[[], None]) -> None:
    """Have `kill` called when the step of this name is reached the `at`-th time."""
    moment, what = name.split()
    STEPS[moment](Step(at, kill), what)
