"""The native engine when WhatsApp, or the network to it, misbehaves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.disconnects.causes import Kind
from actors.connection.engine import NotConnected, SendError
from actors.connection.native import paired_client
from actors.connection.native.transport import socket
from actors.connection.session.session import SessionUnavailable
from actors.metrics.mistakes import OWN_MISTAKES
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    Device,
    Simulator,
    device,
    pair,
    until,
)
from tests.processes.measured import Measured

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("fault", "details", "refusal"),
    [
        ("withhold_acks", {}, SendError("ack_timeout", uncertain=True)),
        ("swallow", {}, SendError("ack_timeout", uncertain=True)),
        ("error_acks", {"code": 500}, SendError("refused_500")),
        ("error_acks", {"code": 403}, SendError("refused_403", permanent=True)),
        ("error_acks", {"code": 463}, SendError("reach_out_refused", permanent=True)),
        ("error_acks", {"code": 479}, SendError("malformed_stanza", permanent=True)),
    ],
)
async def test_a_message_that_is_not_acknowledged_is_not_sent(
    simulator: Simulator,
    tmp_path: Path,
    fault: str,
    details: dict[str, Any],
    refusal: SendError,
) -> None:
    """G3: the repeat goes under the same id, and the contact sees the message once."""
    patience = 700 if refusal.code == "ack_timeout" else 30_000
    async with device(simulator, tmp_path, whatsapp_ack_timeout=patience) as phone:
        await pair(simulator, phone)
        number = await simulator.fault(fault, **details)
        with pytest.raises(SendError) as failed:
            await phone.send(1, "hi")
        assert vars(failed.value) == vars(refusal)
        assert await simulator.struck(number) >= 1
        await simulator.heal()
        await phone.send(1, "hi")
        (item,) = await until(lambda: simulator.inbox(CONTACT))
        assert item["text"] == "hi"


async def test_a_send_that_the_socket_dies_under(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path, reconnect=False) as phone:
        await pair(simulator, phone)
        await simulator.fault("withhold_acks")
        sending = asyncio.ensure_future(phone.send(1, "hi"))
        await until(lambda: simulator.inbox(CONTACT))
        await simulator.fault("abort")
        with pytest.raises(SendError, match="connection_lost") as failed:
            await sending
        assert failed.value.uncertain
        await until(lambda: phone.causes[-1].kind is Kind.NETWORK)
        with pytest.raises(NotConnected):
            await phone.send(2, "down")


async def test_a_login_that_breaks_is_tried_again(simulator: Simulator, tmp_path: Path) -> None:
    """G8: a socket that is up and not logged in does not stay."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
    measured = Measured()
    async with device(simulator, tmp_path, epoch=2) as phone:
        opened = phone.engine._events.on_open

        async def breaks_once() -> None:
            phone.engine._events.on_open = opened
            raise ZeroDivisionError

        phone.engine._events.on_open = breaks_once
        await asyncio.wait_for(phone.opened.wait(), 10)
        assert [str(cause) for cause in phone.causes] == ["network: login_failed"]
        assert measured.rise(OWN_MISTAKES, action="login.failed") == 1
        await phone.send(1, "logged in")


async def test_a_login_that_is_not_answered_is_tried_again(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G8."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
    fault = await simulator.fault("freeze")
    monkeypatch.setattr(paired_client, "SUCCESS_TIMEOUT", 0.3)
    async with device(simulator, tmp_path, epoch=2) as phone:
        assert str((await until(lambda: phone.causes))[0]) == "network: no_success"
        assert await simulator.struck(fault) >= 1
        monkeypatch.undo()
        await simulator.heal()
        await asyncio.wait_for(phone.opened.wait(), 10)


async def test_a_session_that_fails_during_the_login_is_the_cause(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G8: read or written, what the session file refuses ends the socket."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)

    def locked(*_: object) -> None:
        raise SessionUnavailable("SQLITE_BUSY")

    async with device(simulator, tmp_path, epoch=2, reconnect=False) as phone:
        monkeypatch.setattr(phone.engine._session.identities, "pn_for", locked)
        cause = (await until(lambda: phone.causes))[0]
        assert str(cause) == "network: session_unavailable"


async def test_a_frame_that_cannot_be_written_ends_the_socket(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G8: no send waits for a writer that is gone."""
    async with device(simulator, tmp_path, reconnect=False) as phone:
        await pair(simulator, phone)
        phone.causes.clear()

        def breaks(_: bytes) -> bytes:
            raise ZeroDivisionError

        monkeypatch.setattr(socket, "frame", breaks)
        with pytest.raises(SendError):
            await asyncio.wait_for(phone.send(1, "hi"), 3)
        assert str((await until(lambda: phone.causes))[0]) == "network: write_failed"


@pytest.mark.parametrize(
    ("event", "cause"), [("on_inbox", "engine_failed"), ("on_qr", "qr_failed")]
)
async def test_an_owner_that_breaks_is_the_cause(
    simulator: Simulator, tmp_path: Path, event: str, cause: str
) -> None:
    """G8: `run` ends with a cause; it neither raises nor stays up without a part of itself."""
    measured = Measured()

    async def breaks(*_: object) -> None:
        raise ZeroDivisionError

    async with device(simulator, tmp_path, reconnect=False) as phone:
        setattr(phone.engine._events, event, breaks)
        if event == "on_inbox":
            await pair(simulator, phone)
            phone.causes.clear()
            await simulator.say(CONTACT, ACCOUNT, "hello")
        assert str((await until(lambda: phone.causes))[0]) == f"network: {cause}"
    assert measured.rise(OWN_MISTAKES, action=cause.replace("_", ".")) == 1


@pytest.mark.parametrize("fault", ["lose", "corrupt"])
async def test_a_frame_lost_or_corrupted_ends_the_socket_and_loses_nothing(
    simulator: Simulator, tmp_path: Path, fault: str
) -> None:
    """G5: what was not acknowledged comes again on the next socket."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        number = await simulator.fault(fault)
        for n in range(5):
            await simulator.say(CONTACT, ACCOUNT, f"{n}")
        await until(lambda: _texts(phone, [f"{n}" for n in range(5)]))
        assert await simulator.struck(number) == 1
        assert "network: bad_frame" in [str(cause) for cause in phone.causes]


async def _texts(phone: Device, texts: list[str]) -> bool:
    return [one.text for one in await phone.messages()] == texts
