"""A LID and a phone number are one chat, also of what was stored before that was known (G5)."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Any, cast

import pytest

from actors.connection.engine import InboxMerge, InboxMessage
from actors.connection.owner.inbox_drain import InboxDrain
from actors.connection.owner.sender import Ticket
from actors.connection.session import SESSION_FILE
from actors.connection.session.session import Session
from actors.connection.state_manager.port import StateAway
from actors.state.actor import StateManager
from actors.state.documents import MESSAGES, Documents, Order, Where
from actors.state.open_store import open_documents
from tests.integration.engine.messages.addresses import lid_merge_child
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    PATIENCE,
    UNTIL_PLACEHOLDER,
    Device,
    Simulator,
    chat,
    device,
    pair,
    until,
)
from tests.integration.tree.scripted import ScriptedEngine, Shelf
from tests.processes.step_kills import kill_at_each_step

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from typing import Literal

    from actors.connection.engine import InboxItem
    from actors.queue.outbound_queue import OutboundQueue


pytestmark = pytest.mark.usefixtures("no_log_file")


async def listed(documents: Documents, address: str | None = None) -> list[dict[str, Any]]:
    where = [Where("connection", "==", "shop")]
    where += [] if address is None else [Where("chat", "==", address)]
    return (await documents.query(MESSAGES, where=where, order=[Order("at")])).items


@asynccontextmanager
async def drained(phone: Device, directory: Path) -> AsyncIterator[Documents]:
    """The state store, into which the phone's inbox drains as it does in a connection."""
    made = lid_merge_child.settings(directory)
    manager, documents = StateManager(str(made.data), "state"), open_documents(made)
    ticket = Ticket("shop", phone.engine._session.epoch)
    drain = InboxDrain(
        ticket, phone.engine, cast("OutboundQueue", None), manager, on_lost=pytest.fail
    )

    async def on_inbox() -> None:
        drain.look()

    phone.engine._events.on_inbox = on_inbox
    running = asyncio.create_task(drain._messages.run())
    try:
        yield documents
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await manager.stop()
        await documents.close()


@pytest.mark.parametrize("learned", ["by its message", "by asking", "while away"])
async def test_who_spoke_by_lid_first_is_one_chat(
    simulator: Simulator, tmp_path: Path, learned: str
) -> None:
    """Its messages are stored before anybody knows the number; then one of the two says it."""
    lid = f"{(await simulator.played())['lid']}@lid"
    async with (
        device(simulator, tmp_path) as phone,
        drained(phone, tmp_path) as documents,
    ):
        await pair(simulator, phone)
        concealed = await simulator.fault("conceal")
        await simulator.address(CONTACT, "lid")
        await simulator.say(CONTACT, ACCOUNT, "text", count=3)
        garbled = await simulator.fault("garble", count=UNTIL_PLACEHOLDER)
        await simulator.say(CONTACT, ACCOUNT, "never read")

        async def stored() -> bool:
            return len(await listed(documents, lid)) == 4 and await phone.messages() == []

        await until(stored)
        assert await simulator.struck(concealed) >= 4
        assert await simulator.struck(garbled) == UNTIL_PLACEHOLDER
        assert await listed(documents, chat(CONTACT)) == []
        if learned == "by its message":
            await simulator.heal()
            await simulator.say(CONTACT, ACCOUNT, "it is me")
        elif learned == "by asking":
            await simulator.contact(CONTACT, receipts="none")  # nothing else arrives
            await phone.send(1, "you?")

        async def merged() -> bool:
            return await listed(documents, lid) == []

        if learned != "while away":
            await until(merged)
    if learned == "while away":
        await simulator.heal()
        await simulator.say(CONTACT, ACCOUNT, "it is me")
    async with (
        device(simulator, tmp_path, epoch=2) as phone,
        drained(phone, tmp_path) as documents,
    ):
        await asyncio.wait_for(phone.opened.wait(), PATIENCE)
        await simulator.heal()
        await simulator.say(CONTACT, ACCOUNT, "at last")
        texts = ["text 1", "text 2", "text 3", None]
        texts += ["at last"] if learned == "by asking" else ["it is me", "at last"]

        async def one_chat() -> bool:
            return [one["text"] for one in await listed(documents, chat(CONTACT))] == texts

        await until(one_chat)
        found = await listed(documents)
        assert {(one["chat"], one["sender"]) for one in found} == {(chat(CONTACT), chat(CONTACT))}
        assert [one["type"] for one in found].count("undecryptable") == 1
        assert len(found) == len(texts)


