"""An engine in a process of its own, which kills itself at a step that the test names.

The one argument is JSON: `settings` (values), `directory`, `epoch`, `point`, `at` (the kill comes
when the step is reached for the `at`-th time), `sends` ([message id, chat, text] each; instead of
the text also content as an object) and `batch` (stanzas that share a commit: few, so that at the
kill some messages wait). The steps are replaced in here; the product knows nothing of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.config.sources import resolve_settings
from actors.connection.disconnects.causes import Kind
from actors.connection.engine import EngineEvents, SendRequest
from actors.connection.native import open_engine
from actors.connection.native.identities.addressing_mode import Routes
from actors.connection.native.signal import prekeys
from actors.connection.native.signal.device_sessions import Signal
from actors.connection.native.transport.socket import Socket
from actors.connection.protocol.media.cipher import FileDecryptor, FileEncryptor
from actors.connection.protocol.media.download import FileDownloader
from actors.connection.protocol.phone import resend_requests
from actors.connection.protocol.receive import stanza_receiver
from actors.connection.protocol.send import shared_commits
from actors.connection.session.chats.unread import UnreadMessages
from actors.connection.session.files.pending_downloads import Downloads
from actors.connection.session.files.uploads import Uploads
from actors.connection.session.identities.groups import Groups
from actors.connection.session.messages.placeholders import Placeholders
from actors.connection.session.messages.sealed_edits import SealedEdits
from actors.connection.session.messages.sent_messages import SentMessages
from actors.connection.session.received.history_syncs import HistorySyncs
from actors.connection.session.received.inbox import Inbox
from actors.connection.session.received.phone_message_receipts import PhoneMessageReceipts
from actors.connection.session.session import Session
from actors.media.conversion import ffmpeg
from actors.messages.content import Text, unpack
from tests.bare_files import BareFiles

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from actors.connection.protocol.wire_format.nodes import Node
    from actors.connection.session.session_part import SessionPart
    from actors.messages.content import Content


class Step:
    """Counts how often it is reached, and dies there the `at`-th time."""

    def __init__(self, at: int) -> None:
        self.left = at

    def reached(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def before_decrypting(step: Step) -> None:
    original = Signal.decrypt

    async def decrypt(self: Signal, *arguments: Any) -> bytes:
        step.reached()
        return await original(self, *arguments)

    Signal.decrypt = decrypt  # type: ignore[assignment,method-assign]


def before_commit(step: Step, part: type[SessionPart], method: str, *, after: bool = False) -> None:
    """In a transaction that called this method of a part of the session, when all but the commit is done.

    `after`: once that is done as well.
    """
    original, called = Session.transaction, getattr(part, method)
    calls = 0

    def counted(self: SessionPart, *arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        return called(self, *arguments, **named)

    @asynccontextmanager
    async def transaction(self: Session) -> AsyncIterator[None]:
        nonlocal calls
        async with original(self):
            calls = 0
            yield
            for _ in range(0 if after else calls):
                step.reached()
        for _ in range(calls if after else 0):
            step.reached()

    setattr(part, method, counted)
    Session.transaction = transaction  # type: ignore[assignment,method-assign]


def around_writing(
    step: Step, tag: str, kind: str | None = None, *, of: str = "message", after: bool
) -> None:
    original = Socket.send

    async def send(self: Socket, *nodes: Node) -> None:
        count = sum(
            node.tag == tag
            and node.attrs.get("class", of) == of
            and (kind is None or node.attrs.get("type") == kind)
            for node in nodes
        )
        if not after:
            for _ in range(count):
                step.reached()
        await original(self, *nodes)
        if after:
            for _ in range(count):
                step.reached()

    Socket.send = send  # type: ignore[method-assign]


def before_calling(step: Step, kind: type, method: str) -> None:
    original = getattr(kind, method)

    def called(self: object, *arguments: Any) -> Any:
        step.reached()
        return original(self, *arguments)

    setattr(kind, method, called)


def in_mid_conversion(step: Step) -> None:
    """While ffmpeg runs."""
    original = asyncio.create_subprocess_exec

    async def run(*command: Any, **options: Any) -> Any:
        process = await original(*command, **options)
        if any("ffmpeg" in str(word) for word in command):
            step.reached()
        return process

    ffmpeg.asyncio.create_subprocess_exec = run  # type: ignore[attr-defined]


POINTS: dict[str, Callable[[Step], None]] = {
    "before_preparing": lambda step: before_calling(step, Signal, "prepare"),
    "before_decrypting": before_decrypting,
    "before_inbox_commit": lambda step: before_commit(step, Inbox, "add"),
    "before_ack": lambda step: around_writing(step, "ack", after=False),
    "after_ack": lambda step: around_writing(step, "ack", after=True),
    "before_receipt_commit": lambda step: before_commit(step, PhoneMessageReceipts, "add"),
    "before_receipt_ack": lambda step: around_writing(step, "ack", of="receipt", after=False),
    "after_receipt_ack": lambda step: around_writing(step, "ack", of="receipt", after=True),
    "before_question_commit": lambda step: before_commit(step, Inbox, "want"),
    "before_question_leaves": lambda step: around_writing(step, "receipt", "retry", after=False),
    "after_question_left": lambda step: around_writing(step, "receipt", "retry", after=True),
    "before_history_commit": lambda step: before_commit(step, HistorySyncs, "note"),
    "before_history_is_told": lambda step: around_writing(
        step, "receipt", "hist_sync", after=False
    ),
    "after_history_was_told": lambda step: around_writing(step, "receipt", "hist_sync", after=True),
    "before_group_commit": lambda step: before_commit(step, Groups, "save_sender_key"),
    "before_ratchet_commit": lambda step: before_commit(step, SentMessages, "remember"),
    "before_retry_commit": lambda step: before_commit(step, SentMessages, "count_retry"),
    "before_bytes_leave": lambda step: around_writing(step, "message", after=False),
    "before_mark_leaves": lambda step: around_writing(step, "receipt", "read", after=False),
    "after_mark_left": lambda step: around_writing(step, "receipt", "read", after=True),
    "before_mark_is_forgotten": lambda step: before_commit(step, UnreadMessages, "forget"),
    "before_numbers_are_kept": lambda step: before_calling(step, Routes, "prefer_numbers"),
    "before_download": lambda step: before_calling(step, FileDownloader, "fetch"),
    "in_mid_download": lambda step: before_calling(step, FileDecryptor, "feed"),
    "before_file_commit": lambda step: before_commit(step, Downloads, "end"),
    "before_deferral_commit": lambda step: before_commit(step, Downloads, "defer"),
    "after_deferral_commit": lambda step: before_commit(step, Downloads, "defer", after=True),
    "in_mid_conversion": in_mid_conversion,
    "in_mid_upload": lambda step: before_calling(step, FileEncryptor, "feed"),
    "before_upload_commit": lambda step: before_commit(step, Uploads, "remember"),
    "after_bytes_left": lambda step: around_writing(step, "message", after=True),
    "before_placeholder_commit": lambda step: before_commit(step, Placeholders, "note"),
    "before_request_commit": lambda step: before_commit(step, Placeholders, "note_request"),
    "before_edit_is_kept": lambda step: before_commit(step, SealedEdits, "add"),
    "before_edit_is_opened": lambda step: before_commit(step, SealedEdits, "forget"),
    "before_content_commit": lambda step: before_commit(step, Placeholders, "of_request"),
    "before_answer_receipt": lambda step: around_writing(step, "receipt", "peer_msg", after=False),
}


def content(said: str | dict[str, Any]) -> Content:
    return Text(said) if isinstance(said, str) else unpack(said)


async def main(asked: dict[str, Any]) -> None:
    prekeys.FEW = 0  # type: ignore[misc]  # those that the pairing made will do
    stanza_receiver.STANZAS_PER_COMMIT = shared_commits.COMMIT_CHANGES = asked["batch"]  # type: ignore[misc]
    resend_requests.UNACKNOWLEDGED = 1.0  # type: ignore[misc]  # the next owner need not wait long
    POINTS[asked["point"]](Step(asked["at"]))
    settings = resolve_settings(**asked["settings"])
    opened = asyncio.Event()

    async def on_open() -> None:
        print("open", flush=True)
        opened.set()

    directory = Path(asked["directory"])
    events = EngineEvents(on_open=on_open)
    media = BareFiles(directory / "media", reserve=lambda: settings.current().disk_reserve)
    engine = open_engine(settings, "shop", asked["epoch"], events, directory, media=media)

    async def run() -> None:
        while (await engine.run()).kind is Kind.NETWORK:
            pass

    running = asyncio.create_task(run())
    await opened.wait()
    sends = [
        asyncio.create_task(engine.send(SendRequest(number, chat, content(said))))
        for number, chat, said in asked["sends"]
    ]
    for sent in sends:
        await sent
    await running


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
