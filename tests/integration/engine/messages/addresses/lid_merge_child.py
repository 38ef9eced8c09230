"""Lives of a connection that learns whose LID it is and drains; one dies at each step of that.

``lid_merge_child.py DIRECTORY`` copies the directory beside itself for each step, named by its number. A
process dies there at that step, and another one goes on; it prints the number and both exit codes.
The first life that does not die is the last. The steps are replaced in here; the product knows
nothing of them. Batches are so small that a message's two writes fall into different ones.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import traceback
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from actors.config.sources import resolve_settings
from actors.connection.engine import EngineEvents
from actors.connection.owner.inbox_drain import InboxDrain
from actors.connection.owner.sender import Ticket
from actors.connection.session import SESSION_FILE
from actors.connection.session.session import Session
from actors.connection.trace.recorder import Recorder
from actors.connection.whatsmeow.engine import WhatsmeowEngine
from actors.runtime import actor_base
from actors.state import actor
from actors.state.actor import StateManager
from actors.state.batcher import Batcher
from actors.state.sqlite.store import SqliteDocuments
from tests.processes.step_kills import log_to_stderr

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from actors.config.settings import Settings
    from actors.queue.outbound_queue import OutboundQueue

OWN = "15550100001@s.whatsapp.net"
NUMBER = "15550100002@s.whatsapp.net"
LID = "90000000000002@lid"
COUNT = 7
RESENT = 3
"""The message of which only a placeholder is there before its resend."""


class Step:
    """Counts how often it is reached, and dies there the `at`-th time; never at 0."""

    def __init__(self, at: int) -> None:
        self.left = at

    def reached(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def put(session: Session, chat: str, number: int, type_: str = "text") -> bool:
    """Message `number`, inside a transaction; each third is the account's own."""
    return session.inbox.add(
        chat=chat,
        sender=chat if number % 3 else OWN,
        message_id=f"M{number}",
        at=1_764_000_000 + number,
        type=type_,
        text=f"text {number}" if type_ == "text" else None,
        from_me=not number % 3,
    )


def settings(directory: Path) -> Settings:
    made = resolve_settings(data=directory)
    made.save()
    return made


async def drain(session: Session, made: Settings) -> None:
    """All that waits is in the store afterwards, and settled."""
    manager = StateManager(str(made.data), "state")
    try:
        recorder = Recorder(made.data / "trace.jsonl", "whatsmeow")
        engine = WhatsmeowEngine(
            made, session, made.data, EngineEvents(), epoch=session.epoch, recorder=recorder
        )
        ticket = Ticket("shop", session.epoch)
        drain = InboxDrain(
            ticket, engine, cast("OutboundQueue", None), manager, on_lost=pytest.fail
        )
        assert await drain.once()
    finally:
        await manager.stop()


async def live(directory: Path, epoch: int, step: Step) -> None:
    """Does what the phone number's first stanza does, then drains."""
    vars(actor_base)["log_to"] = lambda *_: None
    actor.MOVED_MESSAGES = 2
    assert Batcher.__init__.__kwdefaults__ is not None
    Batcher.__init__.__kwdefaults__["limit"] = 3
    for name in ("batch", "query"):
        setattr(SqliteDocuments, name, around(step, getattr(SqliteDocuments, name)))
    with closing(Session.open(directory / SESSION_FILE, epoch)) as session:
        around_commits(step, session)
        async with session.transaction():
            session.learn_lid(LID, NUMBER)
            put(session, NUMBER, RESENT)
            for number in range(COUNT - 1, COUNT + 2):  # one that comes again, and two new ones
                put(session, NUMBER, number)
        await drain(session, settings(directory))


def around(step: Step, called: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def stepped(*arguments: Any, **named: Any) -> Any:
        step.reached()
        answer = await called(*arguments, **named)
        step.reached()
        return answer

    return stepped


def around_commits(step: Step, session: Session) -> None:
    original = session.transaction

    @asynccontextmanager
    async def transaction() -> AsyncIterator[None]:
        async with original():
            yield
            step.reached()
        step.reached()

    session.transaction = transaction  # type: ignore[method-assign]


def forked(directory: Path, epoch: int, at: int) -> int:
    """The exit code of a process of its own that lives, and dies at step `at`."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            asyncio.run(live(directory, epoch, Step(at)))
            code = 0
        except BaseException:  # noqa: BLE001 - nothing of the parent's may run in here
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(before: Path) -> None:
    at, died = 0, -signal.SIGKILL
    while died != 0:
        at += 1
        directory = before.with_name(str(at))
        shutil.copytree(before, directory)
        died = forked(directory, 2, at)
        print(at, died, 0 if died == 0 else forked(directory, 3, 0), flush=True)


if __name__ == "__main__":
    log_to_stderr()
    main(Path(sys.argv[1]))
