"""A document that the store never takes holds up nothing, and is nowhere lost: the real StateManager."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from actors.config.sources import resolve_settings
from actors.connection.owner.inbox_drain import InboxDrain
from actors.connection.owner.sender import Ticket
from actors.connection.refused_items.oversized_messages import OversizedMessages
from actors.connection.session.session import Session
from actors.connection.state_manager.remote import RemoteState
from actors.media.open_store import open_store
from actors.messages.content import Edit, Reaction, Target, encode
from actors.state.actor import StateManager
from actors.state.documents import WriteRefused
from actors.state.events.log import EventLog
from actors.state.open_store import open_documents
from tests.integration.state.received import CHAT, item, stored
from tests.processes import forked
from tests.processes.firestore import Firestore
from tests.processes.measured import Measured

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from actors.config.settings import Settings
    from actors.messages.content import Content
    from actors.queue.outbound_queue import OutboundQueue
    from actors.redis.leases.lease_record import HeldItems
    from actors.state.documents import Documents


POISON = "unstorable"
ROOT = Path(__file__).resolve().parents[3]
MESSAGES = 5


async def forbid(settings: Settings, documents: Documents) -> None:
    """Let the store's file itself refuse each document with that word."""
    await documents.set("others", "x", {})  # so that there is a file
    with closing(sqlite3.connect(settings.state_file)) as database, database:
        database.execute(
            f"CREATE TRIGGER forbidden BEFORE INSERT ON documents WHEN instr(NEW.data, '{POISON}')"
            " BEGIN SELECT RAISE(ABORT, 'forbidden'); END"
        )


async def test_a_refused_call_leaves_those_beside_it_and_says_so(
    settings: Settings, documents: Documents, manager: StateManager
) -> None:
    await forbid(settings, documents)
    measured = Measured()
    with pytest.raises(WriteRefused):
        await manager.store_messages("shop", 1, [item(1), item(2, text=POISON)])
    assert await stored(documents) == []
    assert await manager.store_messages("shop", 1, [item(1)])
    assert [one["text"] for one in await stored(documents)] == ["token 1"]
    assert measured.rise("teimoso_state_store_refusals", reason="refused") == 1


@pytest.mark.parametrize(
    "wrong", [{"text": "\ud800"}, {"at": float("nan")}, {"content": "{"}, {"key": None}]
)
async def test_a_mistake_of_the_service_is_refused_as_well(
    documents: Documents, manager: StateManager, wrong: dict[str, Any]
) -> None:
    """Repeated for ever it would hold up all that came behind it."""
    measured = Measured()
    with pytest.raises(WriteRefused) as told:
        await manager.store_messages("shop", 1, [item(1), item(2, **wrong)])
    assert "token" not in str(told.value)
    assert measured.rise("teimoso_state_store_refusals", reason="mistake") == 1
    assert await manager.store_messages("shop", 1, [item(1)])
    assert len(await stored(documents)) == 1


@pytest.mark.usefixtures("no_log_file")
async def test_an_actor_that_cannot_start_refuses_nothing(tmp_path: Path) -> None:
    """It is no word on what is to be stored: that is given to the next one."""
    (tmp_path / "runtime.json").write_text("{")
    broken = StateManager(str(tmp_path), "state")
    with pytest.raises(ValueError, match=r".") as told:
        await broken.store_messages("shop", 1, [item(1)])
    assert not isinstance(told.value, WriteRefused)


@pytest.fixture(scope="module")
def firestore(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firestore]:
    with Firestore(tmp_path_factory.mktemp("firestore")) as started:
        yield started