class MergelessShelf(Shelf):
    """Takes messages, and merges nothing while it is `held`."""

    held = True

    async def merge_chat(
        self, connection: str, epoch: int, old: str, new: str
    ) -> Literal["more", "done", "lost"]:
        if self.held:
            raise StateAway("held")
        return await super().merge_chat(connection, epoch, old, new)


async def test_a_merge_waits_for_the_store_and_goes_before_messages() -> None:
    engine, shelf = ScriptedEngine(), MergelessShelf()
    drain = InboxDrain(
        Ticket("shop", 1), engine, cast("OutboundQueue", None), shelf, on_lost=pytest.fail
    )

    def message(key: int, address: str) -> InboxMessage:
        return InboxMessage(key, address, address, f"M{key}", 1_764_000_000, "text", "hello")

    engine.inbox = {1: message(1, lid_merge_child.LID)}
    assert await drain.once()
    waiting: dict[int, InboxItem] = {
        2: message(2, lid_merge_child.NUMBER),
        3: InboxMerge(3, lid_merge_child.LID, lid_merge_child.NUMBER),
    }
    engine.inbox = dict(waiting)
    assert not await drain.once()
    assert engine.inbox == waiting
    assert list(shelf.messages) == ["shop.M1"], "no message passes the merge"
    shelf.held = False
    assert await drain.once()
    assert engine.inbox == {}
    assert {name: one["chat"] for name, one in shelf.messages.items()} == {
        "shop.M1": lid_merge_child.NUMBER,
        "shop.M2": lid_merge_child.NUMBER,
    }


async def prepare(directory: Path) -> None:
    """Stores messages under the LID and settles them; the last stays in the inbox, as after a death."""
    with closing(Session.open(directory / SESSION_FILE, 1)) as session:
        async with session.transaction():
            for number in range(lid_merge_child.COUNT):
                kind = "undecryptable" if number == lid_merge_child.RESENT else "text"
                assert lid_merge_child.put(session, lid_merge_child.LID, number, kind)
        await lid_merge_child.drain(session, lid_merge_child.settings(directory))
        async with session.transaction():
            session.write(
                "DELETE FROM tombstones WHERE message_id = ?", (f"M{lid_merge_child.COUNT - 1}",)
            )
            assert lid_merge_child.put(session, lid_merge_child.LID, lid_merge_child.COUNT - 1)


async def test_killed_at_any_step_of_a_merge(tmp_path: Path) -> None:
    """At each commit and each call of the store; the next life leaves each message once."""
    before = tmp_path / "before"
    await prepare(before)
    steps = await kill_at_each_step(lid_merge_child.__file__, before, seconds=90)
    for at in range(1, steps + 2):
        await judge(tmp_path / str(at), at)


async def judge(directory: Path, at: int) -> None:
    documents = open_documents(lid_merge_child.settings(directory))
    try:
        found = await listed(documents)
    finally:
        await documents.close()
    assert [(one["message_id"], one["text"]) for one in found] == [
        (f"M{number}", f"text {number}") for number in range(lid_merge_child.COUNT + 2)
    ], f"killed at step {at}"
    assert {one["chat"] for one in found} == {lid_merge_child.NUMBER}
    assert {one["sender"] for one in found} == {lid_merge_child.NUMBER, lid_merge_child.OWN}
    with closing(sqlite3.connect(directory / SESSION_FILE)) as file:
        assert file.execute("SELECT kind FROM inbox").fetchall() == []
