"""Lives of an owner that learns whose LID it is while it sends; one dies at each step of that.

``renaming_child.py DIRECTORY SETTINGS`` prepares a queue, a session and a store for each step anew. A process
dies there at that step, and another one goes on and judges; it prints the step's number and both exit codes.
The first life that does not die is the last. The steps are replaced in here; the product knows nothing of
them.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import traceback
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from actors.config.sources import resolve_settings
from actors.connection.limits.message_deferral import MessageDeferral
from actors.connection.owner.inbox_drain import InboxDrain
from actors.connection.owner.sender import Sender, Ticket
from actors.connection.session import SESSION_FILE
from actors.connection.session.session import Session
from actors.messages.content import text_of
from actors.queue.lane_joins import LaneJoins
from actors.queue.outbound_queue import OutboundQueue, Send
from actors.queue.upkeep import QueueUpkeep
from actors.redis.client import connect
from actors.redis.leases.leases import Leases, Owner
from actors.runtime import actor_base
from actors.runtime.actor_base import end_tasks
from actors.state.actor import StateManager
from actors.state.documents import MESSAGES, Where
from actors.state.open_store import open_documents
from actors.state.sqlite.store import SqliteDocuments
from tests.integration.engine.messages.addresses.lid_merge_child import Step, around, around_commits
from tests.integration.queue.desk import ANA, LID, SHOP
from tests.integration.queue.sending_child import Mute
from tests.processes.step_kills import log_to_stderr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.config.settings import Settings
    from actors.connection.engine import Engine, SendRequest
    from actors.connection.owner.reporter import Reporter
    from actors.redis.leases.lease_record import HeldItems

COUNT, LEARNT_AFTER = 8, 3
LIFE_SECONDS = 30.0


class LidLearner:
    """Acknowledges what it sends, and learns the LID's number with the third message."""

    linked_at: float | None = None

    def __init__(self, session: Session, log: Path, step: Step) -> None:
        self._session, self.names = session, session.names
        self._log = log
        self._step = step
        self.look = asyncio.Event()

    async def send(self, message: SendRequest) -> float:
        self._step.reached()
        with self._log.open("a") as file:
            file.write(json.dumps([message.chat, text_of(message.content)]) + "\n")
        if len(self._log.read_text().splitlines()) >= LEARNT_AFTER:
            async with self._session.transaction():
                self._session.learn_lid(LID, ANA)
            self.look.set()
        await asyncio.sleep(0.01)
        return time.time()

    async def pending(self, kind: Any, limit: int) -> Sequence[Any]:
        return self._session.inbox.pending(kind, limit)

    async def settle(self, keys: Sequence[int]) -> None:
        async with self._session.transaction():
            self._session.inbox.settle(keys)

    async def set_aside(self, key: int) -> bool:
        raise AssertionError(f"the store refused {key}")

    async def held_items(self) -> HeldItems:
        return self._session.held_items()

    async def merge(self, chats: Sequence[tuple[str, str]]) -> None:
        async with self._session.transaction():
            self._session.inbox_moves.merge_chats(chats)
        self.look.set()


async def prepare(directory: Path, made: Settings) -> None:
    """Messages for both addresses in turn, stored as they are accepted; one that arrived by LID."""
    redis = connect(made)
    await redis.flushdb()
    lanes, documents = OutboundQueue(redis, made), open_documents(made)
    with closing(Session.open(directory / SESSION_FILE, 0)) as session:
        async with session.transaction():
            session.inbox.add(
                chat=LID, sender=LID, message_id="M", at=1, type="text", text="arrived"
            )
        manager = StateManager(str(made.data), "state")
        engine = cast("Engine", LidLearner(session, directory / "attempts", Step(0)))
        drain = InboxDrain(Ticket(SHOP, 0), engine, lanes, manager, on_lost=sys.exit)
        assert await drain.once()
        await manager.stop()
    for number in range(COUNT):
        await lanes.accept(Send(SHOP, ANA if number % 2 else LID, f"{number}"))
    upkeep = QueueUpkeep(lanes, documents, 30, time.time)
    upkeep._connections = [SHOP]
    await upkeep.mirror()
    await documents.close()
    await lanes.close()
    await redis.aclose()