@pytest.mark.usefixtures("no_log_file")
async def test_much_at_once_is_no_request_above_firestores_bound(
    firestore: Firestore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two connections 11 MB of messages each, with their events; one alone is too large."""
    monkeypatch.setattr("actors.state.firestore.store.FIRESTORE_SECONDS", 30.0)  # a busy machine
    chosen = resolve_settings(data=tmp_path, firestore_emulator_host=firestore.host)
    chosen.save()
    manager, documents = StateManager(str(tmp_path), "state"), open_documents(chosen)
    try:
        await EventLog(documents).want(time.time() + 3600)
        measured = Measured()
        names = [f"shop{number}" for number in range(2)]
        items = [item(number, text=f"{number} " + "x" * 60_000) for number in range(180)]
        calls = [manager.store_messages(name, 1, items) for name in names]
        assert await asyncio.gather(*calls) == [True] * 2
        for name in names:
            assert len(await stored(documents, name)) == 180
        assert measured.rise("teimoso_state_store_refusals", reason="refused") == 0
        large = item(201, text="x" * 1_200_000)
        with pytest.raises(WriteRefused):
            await manager.store_messages("shop0", 1, [item(202), large])
        assert await manager.store_messages("shop0", 1, [item(202)])
        assert len(await stored(documents, "shop0")) == 181
    finally:
        await manager.stop()
        await documents.close()


@pytest.mark.holds_loop("its inbox gets fifty megabytes in one transaction, which no engine writes")
@pytest.mark.usefixtures("no_log_file")
async def test_whatever_a_contact_writes_is_stored_on_firestore(
    firestore: Firestore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Much more than a session sets aside: texts of megabytes, and changes of one message up to all bounds."""
    monkeypatch.setattr("actors.state.firestore.store.FIRESTORE_SECONDS", 30.0)  # a busy machine
    chosen = resolve_settings(data=tmp_path, firestore_emulator_host=firestore.host, disk_reserve=0)
    chosen.save()
    manager, documents = StateManager(str(tmp_path), "state"), open_documents(chosen)
    files = open_store(chosen)
    state = RemoteState()
    measured = Measured()
    texts = [f"{number} " + "long " * 240_000 for number in range(40)]
    session = Session.open(chosen.sessions / "long" / "session.db", 1)
    inbox = SessionInbox(session)
    state.handle = Called(manager)
    state.words = OversizedMessages(files.of("long"), inbox.count_words)
    try:
        async with session.transaction():
            add = partial(session.inbox.add, chat=CHAT, at=1_764_000_000)
            for number, text in enumerate(texts):
                add(message_id=f"L{number}", sender=CHAT, type="text", text=text)
                short = f"short {number}"
                add(message_id=f"S{number}", sender=CHAT, type="text", text=short)
            for number, content in enumerate(changes()):
                sender = CHAT if number < EDITS else f"1555010{number:04}@s.whatsapp.net"
                add(
                    message_id=f"C{number}",
                    sender=sender,
                    type=content.type,
                    text=None,
                    content=encode(content),
                )
        drain = InboxDrain(
            Ticket("long", 1),
            inbox,
            cast("OutboundQueue", None),
            state,
            on_lost=pytest.fail,
        )
        async with asyncio.timeout(60):
            await drain.finish()
        assert (session.inbox.pending("message", 1), session.refused.count()) == ([], 0)
        assert measured.rise("teimoso_state_store_refusals", reason="refused") == 0
        there = {each["message_id"]: each for each in await stored(documents, "long")}
        assert {there[f"S{number}"]["text"] for number in range(40)} == {
            f"short {number}" for number in range(40)
        }
        for number, text in enumerate(texts):
            kept = there[f"L{number}"]
            assert (kept["type"], kept["media"]["state"]) == ("document", "stored")
            found = await files.find(kept["content"]["file"]["sha256"])
            assert found is not None
            assert found.read_text() == text
        changed = there["S0"]["changes"]
        assert len(changed["reactions"]) == 500
        assert changed["edits"][-1]["text"] == GLOBE * 65_536, "the newest of them"
    finally:
        session.close()
        await files.close()
        await manager.stop()
        await documents.close()


EDITS = 5
GLOBE = "\N{EARTH GLOBE EUROPE-AFRICA}"


def changes() -> list[Content]:
    """Edits of a text, as long as WhatsApp's own apps write them, and reactions that are much longer."""
    edits = [Edit(Target("S0", CHAT), GLOBE * 65_536) for _ in range(EDITS)]
    return [*edits, *(Reaction(Target("S0", CHAT), GLOBE * 5_000) for _ in range(500))]


class Called:
    """Stands for Ray's handle of a StateManager that is in this process."""

    def __init__(self, manager: StateManager) -> None:
        self._manager = manager

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=getattr(self._manager, name))


class SessionInbox:
    """The inbox of a session that no engine serves."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def pending(self, kind: Any, limit: int) -> Any:
        return self._session.inbox.pending(kind, limit)

    async def settle(self, keys: Any) -> None:
        async with self._session.transaction():
            self._session.inbox.settle(keys)

    async def set_aside(self, key: int) -> bool:
        async with self._session.transaction():
            return self._session.refused.set_aside(key)

    async def count_words(self, sender: str, size: int) -> None:
        async with self._session.transaction():
            self._session.downloads.count(sender, size)

    async def held_items(self) -> HeldItems:
        return self._session.held_items()


def run(data: Path, step: int) -> subprocess.CompletedProcess[str]:
    return forked.run(
        [sys.executable, str(Path(__file__).with_name("refusing_child.py")), str(data), str(step)],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )


async def fill(settings: Settings) -> Path:
    file = settings.sessions / "shop" / "session.db"
    with closing(Session.open(file, 1)) as session:
        async with session.transaction():
            for number in range(MESSAGES):
                session.inbox.add(
                    chat=CHAT,
                    sender=CHAT,
                    message_id=f"M{number}",
                    at=1_764_000_000 + number,
                    type="text",
                    text=POISON if number == 2 else f"token {number}",
                )
    return file


async def test_killed_at_any_step_nothing_is_lost_and_nothing_doubled(
    settings: Settings, documents: Documents
) -> None:
    """G5: each message is in the store, or set aside in the session; from each step on a repeat ends so."""
    await forbid(settings, documents)
    step, killed = 0, 0
    while True:
        step += 1
        for one in await stored(documents):
            await documents.delete("whatsapp_messages", one["id"])
        for file in (settings.sessions / "shop").glob("session.db*"):
            file.unlink()
        file = await fill(settings)
        first = run(settings.data, step)
        if first.returncode == 0:
            break
        assert first.returncode == -9, first.stderr
        killed += 1
        with closing(Session.open(file, 1)) as session:
            left = {one.message_id for one in session.inbox.pending("message", 10)}
            aside = {one.message_id for one in session.refused.items(10, 0)}
        there = {one["message_id"] for one in await stored(documents)}
        assert left | aside | there == {f"M{number}" for number in range(MESSAGES)}
        assert aside <= {"M2"}
        again = run(settings.data, 0)
        assert again.returncode == 0, again.stderr
        with closing(Session.open(file, 1)) as session:
            assert session.inbox.pending("message", 10) == []
            assert [one.message_id for one in session.refused.items(10, 0)] == ["M2"]
        texts = [one["text"] for one in await stored(documents)]
        assert texts == [f"token {number}" for number in range(MESSAGES) if number != 2]
    assert killed == int(first.stdout), "it was killed at each of its steps"
    assert killed > 10
