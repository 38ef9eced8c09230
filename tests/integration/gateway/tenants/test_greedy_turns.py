"""Sends, uploads, questions to WhatsApp and downloads of a tenant take turns: another one's come between (G13)."""

from __future__ import annotations

import fcntl
import json
import signal
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import TYPE_CHECKING

from actors.redis import keys
from gateway.backends import QUESTIONS
from tests.integration.gateway.files import send, unlike, upload
from tests.integration.gateway.served import OTHER, SHOP
from tests.integration.gateway.tenants.raw_requests import (
    answered,
    begun,
    request,
    statuses,
    unresting,
)
from tests.waits import eventually, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis.asyncio import Redis

    from tests.integration.gateway.served import Api, Gateway

TO = "15550100002"
MANY = 90
"""Requests of the greedy one that are on their way; it may have 100."""


def test_sends(gateway: Gateway, greedy: Api, modest: Api) -> None:
    """A few answers of the greedy one come between two of the modest one. Its key has it send one message alone."""
    body = {"connection": "shop", "to": TO, "text": "w" * 60000}
    sending = request(
        greedy, "POST", "/api/messages", json.dumps(body).encode(), Idempotency_Key="one"
    )
    between = []
    with unresting(gateway, sending, MANY) as came:
        until("each of its requests had an answer", lambda: came() > MANY, 60)
        for number in range(9):
            before = came()
            asked = {"connection": "other", "to": TO, "text": f"{number}"}
            assert modest.post("/api/messages", json=asked).status_code == 202
            between.append(came() - before)
    assert median(between) < MANY / 3


def test_uploads(gateway: Gateway, greedy: Api, modest: Api) -> None:
    """A few answers of the greedy one come between two of the modest one."""
    uploading = request(greedy, "POST", "/api/media", unlike())
    between = []
    with unresting(gateway, uploading, MANY) as came:
        until("each of its requests had an answer", lambda: came() > MANY, 60)
        for _ in range(9):
            before = came()
            assert modest.post("/api/media", content=unlike()).status_code == 201
            between.append(came() - before)
    assert median(between) < MANY / 3


async def test_questions_to_whatsapp(
    gateway: Gateway, greedy: Api, modest: Api, silent_owners: Redis
) -> None:
    """So many of the greedy one are in Redis, and the modest one's as soon as it is asked."""

    async def waiting(connection: str) -> int:
        return int(await silent_owners.llen(keys.of(connection).commands))

    async def reached(connection: str, count: int) -> bool:
        return await waiting(connection) == count

    path = f"numbers/{TO}"
    many = request(greedy, "GET", f"/api/connections/shop/{path}", b"")
    one = request(modest, "GET", f"/api/connections/other/{path}", b"")
    with begun(gateway, many, MANY) as held:
        await eventually("as many as may be wait", lambda: reached(SHOP, QUESTIONS), 10)
        with begun(gateway, one, 1):
            await eventually("the modest one's waits too", lambda: reached(OTHER, 1), 10)
            assert await waiting(SHOP) == QUESTIONS
            assert not answered(held)


def sent_file(caller: Api, connection: str) -> tuple[str, str]:
    """The path of the file of a message that waits, and the file's digest."""
    sha256 = upload(caller, unlike())["sha256"]
    accepted = send(caller, {"sha256": sha256}, connection=connection)
    assert accepted.status_code == 202, accepted.text
    return f"/api/messages/{accepted.json()['id']}/media", sha256


@contextmanager
def lease(file: Path) -> Iterator[None]:
    """Have each who opens the file wait until the end, or for as long as the kernel lets one wait (45 s)."""
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)  # that somebody waits
    with file.open("r+b") as held:
        fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        yield
    signal.signal(signal.SIGIO, before)


def test_downloads(gateway: Gateway, greedy: Api, modest: Api) -> None:
    """The disk does not give the greedy one's file: that takes few threads, and the modest one has another."""
    (stuck, sha256), (fine, _) = sent_file(greedy, "shop"), sent_file(modest, "other")
    place = next(each for each in gateway.settings.media.rglob("*") if each.name == sha256)
    asks = request(greedy, "GET", stuck, b"")
    with ExitStack() as ending:
        with lease(place):
            held = ending.enter_context(begun(gateway, asks, MANY))
            for _ in range(3):
                assert modest.get(fine).status_code == 200
            assert not answered(held)
        until("the greedy one has its answers", lambda: len(answered(held)) == MANY, 60)
        assert set(statuses(held)) == {200}
