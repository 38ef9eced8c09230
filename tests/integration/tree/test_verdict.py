"""The last fall of a connection ends as `failed`, however slow the line to Redis is (G9)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.vault.reach import Reach
from actors.queue.lanes import Lanes
from actors.redis.client import connect
from actors.redis.lease import Leases, Owner
from actors.state.connections import Connections
from actors.state.copies import Copy
from actors.state.documents import open_documents
from supervision.budgets import Budgets
from supervision.children import Child, Children, End
from supervision.cluster import Cluster, Handle
from supervision.gate import Gate
from supervision.owners import Owners
from supervision.policy import Intensity, Lives, Probes, Wave
from supervision.recovery import Recovery
from supervision.registry import Registry
from supervision.removal import Removal
from supervision.standbys import Standbys
from supervision.tending import Tending
from tests.valkey import Valkey
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from actors.redis.lease import Lease


class SlowToMark(Leases):
    """A line that has to be made anew, while the next one is there already."""

    async def mark(self, *args: Any, state: str, **named: Any) -> bool:
        if state == "reconnecting":
            await asyncio.sleep(0.2)
        return await super().mark(*args, state=state, **named)


@pytest.mark.parametrize("slow", [Leases, SlowToMark])
async def test_the_note_of_a_fall_never_replaces_the_verdict(
    tmp_path: Path, slow: type[Leases]
) -> None:
    """It would be started once more, then, and its whole budget of falls forgotten."""
    with Valkey(tmp_path / "valkey") as valkey:
        settings = valkey.settings()
        redis, documents = connect(settings), open_documents(settings)
        leases = slow(redis)
        budgets = Budgets(Lives(Intensity(0, 10.0), 0.1, 1.0), documents)
        registry = Registry(documents, budgets, Copy(None))
        children = Children(
            Cluster(settings.data),
            Probes(),
            None,
            Reach(None),
            on_end=lambda _child, _end: None,
            on_told=lambda _child, _told: None,
            on_gone=lambda _child: None,
            on_change=lambda: None,
        )
        tending = Tending(
            registry=registry,
            leases=leases,
            children=children,
            standbys=Standbys(children, 0),
            gate=Gate(Wave()),
            budgets=budgets,
            recovery=Recovery(documents),
            removal=Removal(
                registry,
                leases,
                Lanes(redis, settings),
                documents,
                settings.sessions,
                vault=None,
            ),
            owners=Owners(children, None),
            auto_recovery=True,
            limit=10,
            settings_at=lambda: 0.0,
        )
        try:
            await Connections(documents).create("shop")
            await registry.refresh()
            await registry.apply(registry.wanted["shop"])
            lease = await leases.take("shop", Owner("connection:a", 1, "here"))
            child = Child("connection", Handle("connection:a", None), connection="shop", epoch=1)
            tending.ended(child, End("crashed"))

            async def failed() -> Lease | None:
                now = await leases.read("shop")
                return now if now is not None and now.state == "failed" else None

            await eventually("shop is failed", failed, 10)
            await asyncio.sleep(0.5)
            now = await leases.read("shop")
            assert now is not None
            assert (now.state, now.cause, now.epoch) == ("failed", "crash_loop", lease.epoch)
        finally:
            await tending.stop()
            await redis.aclose()
            await documents.close()
