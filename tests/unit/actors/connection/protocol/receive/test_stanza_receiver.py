"""The receive pipeline on a real session; the stanzas' meaning and the network are stood in for."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import asynccontextmanager, closing, suppress
from typing import TYPE_CHECKING, cast

import pytest

from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.protocol.receive import receipts, stanza_receiver
from actors.connection.protocol.receive.messages.stanza_result import StanzaResult
from actors.connection.protocol.receive.stanza_receiver import Receiver
from actors.connection.protocol.request_errors import ConnectionLost
from actors.connection.protocol.wire_format.nodes import Node
from actors.connection.session.session import Session
from actors.metrics.mistakes import OWN_MISTAKES
from tests.processes.measured import Measured

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from actors.connection.protocol.session_transactions import Channel


class Wire:
    """Notes for each answer whether its message was committed when it left."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.sent: list[tuple[str, bool]] = []
        self.tags: list[str] = []
        self.errors: list[str | None] = []
        self.more = asyncio.Event()
        self.cause: Cause | None = None

    async def send(self, *nodes: Node) -> None:
        await asyncio.sleep(0)
        for node in nodes:
            number = node.attrs["id"]
            self.sent.append((number, self.session.inbox.arrived("c", "c", number)))
            self.tags.append(node.tag)
            self.errors.append(node.attrs.get("error"))
        self.more.set()

    def fail(self, cause: Cause) -> None:
        self.cause = cause


class ScriptedHandler:
    """Stores each stanza; `bad` breaks half way, `wanted` is asked for again."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.tried: list[str] = []
        self.commits: list[list[str]] = [[]]

    async def take(self, stanza: Node) -> StanzaResult:
        number = stanza.attrs["id"]
        self.commits[-1].append(number)
        if number.startswith("wanted"):
            # Committed, but not shown.
            self.want(number)
            answers = (Node("ack", {"id": number}),)
            held = self.session.refused.unsettled("c", "c", number) if "held" in number else None
            asked = (Node("receipt", {"id": number}),)
            return StanzaResult("asked", answers, asked, wanted=stanza, held=held)
        if number.startswith("moved"):
            old, new = map(int, number.removeprefix("moved").split("-"))
            return StanzaResult("moved", moved=[(old, new), (None, None)], news=True)
        if number.startswith("lost"):
            return StanzaResult("message.placeholder")
        self.store(number)
        if number.startswith("held"):
            return StanzaResult("stored", (Node("ack", {"id": number}),), held=int(number[4:]))
        if number.startswith("bad"):
            self.tried.append(number)
            if number != "bad once" or len(self.tried) == 1:
                raise KeyError(number)
        task = "prekeys" if number.startswith("task") else None
        return StanzaResult("stored", (Node("ack", {"id": number}),), news=True, task=task)  # type: ignore[arg-type]

    def refuse(self, stanza: Node) -> StanzaResult:
        number = stanza.attrs["id"]
        if number == "bad for ever":
            raise KeyError(number)
        self.store(number, "undecryptable")
        return StanzaResult("message.placeholder", (receipts.nack(stanza, 500),), news=True)

    def abandon(self, stanza: Node) -> StanzaResult:
        self.store(stanza.attrs["id"], "undecryptable")
        return StanzaResult("given_up", news=True)

    def lapse(self, patience: float) -> StanzaResult:
        shown = self.session.inbox.show_wanted(time.time() - patience)
        return StanzaResult("lapsed", news=shown > 0)

    def store(self, number: str, kind: str = "text") -> None:
        self.session.inbox.add(chat="c", sender="c", message_id=number, at=1, type=kind, text=None)

    def want(self, number: str) -> None:
        named = {"chat": "c", "sender": "c", "message_id": number}
        self.session.inbox.want(**named, at=1, from_me=False, push_name=None, source="live")


class Pipeline:
    def __init__(self, session: Session) -> None:
        self.wire = Wire(session)
        self.meaning = ScriptedHandler(session)
        self.news = 0
        self.low = False
        self.more = asyncio.Event()
        self.tasks: list[str] = []
        self.counts: Counter[str] = Counter()
        self.receiver = Receiver(
            session,
            cast("Channel", self.wire),
            self.meaning,
            counts=self.counts,
            on_inbox=self.on_inbox,
            on_task=lambda kind, _: self.tasks.append(kind),
            patience=0.05,
            low=self.is_low,
        )

    async def is_low(self) -> bool:
        return self.low

    async def on_inbox(self) -> None:
        self.news += 1
        self.more.set()

    async def put(self, *numbers: str) -> None:
        for number in numbers:
            await self.receiver.put(Node("message", {"id": number}))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.receiver.run())
        try:
            yield task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, ConnectionLost):
                await task

    async def sent(self, count: int) -> list[tuple[str, bool]]:
        async with asyncio.timeout(5):
            while len(self.wire.sent) < count:
                await self.wire.more.wait()
                self.wire.more.clear()
        return self.wire.sent


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with closing(Session.open(tmp_path / "session.db", 1)) as opened:
        yield opened


async def test_answers_follow_the_commit_in_order(session: Session) -> None:
    """G5: several share the commit, and no answer leaves before it."""
    pipeline = Pipeline(session)
    await pipeline.put(*(f"{n}" for n in range(100)), "task")
    async with pipeline.running():
        expected = [*((f"{n}", True) for n in range(100)), ("task", True)]
        assert await pipeline.sent(101) == expected
        await asyncio.sleep(0)
    assert pipeline.news < 5
    assert pipeline.tasks == ["prekeys"]


async def test_receipts_share_commits_and_hold_up_no_message(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first goes at once; a message takes those before it along, and its place in the order."""
    monkeypatch.setattr(stanza_receiver, "RECEIPT_COMMIT_PAUSE_SECONDS", 1.0)
    pipeline = Pipeline(session)

    async def receipts_of(*numbers: int) -> None:
        for number in numbers:
            await pipeline.receiver.put(Node("receipt", {"id": f"{number}"}))
            await asyncio.sleep(0.001)

    async with pipeline.running(), asyncio.timeout(5):
        await receipts_of(0)
        await pipeline.sent(1)
        await receipts_of(*range(1, 11))
        assert len(pipeline.wire.sent) == 1, "the next ones wait for each other"
        await pipeline.put("message")
        assert [name for name, _ in await pipeline.sent(12)] == [*map(str, range(11)), "message"]
        await receipts_of(*range(11, 16))
        await pipeline.sent(17)
    assert pipeline.news == 3, "each commit brings news once"


