"""Sends in a `spool.db` that the release before left are in the queue before the gateway accepts others."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from actors.queue.records import api_id, mint
from actors.state.documents import HEALTH_STATUS
from actors.state.open_store import open_documents
from tests.integration.gateway.acceptance.test_redis_wait import CHATS, claimed, send
from tests.integration.gateway.served import OTHER, SHOP, Gateway

if TYPE_CHECKING:
    from tests.processes.valkey import Valkey

SCHEMA = """CREATE TABLE spool (place INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
    connection TEXT NOT NULL, chat TEXT NOT NULL, accepted_at REAL NOT NULL, idempotency_key TEXT,
    fingerprint TEXT NOT NULL, send TEXT NOT NULL)"""
MANY = 3_000
"""More than three steps of the move."""


def spool(gateway: Gateway, texts: list[str], connection: str = SHOP, key: str = "") -> list[str]:
    """Write sends as the release before did, and return their ids."""
    ids, chat = [], f"{CHATS[0]}@s.whatsapp.net"
    with closing(sqlite3.connect(gateway.settings.data / "spool.db")) as database, database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(SCHEMA.replace("TABLE", "TABLE IF NOT EXISTS"))
        for text in texts:
            ids.append(api_id(connection, mint()))
            fields = {
                "connection": connection, "chat": chat, "text": text, "type": "text",
                "priority": 5, "send_at": None, "content": "", "asked": "",
            }  # fmt: skip
            database.execute(
                "INSERT INTO spool (id, connection, chat, accepted_at, idempotency_key, fingerprint,"
                " send) VALUES (?, ?, ?, ?, ?, '', ?)",
                (ids[-1], connection, chat, 1000.0, key or None, json.dumps(fields)),
            )
    return ids


def files(gateway: Gateway) -> list[str]:
    return sorted(each.name for each in gateway.settings.data.glob("spool.*"))


def moved(gateway: Gateway) -> None:
    gateway.until(lambda: not (gateway.settings.data / "spool.db").exists(), 30)


def test_g2_g4_they_are_moved_in_order_before_others_and_across_deaths(
    own_gateway: Gateway, own_valkey: Valkey
) -> None:
    own_gateway.kill()
    own_valkey.kill()
    texts = [f"{number}" for number in range(MANY)]
    ids = spool(own_gateway, texts)
    own_gateway.start()
    refused = own_gateway.api.post(
        "/api/messages", json={"connection": "shop", "to": CHATS[0], "text": "too early"}
    )
    assert (refused.status_code, refused.json()["code"]) == (503, "redis_away")
    own_valkey.start()
    own_gateway.until(lambda: own_gateway.api.get(f"/api/messages/{ids[0]}").is_success, 20)
    own_gateway.kill()
    assert (own_gateway.settings.data / "spool.db").exists(), "killed too late to prove anything"
    own_gateway.start()
    send(own_gateway, "after")
    assert not (own_gateway.settings.data / "spool.db").exists()
    assert claimed(own_gateway) == {CHATS[0]: [*texts, "after"]}


async def _note(gateway: Gateway) -> None:
    documents = open_documents(gateway.settings)
    await documents.set(HEALTH_STATUS, f"spool.{socket.gethostname()}", {"stuck": 1})
    await documents.close()


async def _noted(gateway: Gateway) -> bool:
    documents = open_documents(gateway.settings)
    found = await documents.get(HEALTH_STATUS, f"spool.{socket.gethostname()}")
    await documents.close()
    return found is not None


def test_what_cannot_be_queued_ends_visibly_and_holds_up_nothing(own_gateway: Gateway) -> None:
    """G2: one of a deleted connection, one whose key names another message, and one that is damaged."""
    own_gateway.connect(OTHER)
    send(own_gateway, "under a key", key="k")
    assert own_gateway.api.delete("/api/connections/other").status_code == 204
    own_gateway.kill()
    asyncio.run(_note(own_gateway))
    [gone] = spool(own_gateway, ["of a deleted connection"], OTHER)
    [twice] = spool(own_gateway, ["first"], key="a key")
    [conflict] = spool(own_gateway, ["second"], key="a key")
    [damaged] = spool(own_gateway, ["damaged"])
    spool(own_gateway, ["behind"])
    with closing(sqlite3.connect(own_gateway.settings.data / "spool.db")) as database, database:
        database.execute("UPDATE spool SET send = CAST(x'ff' AS TEXT) WHERE id = ?", (damaged,))
    own_gateway.start()
    moved(own_gateway)
    assert files(own_gateway) == ["spool.lock", "spool.unreadable"]
    assert '"sends not readable"' in own_gateway.log()
    for identity, error in ((gone, "connection_deleted"), (conflict, "idempotency_conflict")):
        found = own_gateway.api.get(f"/api/messages/{identity}").json()
        assert (found["status"], found["error"]) == ("cancelled", error)
    assert own_gateway.api.get(f"/api/messages/{twice}").json()["status"] == "queued"
    assert claimed(own_gateway) == {CHATS[0]: ["under a key", "first", "behind"]}
    assert not asyncio.run(_noted(own_gateway)), "its last report stays for ever"
