"""Every way in which WhatsApp ends a connection has a cause of its own, and the engine undoes none."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.disconnects.causes import UNTIMED_BAN, Kind
from tests.integration.engine.simulated import ACCOUNT, PATIENCE, Simulator, device, pair, until

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("fault", "details", "cause"),
    [
        ("stream_error", {"code": 515}, "restart_required: stream_error_515"),
        ("stream_error", {"code": 401}, "logged_out: stream_error_401"),
        ("stream_error", {"code": 440}, "replaced: stream_error_440"),
        ("stream_error", {"code": 403}, "locked: stream_error_403"),
        ("stream_error", {"code": 409}, "replaced: stream_error_409"),
        ("stream_error", {"code": 516}, "logged_out: stream_error_516"),
        ("stream_error", {"code": 402}, "network: stream_error_402"),
        ("stream_ack", {}, "network: unanswered_stanza: message/text"),
        ("stream_error", {"code": 411}, "bad_session: stream_error_411"),
        ("stream_error", {"code": 599}, "network: stream_error_599"),
        ("logout", {}, "logged_out: device_removed"),
        ("replaced", {}, "replaced: conflict"),
        ("abort", {}, "network: reset"),
    ],
)
async def test_an_open_connection_that_is_ended(
    simulator: Simulator, tmp_path: Path, fault: str, details: dict[str, Any], cause: str
) -> None:
    """`run` returns once, with the cause, and nobody logs in again by itself."""
    async with device(simulator, tmp_path, reconnect=False) as phone:
        await pair(simulator, phone)
        before = (await simulator.account(ACCOUNT))["logins"]
        phone.causes.clear()
        phone.restart = False
        number = await simulator.fault(fault, **details)
        assert [str(one) for one in await until(lambda: phone.causes)] == [cause]
        assert await simulator.struck(number) == 1
        await simulator.heal()
        await asyncio.sleep(0.5)
        assert len(phone.causes) == 1
        assert (phone.engine.account is None) == cause.startswith("logged_out")
        if fault != "logout":
            assert (await simulator.account(ACCOUNT))["logins"] == before


@pytest.mark.parametrize(
    ("details", "kind"),
    [
        ({"reason": 401}, Kind.LOGGED_OUT),
        ({"reason": 403}, Kind.LOCKED),
        ({"reason": 405}, Kind.OUTDATED),
        ({"reason": 406}, Kind.LOGGED_OUT),
        ({"reason": 409}, Kind.OUTDATED),
        ({"reason": 411}, Kind.BAD_SESSION),
        ({"reason": 429}, Kind.NETWORK),
        ({"reason": 440}, Kind.REPLACED),
        ({"reason": 500}, Kind.NETWORK),
        ({"reason": 599}, Kind.NETWORK),
    ],
)
async def test_a_login_that_is_refused(
    simulator: Simulator, tmp_path: Path, details: dict[str, Any], kind: str
) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
    number = await simulator.fault("reject_login", **details)
    async with device(simulator, tmp_path, epoch=2, reconnect=False) as phone:
        (cause,) = await until(lambda: phone.causes)
        await asyncio.sleep(0.3)
        assert phone.causes == [cause]
    assert (cause.kind, cause.detail) == (kind, f"failure_{details['reason']}")
    assert await simulator.struck(number) == 1


async def test_a_locked_account_that_is_unlocked_goes_on_without_a_qr(
    simulator: Simulator, tmp_path: Path
) -> None:
    """G7: its keys are worth something again."""
    async with device(simulator, tmp_path, reconnect=False) as phone:
        await pair(simulator, phone)
        phone.causes.clear()
        await simulator.standing("locked")
        await until(lambda: phone.causes)
        assert (await phone.engine.run()).detail == "failure_403"
        assert phone.engine.account is not None
    await simulator.standing("good")
    async with device(simulator, tmp_path, epoch=2) as phone:
        async with asyncio.timeout(PATIENCE):
            await phone.opened.wait()
        assert phone.qrs.empty()


async def test_a_banned_account_shows_a_qr_again(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
    await simulator.standing("banned")
    async with device(simulator, tmp_path, epoch=2, reconnect=False) as phone:
        assert (await until(lambda: phone.causes))[0].detail == "failure_406"
        assert phone.engine.account is None


@pytest.mark.parametrize(
    ("details", "seconds"), [({"expire": 90}, 90.0), ({}, UNTIMED_BAN)], ids=["timed", "untimed"]
)
async def test_a_temporary_ban_says_until_when(
    simulator: Simulator, tmp_path: Path, details: dict[str, Any], seconds: float
) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
    number = await simulator.fault("reject_login", reason=402, **details)
    async with device(simulator, tmp_path, epoch=2, reconnect=False) as phone:
        (cause,) = await until(lambda: phone.causes)
    assert cause.kind is Kind.TEMPORARILY_BANNED
    assert cause.until is not None
    assert seconds - 30 < cause.until - time.time() <= seconds
    async with device(simulator, tmp_path, epoch=3, reconnect=False) as phone:
        (again,) = await until(lambda: phone.causes)
        assert (again.kind, again.until) == (cause.kind, cause.until)
        assert (await phone.engine.run()).until == cause.until
    assert await simulator.struck(number) == 1, "it tried to log in"


async def test_a_ban_that_is_over_is_none(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path, reconnect=False) as phone:
        await pair(simulator, phone)
        number = await simulator.fault("ban", seconds=2)
        await until(lambda: len(phone.causes) == 2)
        cause = await phone.engine.run()
        assert cause.kind is Kind.TEMPORARILY_BANNED
        assert cause.until is not None
        tries = await simulator.struck(number)
        await asyncio.sleep(cause.until - time.time() + 0.1)
        await simulator.heal()
        running = asyncio.create_task(phone.engine.run())
        async with asyncio.timeout(PATIENCE):
            await phone.opened.wait()
        assert await simulator.struck(number) == tries
        await phone.engine.close()
        await running
