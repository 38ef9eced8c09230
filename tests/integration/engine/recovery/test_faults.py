"""The engine when WhatsApp, or the network to it, misbehaves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.disconnects.causes import Kind
from actors.connection.engine import NotConnected, SendError
from actors.connection.session.session import SessionUnavailable
from actors.metrics.mistakes import OWN_MISTAKES
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    Device,
    Simulator,
    device,
    nothing_waits,
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
        assert [str(cause) for cause in phone.causes] == ["network: engine_failed"]
        assert measured.rise(OWN_MISTAKES, action="open.failed") == 1
        await phone.send(1, "logged in")


async def test_a_session_that_fails_during_the_login_is_the_cause(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G8: what the session file refuses ends the login, by name."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)

    def locked(*_: object) -> None:
        raise SessionUnavailable("SQLITE_BUSY")

    measured = Measured()
    async with device(simulator, tmp_path, epoch=2, reconnect=False) as phone:
        monkeypatch.setattr(phone.engine._session.linked_device, "read", locked)
        cause = (await until(lambda: phone.causes))[0]
        assert str(cause) == "network: session_unavailable"
        monkeypatch.undo()
    assert measured.rise(OWN_MISTAKES, action="engine.failed") == 0


@pytest.mark.parametrize(
    ("event", "action"),
    [
        ("on_inbox", "mapping.failed"),
        ("on_qr", "qr.failed"),
    ],
)
async def test_an_owner_that_breaks_is_the_cause(
    simulator: Simulator, tmp_path: Path, event: str, action: str
) -> None:
    """G8: `run` ends with a cause; it neither raises nor stays up without a part of itself."""
    measured = Measured()

    async def breaks(*_: object) -> None:
        raise ZeroDivisionError

    async with device(simulator, tmp_path, reconnect=False) as phone:
        if event == "on_inbox":
            await pair(simulator, phone)
            await until(lambda: nothing_waits(simulator))
            phone.causes.clear()
        setattr(phone.engine._events, event, breaks)
        if event == "on_inbox":
            await simulator.say(CONTACT, ACCOUNT, "hello")
        assert str((await until(lambda: phone.causes))[0]) == "network: engine_failed"
    assert measured.rise(OWN_MISTAKES, action=action) == 1


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
        assert [str(cause) for cause in phone.causes[1:]] == ["network: reset"]


async def _texts(phone: Device, texts: list[str]) -> bool:
    return [one.text for one in await phone.messages()] == texts
