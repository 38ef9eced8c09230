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
from actors.connection.protocol.receive import stanza_receiver
from actors.connection.protocol.send import shared_commits
from actors.connection.session.files.pending_downloads import Downloads
from actors.connection.session.files.uploads import Uploads
from actors.connection.session.session import Session
from actors.connection.whatsmeow import open_engine
from actors.media.conversion import ffmpeg
from actors.messages.content import Text, unpack
from tests.bare_files import BareFiles

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

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
    "before_deferral_commit": lambda step: before_commit(step, Downloads, "defer"),
    "after_deferral_commit": lambda step: before_commit(step, Downloads, "defer", after=True),
    "in_mid_conversion": in_mid_conversion,
    "before_upload_commit": lambda step: before_commit(step, Uploads, "remember"),
}


def content(said: str | dict[str, Any]) -> Content:
    return Text(said) if isinstance(said, str) else unpack(said)


async def main(asked: dict[str, Any]) -> None:
    stanza_receiver.STANZAS_PER_COMMIT = shared_commits.COMMIT_CHANGES = asked["batch"]  # type: ignore[misc]
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
