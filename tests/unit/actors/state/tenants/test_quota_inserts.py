"""Webhooks and keys are counted and added in one step, also where several processes add some at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from actors.runtime.limits.limits import Limit, LimitReached
from actors.runtime.limits.quotas import Quota
from actors.state.connections import Connections
from actors.state.documents import API_KEYS, WEBHOOKS
from actors.state.sqlite.store import SqliteDocuments
from actors.state.webhooks import Secret, Webhook, Webhooks
from gateway.http.api_keys import create, ensure_first, revoke

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from actors.state.documents import Documents

QUOTA = Quota(Limit("EACH", 3, "each", 60), Limit("TOTAL", 8, "total", 60), 3)
"""Four parts of 1 are reserved, and 4 are shared."""


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Sequence[Documents]]:
    """As several processes have the same one open."""
    opened = [SqliteDocuments(tmp_path / "state.db") for _ in range(4)]
    for name in ("a", "b", "c"):
        await Connections(opened[0]).create(name, id=name)
    yield opened
    for each in opened:
        await each.close()


def webhook(number: int, *connections: str) -> Webhook:
    limited = connections or None
    return Webhook(f"wh_{number}", "https://example.com", (Secret("x"),), 1.0, connections=limited)


async def added(documents: Documents, number: int, *connections: str) -> str | None:
    """None, or whose limit is reached."""
    made = webhook(number, *connections)
    try:
        await Webhooks(documents).create(made, quota=QUOTA)
    except LimitReached as reached:
        return reached.scope
    return None


async def test_several_processes_add_no_more_than_there_is_room_for(
    stores: Sequence[Documents],
) -> None:
    outcomes = await asyncio.gather(
        *(added(stores[number % 4], number, "a") for number in range(12))
    )
    assert sorted(map(str, outcomes)) == ["None"] * 3 + ["connection"] * 9
    assert len(await Webhooks(stores[0]).list()) == 3


async def test_a_greedy_connection_leaves_the_others_their_part(
    stores: Sequence[Documents],
) -> None:
    documents = stores[0]
    assert [await added(documents, number, "a") for number in range(4)] == [None] * 3 + [
        "connection"
    ]
    assert [await added(documents, 10 + number, "b") for number in range(4)] == [None] * 3 + [
        "connection"
    ]
    assert [await added(documents, 20 + number, "c") for number in range(2)] == [None, "instance"]
    assert [await added(documents, 30 + number) for number in range(2)] == [None, "instance"]
    await Webhooks(documents).delete("wh_0")
    assert await added(documents, 40, "c") is None, "what was deleted makes room"


async def test_keys_are_counted_by_connection_and_revoked_ones_not(
    stores: Sequence[Documents],
) -> None:
    documents = stores[0]
    await ensure_first(documents, None)

    async def key(*connections: str) -> str:
        return (
            await create(documents, name="x", scopes=["read"], connections=connections, quota=QUOTA)
        )[0]

    made = [await key("a") for _ in range(3)]
    with pytest.raises(LimitReached) as refused:
        await key("a", "b")
    assert refused.value.scope == "connection"
    await key("b")
    await revoke(documents, made[0])
    await key("a", "b")
    ended = await documents.get(API_KEYS, made[1])
    assert ended is not None
    await documents.set(API_KEYS, made[1], {**ended, "ended_at": 5.0})
    await key("a")
    assert len((await documents.query(API_KEYS)).items) == 6
    assert (await documents.query(WEBHOOKS)).items == []
