"""A connection that is deleted leaves its messages, and none of them to who gets its name next (G2, G12)."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from actors.connection.abilities.app_state_changes import AppStateChange
from actors.connection.backup.restore import OLDER_DIRECTORY
from actors.connection.session import SESSION_FILE
from actors.connection.session.session import Session
from actors.connection.state_manager.remote import RemoteState
from actors.queue.outbound_queue import OutboundQueue, Send
from actors.redis.client import connect
from actors.redis.leases.leases import Leases, Owner
from actors.state.account.app_state import changing
from actors.state.account.app_state_pages import pages
from actors.state.actor import StateManager
from actors.state.caches.local_copies import LocalCopy
from actors.state.connections import Connections
from actors.state.documents import BATCH_LIMIT, MESSAGES, Order, StoreAway, Where, Write
from actors.state.messages.received import connection_of, incoming, storing
from actors.state.open_store import open_documents
from supervision.registry import Registry
from supervision.removal import Removal
from supervision.restarts.policy import Intensity, RestartRecords
from supervision.restarts.restart_budgets import RestartBudgets
from tests.processes.valkey import Valkey

if TYPE_CHECKING:
    from pathlib import Path

    from actors.connection.state_manager.port import State
    from actors.state.documents import Document

CHAT = "15550100002@s.whatsapp.net"
LID = "90000000000002@lid"


def received(number: int, connection: str) -> Document:
    item = {"key": number, "chat": CHAT, "sender": CHAT, "message_id": f"3EB0{number:018X}"}
    return incoming(connection, {**item, "at": 1000 + number, "type": "text", "text": "old"}, 1.0)


def named(connection: str, number: int) -> Write:
    change = AppStateChange.contact(f"1555{number:07}@s.whatsapp.net", full_name="Ana", at=5.0)
    noted = {
        "epoch": 1,
        "key": 1,
        "collection": "critical_unblock_low",
        "news": True,
        "noted_as": "x",
    }
    return changing(connection, {**asdict(change), **noted})


async def test_who_gets_the_name_next_lists_nothing_of_the_one_before(tmp_path: Path) -> None:
    with Valkey(tmp_path / "valkey") as valkey:
        settings = valkey.settings()
        redis, documents = connect(settings), open_documents(settings)
        lanes, connections = OutboundQueue(redis, settings), Connections(documents)
        budgets = RestartBudgets(RestartRecords(Intensity(0, 10.0), 0.1, 1.0), documents)
        registry = Registry(documents, budgets, LocalCopy(None))
        removal = Removal(
            registry,
            Leases(redis),
            lanes,
            documents,
            settings.sessions,
            state=RemoteState(),
            traces=settings.traces,
            vault=None,
        )

        async def listed(connection: str) -> list[Document]:
            where = [Where("connection", "==", connection)]
            page = await documents.query(MESSAGES, where=where, order=[Order("at")])
            return page.items

        try:
            shop = (await connections.create("shop")).id
            old = [received(number, shop) for number in range(BATCH_LIMIT + 5)]
            writes = [Write("set", MESSAGES, each["id"], each) for each in old]
            await documents.batch(writes[:BATCH_LIMIT])
            await documents.batch(writes[BATCH_LIMIT:])
            other = received(1, "barn")
            await documents.set(MESSAGES, other["id"], other)
            waiting = (await lanes.accept(Send(shop, CHAT, "waits"))).record.id
            for name in (shop, "barn"):
                for begin in (0, 300):
                    people = range(begin, begin + 300)
                    await documents.batch([named(name, number) for number in people])
            await connections.delete(shop)
            settings.traces.mkdir(parents=True)
            for name in (f"{shop}.jsonl", f"{shop}.jsonl.3", "barn.jsonl"):
                (settings.traces / name).touch()
            await removal.remove(shop)
            assert [file.name for file in settings.traces.iterdir()] == ["barn.jsonl"]

            later = (await connections.create("shop")).id
            assert await listed(later) == []
            assert len(await listed(shop)) == len(old) + 1
            assert len(await listed("barn")) == 1
            left = [page async for page in pages(documents, shop)]
            assert left == [], "names of people do not outlive it"
            barn = [each async for _, page in pages(documents, "barn") for each in page]
            assert len(barn) == 600
            ended = await documents.get(MESSAGES, waiting)
            assert ended is not None
            assert (ended["status"], connection_of(ended)) == ("cancelled", shop)
            assert len((await documents.query(MESSAGES)).items) == len(old) + 2

            # The same account linked again: what it gets again is its own.
            again = received(3, later)
            await documents.batch([storing(again)])
            assert [each["id"] for each in await listed(later)] == [again["id"]]
            assert len(await listed(shop)) == len(old) + 1
        finally:
            await lanes.close()
            await redis.aclose()
            await documents.close()


def put(session: Session, chat: str, message_id: str, at: int) -> None:
    session.inbox.add(
        chat=chat, sender=chat, message_id=message_id, at=at, type="text", text=message_id
    )


async def arrive(file: Path, epoch: int, receipt_for: str) -> None:
    """Fills the inbox as while Redis was away: a merge waits for it, and with it all that came after."""
    with closing(Session.open(file, epoch)) as session:
        async with session.transaction():
            session.learn_lid(LID, CHAT)
            put(session, CHAT, "AFTER", 1003)
            session.inbox.add_receipt(chat=CHAT, message_ids=[receipt_for], status="read", at=1004)


@pytest.mark.usefixtures("no_log_file")
async def test_g5_what_its_session_holds_alone_is_stored_before_that_goes(tmp_path: Path) -> None:
    with Valkey(tmp_path / "valkey") as valkey:
        settings = valkey.settings()
        settings.save()
        redis, documents = connect(settings), open_documents(settings)
        lanes, leases, connections = (
            OutboundQueue(redis, settings),
            Leases(redis),
            Connections(documents),
        )
        budgets = RestartBudgets(RestartRecords(Intensity(0, 10.0), 0.1, 1.0), documents)
        registry = Registry(documents, budgets, LocalCopy(None))
        manager = StateManager(str(settings.data), "state")

        async def remove(state: State) -> None:
            removal = Removal(
                registry,
                leases,
                lanes,
                documents,
                settings.sessions,
                state=state,
                traces=settings.traces,
                vault=None,
            )
            await removal.remove(shop)

        try:
            await manager.start()
            shop = (await connections.create("shop")).id
            directory = settings.sessions / shop
            lease = await leases.take(shop, Owner("connection:a", 1, "here"))
            sending = (await lanes.accept(Send(shop, CHAT, "sending"))).record
            await lanes.claims.claim(shop, lease.epoch, 1)
            with closing(Session.open(directory / SESSION_FILE, lease.epoch)) as session:
                async with session.transaction():
                    put(session, LID, "BEFORE", 1002)
                (before,) = session.inbox.pending("message", 9)
                stored = received(0, shop) | {"chat": LID, "sender": LID, "message_id": "BEFORE"}
                await documents.batch([storing(stored)])
                async with session.transaction():
                    session.inbox.settle([before.key])
            with closing(
                Session.open(directory / OLDER_DIRECTORY / "1" / SESSION_FILE, 1)
            ) as older:
                async with older.transaction():
                    put(older, CHAT, "OLDER", 1001)
            await arrive(directory / SESSION_FILE, lease.epoch, sending.message_id)
            await leases.release(shop, lease.epoch, state="logged_out", cause="asked")
            await connections.delete(shop)

            with pytest.raises(StoreAway):
                await remove(RemoteState())  # nobody is there
            assert (directory / SESSION_FILE).is_file()
            assert (await connections.get(shop, deleted=True)) is not None
            await remove(manager)
            assert not directory.exists()
            found = (await documents.query(MESSAGES, where=[Where("connection", "==", shop)])).items
            assert {each["chat"] for each in found} == {CHAT}
            assert {each["message_id"]: each["status"] for each in found} == {
                "BEFORE": "received",
                "AFTER": "received",
                "OLDER": "received",
                sending.message_id: "read",
            }
        finally:
            await manager.stop()
            await lanes.close()
            await redis.aclose()
            await documents.close()
