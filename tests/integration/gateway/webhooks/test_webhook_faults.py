"""No event is lost or delivered twice by a StateManager, a gateway, Redis or Firestore that dies."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis

from actors.redis import keys
from actors.state.connections import ConnectionExists
from actors.state.open_store import open_documents
from actors.state.webhooks import Webhooks
from tests.integration.gateway.receiver import Receiver
from tests.integration.gateway.served import ROOT, Gateway
from tests.integration.gateway.webhooks.stored_messages import store_messages
from tests.processes import forked
from tests.processes.firestore import Firestore
from tests.processes.valkey import PASSWORD
from tests.waits import eventually, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.processes.valkey import Valkey

CHILD = Path(__file__).with_name("state_manager_child.py")
SOON = TURN = 30.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as started:
        yield started


@pytest.fixture
def served(valkey: Valkey, tmp_path: Path) -> Iterator[Gateway]:
    # A gateway that a test killed had the turn to deliver, and nobody waits for it to run out.
    with redis.Redis(port=valkey.port, password=PASSWORD) as server:
        server.delete(keys.WEBHOOKS_CHANNEL)
    with Gateway(tmp_path / "g", valkey, webhook_url_private=True) as gateway:
        with suppress(ConnectionExists):
            gateway.connect()
        yield gateway


def add(gateway: Gateway, receiver: Receiver) -> str:
    made = gateway.api.post("/api/webhooks", json={"url": receiver.url}).json()
    receiver.secrets.append(made["secret"])
    return str(made["id"])


def child(gateway: Gateway, point: str, first: int, count: int) -> int:
    ran = forked.run(
        [sys.executable, str(CHILD), str(gateway.data), point, str(first), str(count)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    return ran.returncode


@pytest.mark.parametrize("point", ["before", "after"])
def test_a_state_manager_killed_as_it_stores_tells_each_once(
    served: Gateway, receiver: Receiver, point: str
) -> None:
    """Its caller repeats to the successor what was not confirmed."""
    add(served, receiver)
    wanted = [f"text {number}" for number in range(1, 8)]
    assert child(served, point, 1, 5) == -signal.SIGKILL
    if point == "after":
        until("stored events are delivered", lambda: receiver.texts == wanted[:5], SOON)
    assert child(served, "none", 1, 7) == 0
    until("all is delivered", lambda: len(receiver.texts) >= 7, SOON)
    assert receiver.texts == wanted
    assert receiver.seqs == list(range(1, 8))


def test_of_two_gateways_one_delivers_and_the_other_takes_over(
    served: Gateway, valkey: Valkey, receiver: Receiver
) -> None:
    hook = add(served, receiver)
    wanted: list[str] = []

    def more(count: int) -> None:
        wanted.extend(asyncio.run(_store_messages(served, len(wanted), count)))

    other = Gateway(served.data, valkey, webhook_url_private=True)
    try:
        other.start()
        more(30)
        until("all is delivered", lambda: len(receiver.texts) >= 30, SOON)
        assert receiver.texts == wanted
        assert receiver.most == 1
        served.kill()
        more(10)
        until("the other takes over", lambda: set(wanted) <= set(receiver.texts), TURN)
        assert list(dict.fromkeys(receiver.texts)) == wanted
        assert receiver.most == 1
        assert other.api.delete(f"/api/webhooks/{hook}").status_code == 204
    finally:
        other.api.close()
        other.kill()


async def _store_messages(gateway: Gateway, first: int, count: int) -> list[str]:
    store = open_documents(gateway.settings)
    try:
        return await store_messages(store, first, count)
    finally:
        await store.close()


def test_while_redis_is_away_events_wait(
    own_valkey: Valkey, tmp_path: Path, receiver: Receiver
) -> None:
    with Gateway(tmp_path / "g", own_valkey, webhook_url_private=True) as served:
        add(served, receiver)
        wanted = asyncio.run(_store_messages(served, 0, 5))
        until("all is delivered", lambda: receiver.texts == wanted, SOON)
        own_valkey.kill()
        until("it is noticed", lambda: not served.api.get("/health").json()["redis"]["up"], SOON)
        wanted += asyncio.run(_store_messages(served, 5, 20))
        own_valkey.start()
        until("all is delivered", lambda: len(receiver.texts) >= 25, TURN)
        assert list(dict.fromkeys(receiver.texts)) == wanted


async def test_on_firestore(valkey: Valkey, tmp_path: Path, receiver: Receiver) -> None:
    """With its indexes alone; killed in the middle of a commit that tells, it comes again."""
    with Firestore(tmp_path / "firestore") as firestore:
        served = Gateway(
            tmp_path / "g",
            valkey,
            webhook_url_private=True,
            firestore_emulator_host=firestore.host,
        )
        store = open_documents(served.settings)
        try:
            await asyncio.to_thread(served.start)
            hook = add(served, receiver)
            wanted = await store_messages(store, 0, 20)
            await eventually("all is delivered", lambda: receiver.texts == wanted, SOON)
            firestore.strike("killed", methods=["Commit"], times=1)
            storing = asyncio.create_task(_until_stored(store, 20, 5))
            await eventually("it is dead", lambda: not firestore.running, SOON)
            await asyncio.to_thread(firestore.start)
            wanted += await storing
            await eventually("all is delivered", lambda: len(receiver.texts) >= 25, TURN)
            assert list(dict.fromkeys(receiver.texts)) == wanted
            assert sorted(set(receiver.seqs)) == list(range(1, 26))
            receiver.answer = lambda _: 410
            wanted += await store_messages(store, 25)
            await eventually("it is off", lambda: _dead(served, hook), TURN)
            shown = served.api.get(f"/api/webhooks/{hook}/deliveries").json()["items"]
            assert [each["status"] for each in shown] == ["dead", *["delivered"] * 25]
            again = f"/api/webhooks/{hook}/deliveries/{shown[0]['id']}/redeliver"
            receiver.answer = lambda _: None
            served.api.patch(f"/api/webhooks/{hook}", json={"enabled": True})
            assert served.api.post(again).status_code == 202
            await eventually("it is delivered", lambda: receiver.texts[-1] == wanted[-1], TURN)
            assert (await Webhooks(store).list())[0].id == hook
        finally:
            await store.close()
            served.api.close()
            served.kill()


async def _until_stored(store: Any, first: int, count: int) -> list[str]:
    from actors.state.documents import StoreAway

    while True:
        try:
            return await store_messages(store, first, count)
        except StoreAway:
            await asyncio.sleep(0.1)


def _dead(gateway: Gateway, hook: str) -> list[Any]:
    answer = gateway.api.get(f"/api/webhooks/{hook}/deliveries", params={"status": "dead"})
    items: list[Any] = answer.json()["items"]
    return items