async def live(directory: Path, made: Settings, step: Step) -> None:
    """Lives until all is sent, reported and stored."""
    vars(actor_base)["log_to"] = lambda *_: None
    for owner, name in (
        *((LaneJoins, name) for name in ("rename", "note_renamed")),
        *((SqliteDocuments, name) for name in ("batch", "query")),
    ):
        setattr(owner, name, around(step, getattr(owner, name)))
    redis = connect(made)
    lanes, manager = OutboundQueue(redis, made), StateManager(str(made.data), "state")
    lease = await Leases(redis).take(SHOP, Owner("child", os.getpid(), "here"))
    ticket = Ticket(SHOP, lease.epoch)
    with closing(Session.open(directory / SESSION_FILE, lease.epoch)) as session:
        around_commits(step, session)
        learning = LidLearner(session, directory / "attempts", step)
        engine = cast("Engine", learning)
        sender = Sender(
            ticket,
            engine,
            lanes,
            MessageDeferral(lease, lanes, cast("Reporter", Mute()), on_lost=sys.exit),
            concurrency=3,
            retry_at=lambda _attempts, _permanent, now: now + 0.1,
            on_lost=sys.exit,
        )
        drain = InboxDrain(ticket, engine, lanes, manager, on_lost=sys.exit)
        drain.joins = sender.joins
        sender.opened()
        running = [asyncio.ensure_future(each) for each in (sender.run(), drain.run())]
        async with asyncio.timeout(LIFE_SECONDS):
            while not await _done(lanes, session, sender):
                learning.look.clear()
                sender.look()
                drain.look()
                for each in running:
                    if each.done():
                        each.result()
                await asyncio.sleep(0.01)
        await end_tasks(running, 5.0)
    await manager.stop()
    await lanes.close()
    await redis.aclose()


async def _done(lanes: OutboundQueue, session: Session, sender: Sender) -> bool:
    counts = (await lanes.reader.counts_many([SHOP]))[SHOP]
    waits = counts.waiting + counts.active + counts.delayed
    return not waits and not session.inbox.pending("merge", 1) and not sender.joins.waits


async def judge(directory: Path, made: Settings) -> None:
    lines = [json.loads(line) for line in (directory / "attempts").read_text().splitlines()]
    first: dict[str, str] = {}
    for chat, text in lines:
        first.setdefault(text, chat)
    assert sorted(first, key=int) == [f"{number}" for number in range(COUNT)], first
    joined = [int(text) for text, chat in first.items() if chat == ANA]
    assert joined == sorted(joined), lines
    assert sum(chat == LID for chat in first.values()) < COUNT // 2, "they never were one chat"
    redis = connect(made)
    lanes, documents = OutboundQueue(redis, made), open_documents(made)
    upkeep = QueueUpkeep(lanes, documents, 30, time.time)
    upkeep._connections = [SHOP]
    for _ in range(2):
        await upkeep.mirror()
    assert await lanes.reader.names(SHOP, [LID]) == {LID: ANA}
    found = (await documents.query(MESSAGES, where=[Where("connection", "==", SHOP)])).items
    assert {each["chat"] for each in found} == {ANA}
    assert sorted(each["text"] for each in found) == sorted([*first, "arrived"])
    assert {each["status"] for each in found} <= {"sent", "received"}
    await documents.close()
    await lanes.close()
    await redis.aclose()


def forked(doing: Any) -> int:
    """The exit code of a process of its own that does it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            asyncio.run(doing)
            code = 0
        except BaseException:  # noqa: BLE001 - nothing of the parent's may run in here
            traceback.print_exc()
        finally:
            os._exit(code)
    doing.close()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


async def go_on(directory: Path, made: Settings) -> None:
    await live(directory, made, Step(0))
    await judge(directory, made)


def main(root: Path, values: dict[str, Any], steps: range) -> None:
    for at in steps:
        directory = root / str(at)
        directory.mkdir()
        made = resolve_settings(**values, data=directory)
        made.save()
        assert forked(prepare(directory, made)) == 0
        died = forked(live(directory, made, Step(at)))
        print(at, died, forked(go_on(directory, made)), flush=True)
        if died == 0:
            break


if __name__ == "__main__":
    log_to_stderr()
    main(Path(sys.argv[1]), json.loads(sys.argv[2]), range(1, 1000))
