"""A linked connection whose session is gone asks for a QR and says why (``bad_session``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.connection.actor import ConnectionActor, EngineRemoved
from actors.connection.backup.quarantine import DAMAGED, move_aside
from actors.connection.session.session import Session
from actors.health.health_texts import CAUSES
from actors.redis.client import connect
from actors.redis.leases.leases import Leases, Obstacle
from tests.integration.tree.conftest import OWNER

if TYPE_CHECKING:
    from pathlib import Path

    from actors.redis.leases.leases import Lease
    from tests.processes.valkey import Valkey

ACCOUNT = "15550100001@s.whatsapp.net"


async def served(leases: Leases, data: Path) -> Lease:
    """The lease record once an actor serves ``shop``; it is stopped then."""
    actor = ConnectionActor(str(data), "connection:b")
    try:
        await actor.serve("shop", "whatsmeow")
        lease = await leases.read("shop")
        assert lease is not None
        return lease
    finally:
        await actor.stop()


@pytest.mark.usefixtures("logs_as_before")
@pytest.mark.parametrize("linked", [True, False])
@pytest.mark.parametrize("left", [b"", None], ids=["a file without a byte", "no file"])
async def test_a_session_that_is_gone(
    server: Valkey, tmp_path: Path, left: bytes | None, *, linked: bool
) -> None:
    settings = server.settings(whatsapp_url="ws://127.0.0.1:1/").model_copy(
        update={"data": tmp_path}
    )
    settings.save()
    file = settings.sessions / "shop" / "session.db"
    if left is not None:
        file.parent.mkdir(parents=True)
        file.write_bytes(left)
    redis = connect(settings)
    await redis.flushdb()
    leases = Leases(redis)
    try:
        taken = await leases.take("shop", OWNER)
        if linked:
            await leases.report(
                "shop", taken.epoch, state="open", cause=None, since=1.0, account=ACCOUNT
            )
        gone = await served(leases, tmp_path)
        assert gone.obstacle == (Obstacle("bad_session") if linked else None)
        # The next owner finds the session of this one: there is no second report.
        assert (await served(leases, tmp_path)).obstacle == gone.obstacle
    finally:
        await redis.aclose()


@pytest.mark.usefixtures("logs_as_before")
async def test_of_damaged_sessions_three_stay(server: Valkey, tmp_path: Path) -> None:
    settings = server.settings(whatsapp_url="ws://127.0.0.1:1/").model_copy(
        update={"data": tmp_path}
    )
    settings.save()
    file = settings.sessions / "shop" / "session.db"
    for epoch in range(1, 4):
        Session.open(file, epoch).close()
        move_aside(file, epoch, now=epoch * 60.0)
    file.write_bytes(b"no session" * 1000)
    redis = connect(settings)
    await redis.flushdb()
    try:
        await served(Leases(redis), tmp_path)
    finally:
        await redis.aclose()
    *former, newest = sorted((file.parent / DAMAGED).glob("*/session.db"))
    assert [each.parent.name[-2:] for each in former] == ["-2", "-3"]
    assert newest.read_bytes().startswith(b"no session")


@pytest.mark.usefixtures("logs_as_before")
async def test_a_session_of_an_engine_that_is_gone_stays_as_it_is(
    server: Valkey, tmp_path: Path
) -> None:
    settings = server.settings(whatsapp_url="ws://127.0.0.1:1/").model_copy(
        update={"data": tmp_path}
    )
    settings.save()
    file = settings.sessions / "shop" / "session.db"
    Session.open(file, 1).close()
    before = file.read_bytes()
    redis = connect(settings)
    await redis.flushdb()
    actor = ConnectionActor(str(tmp_path), "connection:b")
    try:
        with pytest.raises(EngineRemoved):
            await actor.serve("shop", "native")
        lease = await Leases(redis).read("shop")
        assert lease is not None
        assert (lease.owner, lease.state, lease.cause) == (None, "failed", "engine_removed")
        assert "link the account anew" in CAUSES["engine_removed"]
    finally:
        await actor.stop()
        await redis.aclose()
    assert file.read_bytes() == before