@pytest.mark.parametrize("arrives", ["message", "receipt", "call"])
async def test_g5_a_low_disk_takes_no_message_and_nothing_behind_one(
    session: Session, arrives: str
) -> None:
    """Stanzas before it are settled; the socket ends as with a full disk, so that all of it comes again."""
    pipeline = Pipeline(session)
    pipeline.low = True
    for tag, number in (("ib", "1"), ("notification", "2"), (arrives, "3"), ("notification", "4")):
        await pipeline.receiver.put(Node(tag, {"id": number}))
    async with pipeline.running() as running:
        with pytest.raises(ConnectionLost):
            await asyncio.wait_for(running, 5)
    assert pipeline.wire.sent == [("1", True), ("2", True)]
    assert pipeline.wire.cause is not None
    assert pipeline.wire.cause.kind is Kind.DISK_FULL
    assert pipeline.meaning.commits == [["1", "2"]]


async def test_a_stanza_that_breaks_stops_no_other_and_is_refused(session: Session) -> None:
    """G5: nothing of it stays but the placeholder, which is committed before the nack leaves. It is a mistake (G13)."""
    pipeline, measured = Pipeline(session), Measured()
    await pipeline.put("1", "bad", "2")
    async with pipeline.running():
        assert await pipeline.sent(3) == [("1", True), ("bad", True), ("2", True)]
    assert pipeline.wire.errors == [None, "500", None]
    stored = [(one.message_id, one.type) for one in session.inbox.pending("message", 10)]
    assert stored == [("1", "text"), ("bad", "undecryptable"), ("2", "text")]
    assert pipeline.counts == {"stored": 2, "message.placeholder": 1}
    assert measured.rise(OWN_MISTAKES, action="stanza.failed") == 2


async def test_a_stanza_that_broke_once_is_tried_again(session: Session) -> None:
    pipeline = Pipeline(session)
    await pipeline.put("bad once")
    async with pipeline.running():
        assert await pipeline.sent(1) == [("bad once", True)]
    assert pipeline.wire.errors == [None]
    assert [one.type for one in session.inbox.pending("message", 10)] == ["text"]


async def test_what_cannot_even_be_refused_stops_no_other(session: Session) -> None:
    pipeline = Pipeline(session)
    await pipeline.put("bad for ever", "1")
    async with pipeline.running():
        assert await pipeline.sent(1) == [("1", True)]
    assert pipeline.counts == {"stored": 1, "stanza.failed": 1}


