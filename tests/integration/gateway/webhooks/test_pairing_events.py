"""``connection.qr``: has the QR or code while it is valid, for keys that may link accounts (G10)."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest_asyncio

from actors.connection.engine import PairingCode, Qr
from actors.redis.leases.leases import Owner
from actors.runtime import host_identity
from actors.state.connections import showing
from gateway.http import api_keys
from tests.integration.gateway.reader import Reader
from tests.integration.gateway.served import KEY, OTHER, SHOP
from tests.integration.gateway.webhooks.stored_messages import SOON
from tests.unlimited import UNLIMITED
from tests.waits import eventually, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from actors.redis.leases.leases import Leases
    from actors.state.documents import Documents
    from tests.integration.gateway.receiver import Receiver
    from tests.integration.gateway.served import Api, Gateway

SECRET = "2@psst"


@dataclass
class Played:
    """The owner of ``shop``, which waits for a phone."""

    documents: Documents
    leases: Leases
    epoch: int
    number: int = 0

    async def shows(self, *shown: Qr | PairingCode) -> None:
        """In the lease, as the owner does."""
        kinds: dict[str, Any] = {"qr" if isinstance(each, Qr) else "code": each for each in shown}
        assert await self.leases.report(
            SHOP, self.epoch, state="pairing", cause=None, since=time.time(), **kinds
        )

    async def tells(self, shown: Qr | PairingCode) -> None:
        """To the store, as the StateManager does for the owner."""
        self.number += 1
        kind = "qr" if isinstance(shown, Qr) else "code"
        at, expires_at = time.time(), shown.expires_at
        notice = {"kind": kind, "number": self.number, "expires_at": expires_at, "at": at}
        await self.documents.batch([showing(SHOP, self.epoch, notice)])


@pytest_asyncio.fixture
async def owner(documents: Documents, leases: Leases) -> AsyncIterator[Played]:
    lease = await leases.take(SHOP, Owner("connection:test", os.getpid(), host_identity.here()))
    yield Played(documents, leases, lease.epoch)
    await leases.release(SHOP, lease.epoch, state="stopped", cause=None)


def qr_events(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each["data"] for each in events if each["type"] == "connection.qr"]


async def taken(receiver: Receiver, count: int) -> list[dict[str, Any]]:
    await eventually("it is delivered", lambda: len(qr_events(receiver.taken)) >= count, SOON)
    return qr_events(receiver.taken)


async def read(reader: Reader, count: int) -> list[dict[str, Any]]:
    def come() -> list[dict[str, Any]]:
        return qr_events([event for _, kind, event in reader.events if kind != "gap"])

    await eventually("it is read", lambda: len(come()) >= count, SOON)
    return come()


async def test_a_webhook_and_an_admin_get_the_qr_and_the_code(
    owner: Played, receiver: Receiver, hook: str, gateway: Gateway
) -> None:
    qr, code = Qr(SECRET, time.time() + 60), PairingCode("K7RM-2V9D", time.time() + 50)
    with Reader(gateway, KEY) as reader:
        await owner.shows(qr, code)
        await owner.tells(qr)
        await owner.tells(code)
        for found in (await taken(receiver, 2), await read(reader, 2)):
            assert [(each["kind"], each["qr"], each["code"]) for each in found] == [
                ("qr", SECRET, None),
                ("code", None, "K7RM-2V9D"),
            ]
            assert [each["withheld"] for each in found] == [None, None]
            assert {each["id"] for each in found} == {"shop"}
    deliveries = gateway.api.get(f"/api/webhooks/{hook}/deliveries").text
    assert SECRET not in deliveries
    stored = gateway.settings.state_file
    for file in (*stored.parent.glob(f"{stored.name}*"), gateway.data / "gateway.log"):
        for secret in (SECRET, "K7RM-2V9D", "K7RM2V9D"):
            assert secret.encode() not in file.read_bytes(), file


def _known(client: Api) -> bool:
    return client.get("/api/connections").is_success


async def test_a_key_that_may_not_link_gets_the_event_without_the_qr(
    owner: Played, documents: Documents, gateway: Gateway
) -> None:
    made = []
    scopes: dict[str, tuple[api_keys.Scope, list[str] | None]] = {
        "reading": ("read", None),
        "limited": ("admin", [SHOP]),
        "elsewhere": ("admin", [OTHER]),
    }
    for name, (scope, connections) in scopes.items():
        _, key = await api_keys.create(
            documents, name=name, scopes=[scope], connections=connections, quota=UNLIMITED
        )
        made.append(key)
        with gateway.client(key) as client:
            until("the key is known", partial(_known, client), SOON)
    reading, limited, elsewhere = made
    with (
        Reader(gateway, reading) as blind,
        Reader(gateway, limited) as seeing,
        Reader(gateway, elsewhere) as apart,
    ):
        qr = Qr(SECRET, time.time() + 60)
        await owner.shows(qr)
        await owner.tells(qr)
        (found,) = await read(blind, 1)
        assert (found["qr"], found["code"], found["withheld"]) == (None, None, "missing_scope")
        assert (found["kind"], found["number"]) == ("qr", 1)
        (found,) = await read(seeing, 1)
        assert (found["qr"], found["withheld"]) == (SECRET, None)
        assert apart.events == []


async def test_a_late_event_comes_without_the_qr_and_says_so(
    owner: Played, receiver: Receiver, hook: str
) -> None:
    receiver.answer = lambda _: 503
    first, second = Qr("2@first", time.time() + 60), Qr("2@second", time.time() + 80)
    await owner.shows(first)
    await owner.tells(first)
    await eventually("a delivery failed", lambda: qr_events(receiver.refused), SOON)
    assert qr_events(receiver.refused)[0]["qr"] == "2@first"
    await owner.shows(second)
    receiver.answer = lambda _: None
    await owner.tells(second)
    late, current = await taken(receiver, 2)
    assert (late["number"], late["qr"], late["withheld"]) == (1, None, "expired")
    assert (current["number"], current["qr"], current["withheld"]) == (2, "2@second", None)


async def test_once_it_is_linked_no_event_has_it(
    owner: Played, leases: Leases, receiver: Receiver, hook: str
) -> None:
    qr = Qr(SECRET, time.time() + 60)
    await owner.shows(qr)
    await leases.report(SHOP, owner.epoch, state="open", cause=None, since=time.time())
    await owner.tells(qr)
    (found,) = await taken(receiver, 1)
    assert (found["qr"], found["withheld"]) == (None, "expired")
    assert SECRET not in repr(receiver.taken)
