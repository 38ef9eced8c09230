"""A deliverer killed at each batch: nothing is lost, each chat keeps its order, little is repeated."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis

from actors.redis import keys
from actors.state.documents import DELIVERIES, Where
from actors.state.sqlite.store import SqliteDocuments
from actors.state.webhooks import Progress, Secret, Webhook, Webhooks
from gateway.webhooks.delivery_journal import UNSAVED
from gateway.webhooks.requests import signatures
from gateway.webhooks.requests.http_post import PER_ENDPOINT
from tests.integration.gateway.receiver import Receiver
from tests.integration.gateway.served import ROOT
from tests.integration.gateway.webhooks.stored_messages import chat_of, store_messages
from tests.processes import forked
from tests.processes.valkey import PASSWORD
from tests.unlimited import UNLIMITED
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.processes.valkey import Valkey

CHILD = Path(__file__).with_name("delivering_child.py")
ID = "wh_" + "0" * 24
CHATS = 5
REFUSALS = 6
SOON = 60.0


@contextmanager
def child(
    store: Path, valkey: Valkey, room: int, point: str, number: int
) -> Iterator[forked.Popen]:
    with redis.Redis(port=valkey.port, password=PASSWORD) as server:
        server.delete(keys.WEBHOOKS_CHANNEL)  # the turn of one that was killed
    words = (CHILD, store, valkey.port, room, point, number)
    process = forked.Popen(
        [sys.executable, *map(str, words)], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def prepare(store: Path, receiver: Receiver) -> list[str]:
    documents = SqliteDocuments(store)
    secret = signatures.new_secret()
    receiver.secrets.append(secret)
    await Webhooks(documents).create(
        Webhook(ID, receiver.url, (Secret(secret),), time.time()), quota=UNLIMITED
    )
    wanted = await store_messages(documents, 0, 60, chats=CHATS)
    await documents.close()
    return wanted


async def stored(store: Path) -> tuple[Progress, Counter[str]]:
    documents = SqliteDocuments(store)
    (webhook,) = await Webhooks(documents).list()
    page = await documents.query(DELIVERIES, where=[Where("webhook", "==", ID)])
    await documents.close()
    return webhook.progress, Counter(each["status"] for each in page.items)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("room", [500, 10])
@pytest.mark.parametrize("point", ["before", "after"])
def test_killed_at_each_batch(tmp_path: Path, valkey: Valkey, point: str, room: int) -> None:
    """The first event of one chat is refused six times: by a first process, and by its successors.

    Where memory has room for ten events, those behind it are documents.
    """
    store = tmp_path / "state.db"
    with Receiver() as receiver:
        wanted = asyncio.run(prepare(store, receiver))
        refusals = iter([500] * REFUSALS)

        def answer(event: dict[str, Any]) -> int | None:
            return next(refusals, None) if event["data"]["text"] == "text 0" else None

        receiver.answer = answer
        deaths = 0
        for number in (1, 1, 2, 3, 4):
            with child(store, valkey, room, point, number) as process:
                until("it is dead, or done", partial(_over, process, receiver, wanted), SOON)
                deaths += process.poll() == -signal.SIGKILL
        with child(store, valkey, room, "none", 0):
            until("all is delivered", lambda: set(receiver.texts) == set(wanted), SOON)
            until("it is stored", lambda: _quiet(store), SOON)
        assert deaths >= 3
        _, statuses = asyncio.run(stored(store))
        assert (statuses["delivered"] > 5) is (room == 10), "events behind the refused one"
        for chat in range(CHATS):
            own = [
                each["data"]["text"]
                for each in receiver.taken
                if each["data"]["chat"] == chat_of(chat)
            ]
            assert list(dict.fromkeys(own)) == wanted[chat::CHATS]
        assert len(receiver.taken) - len(wanted) <= deaths * (UNSAVED + PER_ENDPOINT)
        assert receiver.most_of_chat == 1
        assert len(receiver.refused) == REFUSALS, "it was refused, and its chat waited"


def _over(process: forked.Popen, receiver: Receiver, wanted: list[str]) -> bool:
    return process.poll() is not None or set(receiver.texts) == set(wanted)


def _quiet(store: Path) -> bool:
    progress, statuses = asyncio.run(stored(store))
    known = (progress.cursor, progress.done, progress.held, progress.parked)
    return known == (60, (), 0, 0) and set(statuses) <= {"delivered"}