async def test_what_was_asked_for_in_vain_is_given_up(session: Session) -> None:
    """The question and the ack leave in this order, once what stands for the message is on disk."""
    pipeline = Pipeline(session)
    await pipeline.put("wanted")
    async with pipeline.running(), asyncio.timeout(5):
        assert await pipeline.sent(2) == [("wanted", True)] * 2
        assert session.inbox.pending("message", 10) == []
        await pipeline.more.wait()
        assert [one.type for one in session.inbox.pending("message", 10)] == ["undecryptable"]
    assert pipeline.wire.tags == ["receipt", "ack"]
    assert pipeline.counts == {"asked": 1, "given_up": 1}


async def test_a_held_ack_waits_for_what_was_asked_for(session: Session) -> None:
    """The question does not; the stanza and what comes again share an item, and each is answered."""
    pipeline = Pipeline(session)
    await pipeline.put("wanted-held", "wanted-held")
    async with pipeline.running(), asyncio.timeout(5):
        await pipeline.sent(2)
        await pipeline.more.wait()
        (placeholder,) = session.inbox.pending("message", 10)
        assert pipeline.wire.tags == ["receipt", "receipt"]
        await pipeline.receiver.settled([placeholder.key])
        await pipeline.sent(4)
    assert pipeline.wire.tags == ["receipt", "receipt", "ack", "ack"]


async def test_a_held_ack_waits_for_the_item_in_the_place_of_its_own(session: Session) -> None:
    pipeline = Pipeline(session)
    await pipeline.put("held2", "moved2-3", "held3")
    async with pipeline.running(), asyncio.timeout(5):
        await pipeline.more.wait()
        await pipeline.receiver.settled([2])
        assert pipeline.wire.sent == []
        await pipeline.receiver.settled([3])
        assert {number for number, _ in await pipeline.sent(2)} == {"held2", "held3"}


async def test_what_an_earlier_socket_asked_for_is_given_up_too(session: Session) -> None:
    """The process died, or WhatsApp took the question for an answer and sends it never again."""
    async with session.transaction():
        session.inbox.want(
            chat="c",
            sender="c",
            message_id="A",
            at=1,
            from_me=False,
            push_name=None,
            source="live",
        )
    pipeline = Pipeline(session)
    async with pipeline.running(), asyncio.timeout(20):
        assert session.inbox.pending("message", 10) == []
        await pipeline.more.wait()
    assert [(one.message_id, one.type) for one in session.inbox.pending("message", 10)] == [
        ("A", "undecryptable")
    ]
    assert (pipeline.news, pipeline.counts) == (1, {"lapsed": 1})


async def test_what_a_rollback_undoes_was_not_counted(session: Session, tmp_path: Path) -> None:
    pipeline = Pipeline(session)
    Session.open(tmp_path / "session.db", 2).close()
    await pipeline.put("1", "bad")
    async with pipeline.running() as task, asyncio.timeout(5):
        with suppress(ConnectionLost):
            await task
    assert pipeline.counts == {}


async def test_a_stale_epoch_ends_it_without_an_answer(session: Session, tmp_path: Path) -> None:
    """G6: what was refused is neither stored nor acknowledged, and the socket is ended."""
    pipeline = Pipeline(session)
    measured = Measured()
    Session.open(tmp_path / "session.db", 2).close()
    await pipeline.put("1", "2")
    async with pipeline.running() as task:
        with pytest.raises(ConnectionLost):
            await asyncio.wait_for(task, 5)
    assert measured.rise("teimoso_acks_withheld", reason="session") == 2
    assert pipeline.wire.cause == Cause(Kind.REPLACED, "stale_epoch")
    assert pipeline.wire.sent == []
    assert session.inbox.pending("message", 10) == []


async def test_what_is_withheld_or_cannot_be_read_is_measured(session: Session) -> None:
    pipeline, measured = Pipeline(session), Measured()
    await pipeline.put("1", "held2", "lost", "held3", "4")
    async with pipeline.running():
        assert await pipeline.sent(2) == [("1", True), ("4", True)]
        assert measured.rise("teimoso_acks_withheld", reason="store") == 2
        assert measured.rise("teimoso_acks_withheld", reason="session") == 0
        assert measured.rise("teimoso_messages_undecryptable") == 1
        await pipeline.receiver.settled([2, 3])
        assert len(await pipeline.sent(4)) == 4
