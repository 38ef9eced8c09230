"""Server-sent events: each once and in order, across readers that come again and gateways that die."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest
import pytest_asyncio

from actors.health.alerts import Alert
from actors.state.documents import EVENT_LOG, EVENTS, HEAD, StoreAway, Write
from actors.state.events.log import EventLog
from actors.state.open_store import open_documents
from gateway.http import api_keys
from gateway.webhooks.stream import HEARTBEAT
from tests.integration.gateway.reader import Reader
from tests.integration.gateway.served import KEY, OTHER, ROOT, SHOP, Gateway
from tests.integration.gateway.webhooks.stored_messages import store_messages
from tests.plain_http import NO_AUTHORITIES
from tests.processes import forked
from tests.processes.firestore import Firestore
from tests.unlimited import UNLIMITED
from tests.waits import eventually, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from actors.state.documents import Documents
    from tests.processes.valkey import Valkey

SOON = 30.0


@pytest.fixture(scope="module")
def gateway(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("gateway"), valkey) as served:
        for connection in (SHOP, OTHER):
            served.connect(connection)
        yield served


@pytest_asyncio.fixture
async def documents(gateway: Gateway) -> AsyncIterator[Documents]:
    store = open_documents(gateway.settings)
    yield store
    await store.close()


@pytest.fixture
def firestore(tmp_path: Path) -> Iterator[Firestore]:
    with Firestore(tmp_path / "firestore") as server:
        yield server


FREE = iter(range(100_000, 10**7, 100_000))


async def came(reader: Reader, wanted: list[str], within: float = SOON) -> None:
    await eventually("all came", lambda: len(reader.texts) >= len(wanted), within)
    assert reader.texts == wanted


async def test_what_happens_is_read_in_order(documents: Documents, gateway: Gateway) -> None:
    with Reader(gateway, KEY) as reader:
        wanted = await store_messages(documents, next(FREE), 30, size=7)
        await came(reader, wanted)
        assert reader.ids == list(range(reader.ids[0], reader.ids[0] + 30))
        number, kind, event = reader.events[0]
        assert (kind, event["seq"], event["connection"]) == ("message.received", number, "shop")


async def test_a_reader_comes_again_without_a_gap_and_without_a_repeat(
    documents: Documents, gateway: Gateway
) -> None:
    number = next(FREE)
    with Reader(gateway, KEY) as reader:
        wanted = await store_messages(documents, number, 5)
        await came(reader, wanted)
    meanwhile = await store_messages(documents, number + 5, 1200, size=200)
    with Reader(gateway, KEY, last=reader.last) as again:
        behind = await store_messages(documents, number + 1205, 5)
        await came(again, [*meanwhile, *behind])
        assert reader.ids + again.ids == list(range(reader.ids[0], again.ids[-1] + 1))


async def test_a_gateway_that_is_killed_costs_its_readers_nothing(
    documents: Documents, gateway: Gateway
) -> None:
    number = next(FREE)
    seen: list[tuple[int, str]] = []
    last: str | None = None
    whole: list[str] = []
    storing = asyncio.create_task(slowly(documents, number, whole))
    for _ in range(2):
        with Reader(gateway, KEY, last=last) as reader:
            await eventually("some came", partial(has, reader, 5), SOON)
            gateway.kill()
            assert reader.over.wait(SOON), "the kill cut it"
            await asyncio.to_thread(gateway.start)
        seen += [(each[0], each[2]["data"]["text"]) for each in reader.events]
        last = reader.last
    with Reader(gateway, KEY, last=last) as reader:
        await eventually("some came", partial(has, reader, 5), SOON)
        storing.cancel()
        await asyncio.wait([storing])
        await eventually("the last came", partial(read, reader, whole[-1]), SOON)
        seen += [(each[0], each[2]["data"]["text"]) for each in reader.events]
    assert [text for _, text in seen] == whole
    ids = [each for each, _ in seen]
    assert ids == list(range(ids[0], ids[0] + len(whole)))


def has(reader: Reader, count: int) -> bool:
    return len(reader.events) >= count


def read(reader: Reader, text: str) -> bool:
    return text in reader.texts


async def slowly(documents: Documents, number: int, wanted: list[str]) -> None:
    while True:
        wanted += await asyncio.shield(store_messages(documents, number + len(wanted)))
        await asyncio.sleep(0.1)


async def test_a_reader_gets_what_it_asked_for(documents: Documents, gateway: Gateway) -> None:
    number = next(FREE)
    with (
        Reader(gateway, KEY, connection="other") as others,
        Reader(gateway, KEY, events="alert.raised,alert.cleared") as alerts,
        Reader(gateway, KEY) as everything,
    ):
        mine = await store_messages(documents, number, 2)
        theirs = await store_messages(documents, number + 10, 2, OTHER)
        alert = Alert("store_away", None, "critical", "It is away.", time.time())
        await documents.batch([alert.write])
        await eventually("all came", lambda: len(everything.events) == 5, SOON)
        assert everything.texts == [*mine, *theirs]
        await eventually("theirs came", lambda: len(others.events) == 2, SOON)
        assert others.texts == theirs
        await eventually("the alert came", lambda: alerts.events, SOON)
        ((_, kind, event),) = alerts.events
        assert (kind, event["connection"]) == ("alert.raised", None)
        assert event["data"]["name"] == "store_away"


async def test_a_key_for_some_connections_reads_of_those_alone(
    documents: Documents, gateway: Gateway
) -> None:
    _, key = await api_keys.create(
        documents, name="x", scopes=["read"], connections=[OTHER], quota=UNLIMITED
    )
    _, blind = await api_keys.create(documents, name="y", scopes=["send"], quota=UNLIMITED)
    number = next(FREE)
    with gateway.client(key) as client, gateway.client(blind) as sender:
        until("the key is known", lambda: client.get("/api/connections").status_code == 200, SOON)
        assert client.get("/api/events?connection=shop").status_code == 403
        assert sender.get("/api/events").status_code == 403
    with Reader(gateway, key) as reader:
        await store_messages(documents, number, 2)
        alert = Alert("redis_away", None, "critical", "It is away.", time.time())
        await documents.batch([alert.write])
        theirs = await store_messages(documents, number + 10, 2, OTHER)
        await came(reader, theirs)
        assert len(reader.events) == 2


async def test_events_that_are_gone_are_a_gap(documents: Documents, gateway: Gateway) -> None:
    with Reader(gateway, KEY):
        first = await EventLog(documents).head()
        number = next(FREE)
        await store_messages(documents, number, 3, size=3)
        wanted = await store_messages(documents, number + 3, 2)
    (pack,) = (
        each
        for each in (await documents.query(EVENTS)).items
        if f'text {number}"' in each["events"]
    )
    await documents.delete(EVENTS, pack["id"])
    # It has them in memory while somebody reads.
    until("the reader before has left", lambda: len(_sockets(gateway)) < 2, HEARTBEAT / 2)
    with Reader(gateway, KEY, last=str(first.seq)) as reader:
        await eventually("something came", lambda: len(reader.texts) >= len(wanted), SOON)
    assert reader.texts == wanted
    number_, _, data = reader.events[0]
    assert number_ == first.seq + 3
    assert data == {"after": first.seq, "before": first.seq + 4}


async def test_an_id_that_is_not_given_yet_begins_at_the_end(
    documents: Documents, gateway: Gateway
) -> None:
    with Reader(gateway, KEY, last="999999999") as reader:
        await came(reader, await store_messages(documents, next(FREE), 2))


async def test_a_head_is_answered_and_ends(gateway: Gateway) -> None:
    answer = gateway.api.head("/api/events")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")


def test_a_stop_ends_streams(valkey: Valkey, tmp_path: Path) -> None:
    with Gateway(tmp_path, valkey) as served, Reader(served, KEY) as reader:
        assert served.stop() == 0
        assert reader.over.wait(1)
        assert reader.whole, "it was ended, and not cut after the time for that was over"


async def test_a_stream_stays_while_the_store_is_away(
    firestore: Firestore, own_valkey: Valkey, tmp_path: Path
) -> None:
    """It is killed and comes again; what happens then follows."""
    served = Gateway(tmp_path / "g", own_valkey, firestore_emulator_host=firestore.host)
    try:
        await asyncio.to_thread(served.start)
        store = open_documents(served.settings)
        with Reader(served, KEY) as reader:
            wanted = await store_messages(store, 1, 2)
            await came(reader, wanted)
            firestore.kill()
            await eventually("it is noticed", lambda: "store away" in served.log(), 30)
            assert not reader.over.is_set()
            await asyncio.to_thread(firestore.start)
            behind = await eventually("it is back", partial(telling_again, store, 3), 30)
            await came(reader, [*wanted, *behind], 30)
            assert reader.ids == list(range(reader.ids[0], reader.ids[0] + 4))
        await store.close()
    finally:
        served.api.close()
        served.kill()


async def telling_again(documents: Documents, number: int) -> list[str] | None:
    try:
        return await store_messages(documents, number, 2)
    except StoreAway:
        return None


async def test_there_is_room_for_so_many_readers_with_a_key(gateway: Gateway) -> None:
    """Readers that leave make room at once. A key for all connections counts for none of them."""
    most = gateway.settings.event_readers_per_connection
    for _ in range(2):
        async with (
            httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{gateway.port}",
                headers={"X-Api-Key": KEY},
                limits=httpx.Limits(max_connections=most),
                timeout=30,
                verify=NO_AUTHORITIES,
            ) as client,
            AsyncExitStack() as streams,
        ):
            for _ in range(most):
                answer = await streams.enter_async_context(client.stream("GET", "/api/events"))
                assert answer.status_code == 200
            refused = gateway.api.get("/api/events")
            problem = refused.json()
            assert (refused.status_code, problem["code"]) == (429, "quota_reached")
            assert (problem["of"], problem["limit"]) == ("key", most)
            assert int(refused.headers["retry-after"]) > 0
        # Less than the silence after which a comment would find nobody there.
        until("all have left", lambda: len(_sockets(gateway)) < 5, HEARTBEAT / 2)


def _sockets(gateway: Gateway) -> list[object]:
    """Open connections to it."""
    assert gateway.process is not None
    of_it = psutil.Process(gateway.process.pid).net_connections("tcp")
    return [each for each in of_it if each.raddr and each.laddr.port == gateway.port]


async def test_a_reader_that_takes_nothing_is_cut_and_holds_up_nobody(
    documents: Documents, gateway: Gateway
) -> None:
    """Its socket is full; the gateway waits with what comes next, and then lets go of it.

    A gateway that kept it in memory instead would never have waited, and cut nobody.
    """
    count, more = 1_200, "x" * 6_000  # more than the buffers of both sockets hold
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)  # soon full
        slow.settimeout(30)
        slow.connect(("127.0.0.1", gateway.port))
        asked = f"GET /api/events HTTP/1.1\r\nHost: x\r\nX-Api-Key: {KEY}\r\n\r\n"
        slow.sendall(asked.encode())
        assert b"200" in slow.recv(100)
        with Reader(gateway, KEY) as quick:
            wanted = await store_messages(documents, next(FREE), count, size=60, more=more)
            await came(quick, wanted, 60)
        await eventually("it is cut", lambda: "slow reader disconnected" in gateway.log(), 60)
        left = _drained(slow)
        assert not left.endswith(b"0\r\n\r\n"), "nothing says that this is all"
        assert left.count(b"event: message.received") < count


def _drained(end: socket.socket) -> bytes:
    left = bytearray()
    with suppress(ConnectionResetError):
        while some := end.recv(2**20):
            left += some
    return bytes(left)


def command(gateway: Gateway, *words: str) -> forked.Popen:
    return forked.Popen(
        [sys.executable, "-m", "gateway.cli", *words, "--key", KEY, "--data", str(gateway.data)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )


async def test_a_command_follows_across_a_kill(documents: Documents, gateway: Gateway) -> None:
    """One event a line, as JSON; it begins behind the event that it is given."""
    first = (await EventLog(documents).want(time.time() + 1000)).seq
    number = next(FREE)
    wanted = await store_messages(documents, number, 2)
    words = ["events", "--json", "--after", str(first), "--event", "message.received"]
    process = command(gateway, *words)
    assert process.stdout is not None
    try:
        shown = [await asyncio.to_thread(process.stdout.readline) for _ in range(2)]
        gateway.kill()
        await asyncio.to_thread(gateway.start)
        wanted += await store_messages(documents, number + 2)
        shown.append(await asyncio.to_thread(process.stdout.readline))
        assert [json.loads(line)["data"]["text"] for line in shown] == wanted
    finally:
        process.send_signal(signal.SIGINT)
        with process:
            rest, _ = process.communicate(timeout=20)
    assert rest == ""
    assert "Traceback" not in gateway.log()


async def test_events_are_written_from_the_first_reader_on(
    own_gateway: Gateway, tmp_path: Path
) -> None:
    store = open_documents(own_gateway.settings)
    try:
        await store_messages(store, 1)
        assert await store.get(EVENT_LOG, HEAD) is None
        with Reader(own_gateway, KEY) as reader:
            await came(reader, await store_messages(store, 2))
        head = await EventLog(store).head()
        days = (head.until - time.time()) / 86_400
        assert own_gateway.settings.event_retention_days - 0.1 < days
        await store.batch([Write("merge", EVENT_LOG, HEAD, {"until": 0.0})])
        await store_messages(store, 3)
        assert (await EventLog(store).head()).seq == 1
    finally:
        await store.close()
