"""Logins of the native engine: resumption, fallback, and the state stored for the next one."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from websockets.asyncio.server import ServerConnection, serve

from actors.connection.disconnects.causes import Kind
from actors.connection.native.signal import prekeys
from actors.connection.native.transport.noise import PROLOGUE
from actors.connection.session.session import Session
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    PATIENCE,
    Device,
    Simulator,
    device,
    pair,
    settings,
    until,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import pytest

WEEK = 7 * 86_400.0


async def opened(made: Device) -> None:
    async with asyncio.timeout(PATIENCE):
        await made.opened.wait()


async def logins(simulator: Simulator) -> dict[str, int]:
    found: dict[str, int] = (await simulator.account(ACCOUNT))["logins"]
    return found


async def paired(simulator: Simulator, directory: Path) -> None:
    async with device(simulator, directory) as phone:
        await pair(simulator, phone)


async def change(directory: Path, epoch: int, **values: Any) -> None:
    session = Session.open(directory / "session.db", epoch)
    own = session.credentials.read()
    assert own is not None
    async with session.transaction():
        session.credentials.save(replace(own, **values))
    session.close()


def next_prekey(session: Session) -> int:
    row = session.row("SELECT next_prekey_id FROM file")
    assert row is not None
    return int(row[0])


async def test_a_login_resumes_with_the_key_that_the_server_proved(
    simulator: Simulator, tmp_path: Path
) -> None:
    await paired(simulator, tmp_path)
    before = await logins(simulator)
    async with device(simulator, tmp_path, epoch=2) as phone:
        await opened(phone)
        await phone.send(1, "resumed")
        assert phone.causes == []
    after = await logins(simulator)
    assert after["ik"] == before["ik"] + 1
    assert after["xx"] == before["xx"]


async def test_a_server_with_another_key_is_met_half_way(
    simulator: Simulator, tmp_path: Path
) -> None:
    """Fallen back in the same handshake, and resumed with the new key afterwards."""
    await paired(simulator, tmp_path)
    before = await logins(simulator)
    await simulator.rotate()
    for epoch in (2, 3):
        async with device(simulator, tmp_path, epoch=epoch) as phone:
            await opened(phone)
            await phone.send(epoch, "hello")
            assert phone.causes == []
    after = await logins(simulator)
    assert after["xxfallback"] == before["xxfallback"] + 1
    assert after["ik"] == before["ik"] + 1


async def test_a_remembered_key_that_is_none_costs_nothing(
    simulator: Simulator, tmp_path: Path
) -> None:
    await paired(simulator, tmp_path)
    await change(tmp_path, 2, server_key=bytes(32))
    async with device(simulator, tmp_path, epoch=3) as phone:
        await opened(phone)
        assert phone.causes == []


async def test_a_server_that_cannot_prove_itself_is_left_and_asked_afresh(
    simulator: Simulator, tmp_path: Path
) -> None:
    """Another root: no login resumes on trust of an older day, and the key is forgotten."""
    await paired(simulator, tmp_path)
    async with device(
        simulator, tmp_path, epoch=2, reconnect=False, whatsapp_root_key="00" * 32
    ) as phone:
        cause = (await until(lambda: phone.causes))[0]
        assert str(cause) == "network: intermediate_signature"
        own = phone.engine._session.credentials.read()
        assert own is not None
        assert own.server_key is None


async def test_routing_that_the_server_gave_goes_first_on_the_next_connection(
    simulator: Simulator, tmp_path: Path
) -> None:
    await paired(simulator, tmp_path)
    async with device(simulator, tmp_path, epoch=2) as phone:
        await opened(phone)
        routing = await until(lambda: _routing(phone))
    async with (
        wire() as (url, first),
        device(simulator, tmp_path, epoch=3, whatsapp_url=url, reconnect=False) as phone,
    ):
        await until(lambda: phone.causes)
        seen = await first
    assert seen.startswith(b"ED\0\1" + len(routing).to_bytes(3, "big") + routing + PROLOGUE)
    # That was no WhatsApp: nothing of what was remembered is trusted again.
    async with device(simulator, tmp_path, epoch=4) as phone:
        assert _routing(phone) is None
        await opened(phone)


@asynccontextmanager
async def wire() -> AsyncIterator[tuple[str, asyncio.Future[bytes]]]:
    """A server that reads one message and hangs up."""
    first: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def hear(connection: ServerConnection) -> None:
        message = await connection.recv()
        assert isinstance(message, bytes)
        first.set_result(message)

    async with serve(hear, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws/chat", first


def _routing(phone: Device) -> bytes | None:
    own = phone.engine._session.credentials.read()
    return own.routing if own is not None else None


async def test_the_version_is_read_for_each_login(simulator: Simulator, tmp_path: Path) -> None:
    """`outdated` is mended by a setting, while everything runs."""
    await paired(simulator, tmp_path)
    old = settings(simulator, tmp_path, whatsapp_version="2.3000.1999999998")
    old.save()
    async with device(
        simulator, tmp_path, epoch=2, reconnect=False, whatsapp_version="2.3000.1999999998"
    ) as phone:
        await opened(phone)
        assert (await simulator.account(ACCOUNT))["version"] == "2.3000.1999999998"
        await simulator.fault("reject_login", reason=405)
        await simulator.fault("drop")
        await until(lambda: phone.causes)
        assert (await phone.engine.run()).kind is Kind.OUTDATED
        await simulator.heal()
        old.model_copy(update={"whatsapp_version": "2.3000.1999999999"}).save()
        again = asyncio.create_task(phone.run())
        await opened(phone)
        assert (await simulator.account(ACCOUNT))["version"] == "2.3000.1999999999"
    await again


async def test_prekeys_are_topped_up_while_connected(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await simulator.trim_prekeys(10)
        await until(lambda: _prekeys(simulator, prekeys.FEW))
        assert phone.causes[1:] == []


async def test_prekeys_are_topped_up_at_login(simulator: Simulator, tmp_path: Path) -> None:
    await paired(simulator, tmp_path)
    await simulator.trim_prekeys(0)
    async with device(simulator, tmp_path, epoch=2) as phone:
        await opened(phone)
        assert await _prekeys(simulator, prekeys.FEW)


async def test_keys_that_the_server_has_rightly_are_left_there(
    simulator: Simulator, tmp_path: Path
) -> None:
    """The digest agrees: a login uploads nothing."""
    await paired(simulator, tmp_path)
    session = Session.open(tmp_path / "session.db", 2)
    before = next_prekey(session)
    session.close()
    async with device(simulator, tmp_path, epoch=3) as phone:
        await opened(phone)
        assert next_prekey(phone.engine._session) == before


async def test_keys_that_the_server_has_wrongly_are_uploaded_anew(
    simulator: Simulator, tmp_path: Path
) -> None:
    """One prekey that only the server knows would make a stranger's first message unreadable."""
    await paired(simulator, tmp_path)
    session = Session.open(tmp_path / "session.db", 2)
    async with session.transaction():
        before = next_prekey(session)
        session.keys.delete_prekey(before - 1)
    session.close()
    async with device(simulator, tmp_path, epoch=3) as phone:
        await opened(phone)
        after = next_prekey(phone.engine._session)
        assert after >= before + prekeys.UPLOADED_PREKEYS


async def test_an_old_signed_prekey_is_replaced_and_still_serves(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that was encrypted with the old one while the device was away is read."""
    await paired(simulator, tmp_path)
    await simulator.say(CONTACT, ACCOUNT, "with the old key")
    monkeypatch.setattr(time, "time", lambda now=time.time: now() + WEEK + 60)
    async with device(simulator, tmp_path, epoch=2) as phone:
        await opened(phone)
        own = phone.engine._session.credentials.read()
        assert own is not None
        assert own.signed_prekey.id == 2
        await until(lambda: _texts(phone, ["with the old key"]))
        await simulator.say("15550100077", ACCOUNT, "with the new key")
        await until(lambda: _texts(phone, ["with the old key", "with the new key"]))


async def _texts(phone: Device, texts: list[str]) -> bool:
    return [one.text for one in await phone.messages()] == texts


async def _prekeys(simulator: Simulator, least: int) -> bool:
    found = (await simulator.account(ACCOUNT))["prekeys"]
    return bool(found >= least)
