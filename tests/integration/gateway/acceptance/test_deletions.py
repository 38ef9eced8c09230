"""G12: sends around the deletion of their connection, whose name is another's by then."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from actors.queue.outbound_queue import OutboundQueue
from actors.redis.client import connect
from actors.redis.leases.leases import Leases, Owner
from actors.state.documents import MESSAGES
from actors.state.messages.received import FORMER_SUFFIX, incoming
from actors.state.open_store import open_documents
from tests.integration.gateway.api.keys.test_access import made
from tests.integration.gateway.removal import remove
from tests.integration.gateway.served import SHOP, Gateway
from tests.processes.slow_file import slow_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.processes.valkey import Valkey

CHAT = "15550100002"
LATER = "shop--T00000000001"


def waiting(gateway: Gateway, connection: str) -> list[str]:
    """The texts that an owner of the connection is given."""

    async def run() -> list[str]:
        redis = connect(gateway.settings)
        lanes = OutboundQueue(redis, gateway.settings)
        try:
            epoch = (await Leases(redis).take(connection, Owner("connection:1", 7, "node"))).epoch
            texts = []
            while jobs := (await lanes.claims.claim(connection, epoch, 100)).jobs:
                for job in jobs:
                    texts.append(job.text)
                    await lanes.claims.complete(connection, epoch, job.id, at=1.0)
            return texts
        finally:
            await lanes.close()
            await redis.aclose()

    return asyncio.run(run())


def sent(gateway: Gateway, text: str, connection: str = "shop") -> tuple[int, Mapping[str, str]]:
    body = {"connection": connection, "to": CHAT, "text": text}
    answer = gateway.api.post("/api/messages", json=body)
    return answer.status_code, answer.json()


@pytest.fixture
def fetching(own_valkey: Valkey, own_gateway: Gateway) -> Iterator[Gateway]:
    """A second gateway of the instance, which fetches from anywhere."""
    with Gateway(own_gateway.data, own_valkey, media_url_private=True) as gateway:
        yield gateway


@pytest.mark.parametrize("frozen", [False, True], ids=["slow", "frozen"])
def test_a_send_that_began_before_the_deletion(
    own_gateway: Gateway, fetching: Gateway, frozen: bool
) -> None:
    """Its gateway hears of the deletion while the file comes, or stands still all the while."""
    with slow_file() as (url, asked, comes), ThreadPoolExecutor(1) as pool:
        body = {"connection": "shop", "to": CHAT, "type": "image", "media": {"url": url}}
        sending = pool.submit(fetching.api.post, "/api/messages", json=body)
        assert asked.wait(20)
        if frozen:
            fetching.send_signal(signal.SIGSTOP)
        try:
            remove(own_gateway)
            own_gateway.connect(LATER)
        finally:
            if frozen:
                fetching.send_signal(signal.SIGCONT)
        comes.set()
        answer = sending.result(30)
    assert (answer.status_code, answer.json()["code"]) == (410, "connection_deleted")
    assert sent(fetching, "of the later one")[0] == 202
    assert waiting(own_gateway, LATER) == ["of the later one"]


def test_a_send_after_the_deletion(own_gateway: Gateway) -> None:
    remove(own_gateway)
    status, problem = sent(own_gateway, "too late")
    assert (status, problem["code"]) == (404, "unknown_connection")
    status, problem = sent(own_gateway, "too late", SHOP)
    assert (status, problem["code"]) == (404, "unknown_connection")
    own_gateway.connect(LATER)
    status, problem = sent(own_gateway, "for the former one", SHOP)
    assert (status, problem["code"]) == (404, "unknown_connection"), "the name is not asked for"
    assert sent(own_gateway, "for this one", LATER)[0] == 202
    assert waiting(own_gateway, LATER) == ["for this one"]


def test_a_gateway_that_has_not_learnt_of_it(own_gateway: Gateway) -> None:
    assert sent(own_gateway, "known")[0] == 202
    remove(own_gateway, through_gateway=False)
    status, problem = sent(own_gateway, "too late")
    assert (status, problem["code"]) == (404, "unknown_connection")


def test_a_gateway_that_has_not_learnt_of_the_next(own_gateway: Gateway) -> None:
    """It may learn of it just then; messages that it accepts are for the next one, refused ones are never sent."""
    assert sent(own_gateway, "known")[0] == 202
    remove(own_gateway, through_gateway=False)
    asyncio.run(own_gateway._connect(LATER))
    status, answer = sent(own_gateway, "first")
    assert (status, answer.get("code")) in {(410, "connection_deleted"), (202, None)}
    assert sent(own_gateway, "second")[0] == 202
    wanted = ["first", "second"] if status == 202 else ["second"]
    assert waiting(own_gateway, LATER) == wanted


def test_two_gateways_and_a_name_that_comes_and_goes(
    own_gateway: Gateway, own_valkey: Valkey
) -> None:
    """Nothing that was accepted is with a connection that is gone, or sent by the next (G2)."""
    over = threading.Event()
    accepted: list[tuple[str, str]] = []
    codes: set[str] = set()

    def more(wanted: int) -> bool:
        return len(accepted) >= wanted

    def send(gateway: Gateway, who: str) -> None:
        number = 0
        while not over.is_set():
            number += 1
            status, answer = sent(gateway, f"{who} {number}")
            if status == 202:
                accepted.append((answer["id"].partition(".")[0], answer["id"]))
            else:
                codes.add(answer["code"])

    ids = [SHOP, *(f"shop--T0000000001{number}" for number in range(8))]
    with (
        Gateway(own_gateway.data, own_valkey) as second,
        ThreadPoolExecutor(4) as pool,
    ):
        sending = [
            pool.submit(send, gateway, f"{gateway.port}.{n}")
            for gateway in (own_gateway, second)
            for n in (0, 1)
        ]
        try:
            for former, later in pairwise(ids):
                wanted = len(accepted) + 20
                own_gateway.until(partial(more, wanted), 20)
                remove(own_gateway, former)
                own_gateway.connect(later)
        finally:
            time.sleep(0.2)
            over.set()
            for each in sending:
                each.result(30)
    assert codes <= {"unknown_connection", "connection_deleted"}
    last = ids[-1]
    waits = set(waiting(own_gateway, last))
    assert len(waits) == sum(connection == last for connection, _ in accepted)

    async def statuses() -> dict[str, str]:
        documents = open_documents(own_gateway.settings)
        try:
            found = [(name, id_) for name, id_ in accepted if name != last]
            assert {name for name, _ in found} == set(ids[:-1])
            there = [await documents.get(MESSAGES, id_) for _, id_ in found]
            return {
                id_: "lost" if each is None else each["status"]
                for (_, id_), each in zip(found, there, strict=True)
            }
        finally:
            await documents.close()

    assert set(asyncio.run(statuses()).values()) == {"cancelled"}


async def test_what_an_older_release_kept_of_a_former_connection_is_an_admins(
    own_gateway: Gateway,
) -> None:
    item = {"key": 7, "at": 1000.0, "chat": CHAT, "sender": CHAT, "message_id": "3EB0"}
    stored = incoming(SHOP, {**item, "type": "text", "text": "of the former one"}, 1000.0)
    documents = open_documents(own_gateway.settings)
    try:
        await documents.set(MESSAGES, stored["id"], {**stored, "connection": SHOP + FORMER_SUFFIX})
    finally:
        await documents.close()
    path = f"/api/messages/{stored['id']}"
    assert own_gateway.api.get(path).json()["text"] == "of the former one"
    with await asyncio.to_thread(made, own_gateway, ["read"], ["shop"]) as tenant:
        assert tenant.get(path).status_code == 404
