"""G12: a name that is used again shows and sends nothing of what had it before."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from actors.config.settings import Settings
from actors.state.connections import Connections
from actors.state.open_store import open_documents
from tests.plain_http import NO_AUTHORITIES
from tests.processes.slow_file import slow_file
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.processes.instance import Instance

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("is_open")]

NAME, FORMER, LATER = "tenant", "15550100031", "15550100032"
CONTACT = "15550100033"


@pytest.fixture
def former(instance: Instance) -> Iterator[None]:
    """The first connection of the name; there is none afterwards."""
    instance.pair(NAME, FORMER)
    yield
    delete(instance)


def delete(instance: Instance) -> None:
    path = f"/api/connections/{NAME}"
    instance.api.delete(path)
    until("it is gone", lambda: instance.api.get(path).status_code == 404, 20)
    until("its name is free", lambda: not asyncio.run(taken(instance)), 20)
    assert not directories(instance), "something is left of it"


async def taken(instance: Instance) -> bool:
    documents = open_documents(Settings.load(instance.data))
    try:
        return await Connections(documents).get(NAME, deleted=True) is not None
    finally:
        await documents.close()


def directories(instance: Instance) -> list[str]:
    return [each.name for each in (instance.data / "sessions").iterdir() if NAME in each.name]


def reuse(instance: Instance) -> None:
    """Delete the connection, and have another account under its name."""
    delete(instance)
    instance.pair(NAME, LATER)


@pytest.mark.usefixtures("former")
def test_a_send_that_began_before_the_deletion_leaves_from_nobody(instance: Instance) -> None:
    with slow_file() as (url, asked, comes), ThreadPoolExecutor(1) as pool:
        body = {"connection": NAME, "to": CONTACT, "type": "image", "media": {"url": url}}
        sending = pool.submit(instance.api.post, "/api/messages", json=body)
        assert asked.wait(20)
        reuse(instance)
        comes.set()
        answer = sending.result(30)
    sent = {"connection": NAME, "to": CONTACT, "text": "of the later one"}
    instance.api.post("/api/messages", json=sent).raise_for_status()

    def arrived() -> list[str | None]:
        return [each["text"] for each in instance.inbox(CONTACT)]

    until("that arrives", lambda: "of the later one" in arrived(), 20)
    assert arrived() == ["of the later one"]
    assert (answer.status_code, answer.json()["code"]) == (410, "connection_deleted")


@pytest.mark.usefixtures("former")
def test_who_has_the_name_next_finds_nothing_of_before(instance: Instance) -> None:
    instance.api.head(
        "/api/events"
    ).raise_for_status()  # events are written from the first reader on
    body = {"connection": NAME, "to": CONTACT, "text": "of the former one"}
    old = instance.api.post("/api/messages", json=body).raise_for_status().json()["id"]
    instance.say(CONTACT, FORMER, "to the former one")
    heard = until("it is stored", lambda: instance.messages(connection=NAME, direction="in"), 20)
    key = key_for(instance, [NAME])
    reuse(instance)
    with client(instance, key) as before:
        refused = before.get("/api/messages", params={"connection": NAME})
        assert refused.status_code in {401, 403}
    with client(instance, key_for(instance, None)) as everywhere:
        for each in (old, heard[0]["id"]):
            assert everywhere.get(f"/api/messages/{each}").status_code == 404
    with client(instance, key_for(instance, [NAME])) as tenant:
        for each in (old, heard[0]["id"]):
            # As of any connection that the key is not for, there or not.
            assert tenant.get(f"/api/messages/{each}").status_code == 403
        assert tenant.get("/api/messages", params={"connection": NAME}).json()["items"] == []
        instance.say(CONTACT, LATER, "to the later one")
        told = events(tenant, "to the later one")
        former = old.partition(".")[0]
        assert not [each for each in told if former in each or "the former one" in each]


def key_for(instance: Instance, connections: list[str] | None) -> str:
    body = {"name": "tenant's", "scopes": ["send", "read"], "connections": connections}
    key: str = instance.api.post("/api/keys", json=body).raise_for_status().json()["key"]
    return key


def client(instance: Instance, key: str) -> httpx.Client:
    return httpx.Client(
        base_url=instance.api.base_url,
        headers={"X-Api-Key": key},
        timeout=15,
        verify=NO_AUTHORITIES,
    )


def events(tenant: httpx.Client, last: str) -> list[str]:
    """Events of the stream from its beginning, up to one that says `last`."""
    told: list[str] = []
    end = time.monotonic() + 20
    headers: dict[str, Any] = {"Last-Event-ID": "0"}
    with tenant.stream(
        "GET", "/api/events", params={"connection": NAME}, headers=headers
    ) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                told.append(line)
                if last in line:
                    return told
            assert time.monotonic() < end, told
    raise AssertionError(f"the stream ended after {len(told)} events")
