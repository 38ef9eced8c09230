"""Every way in which WhatsApp ends a connection is told apart, and never undone by the engine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.causes import UNTIMED_BAN
from tests.conformance.processes import until
from tests.integration.neonize.conftest import ACCOUNT
from tests.integration.whatsmeow.device import Device

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conformance.processes import Simulator

CALM = 2.5
"""Seconds after which whatsmeow would have tried to log in again, and once more."""


@pytest.fixture(scope="module")
def cautious(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """A paired device that connects when it is told to."""
    one = Device(simulator, tmp_path_factory.mktemp("session"), engine="neonize", reconnect=False)
    try:
        one.pair(ACCOUNT)
        yield one
    finally:
        one.process.kill()


@pytest.fixture
def opened(simulator: Simulator, cautious: Device) -> Iterator[Device]:
    """It, logged in."""
    if not simulator.account(ACCOUNT)["online"]:
        cautious.process.command(do="run")
        cautious.wait("open")
    yield cautious
    simulator.http.delete("/faults", params={"account": ACCOUNT})


@pytest.mark.parametrize(
    ("fault", "details", "cause"),
    [
        ("abort", {}, ("network", "reset")),
        ("drop", {}, ("network", "reset")),
        ("replaced", {}, ("replaced", "conflict")),
        ("stream_error", {"code": 503}, ("network", "reset")),
        ("stream_error", {"code": 403}, ("locked", "stream_error_403")),
    ],
)
def test_an_open_connection_that_is_ended(
    simulator: Simulator,
    opened: Device,
    fault: str,
    details: dict[str, Any],
    cause: tuple[str, str],
) -> None:
    """`run` returns once, with the cause, and whatsmeow does not log in again by itself."""
    before = opened.logins(ACCOUNT)
    number = simulator.fault(ACCOUNT, fault, **details)
    ended = opened.wait("ended")
    assert (ended["kind"], ended["detail"]) == cause
    assert simulator.struck(number) == 1
    time.sleep(CALM)
    assert opened.logins(ACCOUNT) == before
    assert not simulator.account(ACCOUNT)["online"]
    assert [one for one in opened.process.quiet() if one["event"] == "ended"] == []


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (405, "outdated"),
        (409, "outdated"),
        (500, "network"),
        (503, "network"),
        (400, "network"),
    ],
)
def test_a_login_that_is_refused(
    simulator: Simulator, opened: Device, reason: int, kind: str
) -> None:
    simulator.fault(ACCOUNT, "abort")
    opened.wait("ended")
    fault = simulator.fault(ACCOUNT, "reject_login", reason=reason)
    opened.process.command(do="run")
    ended = opened.wait("ended")
    assert ended["kind"] == kind
    assert simulator.struck(fault) >= 1


@pytest.mark.parametrize(("code", "seconds"), [(101, 90.0), (0, UNTIMED_BAN)])
def test_a_temporary_ban_says_until_when(
    simulator: Simulator, opened: Device, code: int, seconds: float
) -> None:
    """For a reason that neonize does not know it cannot tell its end."""
    simulator.fault(ACCOUNT, "abort")
    opened.wait("ended")
    fault = simulator.fault(ACCOUNT, "reject_login", reason=402, code=code, expire=90)
    opened.process.command(do="run")
    ended = opened.wait("ended")
    assert ended["kind"] == "temporarily_banned"
    assert seconds - 30 < ended["until"] - time.time() <= seconds
    assert simulator.struck(fault) == 1


def test_an_ack_that_stays_away_ends_the_socket(
    simulator: Simulator, made: Callable[..., Device], friend: str
) -> None:
    """Whatsmeow sends one message after the other: one without an ack must not hold up all."""
    one = made(whatsapp_ack_timeout=4000)
    one.pair("15550100041")
    one.send(friend, "opens")
    fault = simulator.fault("15550100041", "withhold_acks", count=1)
    first = one.begin(friend, "acknowledged never")
    second = one.begin(friend, "behind it")
    # Whether a message fails before or after the socket is said to have ended is chance.
    events = [one.process.await_event(("ended", "failed")) for _ in range(3)]
    [ended] = [each for each in events if each["event"] == "ended"]
    assert (ended["kind"], ended["detail"]) == ("keepalive", "ack_timeout")
    failed = [each["code"] for each in events if each["event"] == "failed"]
    assert sorted(failed) == ["ack_timeout", "not_connected"]
    assert simulator.struck(fault) == 1
    assert first != second
    one.wait("open")
    one.send(friend, "goes on")
    assert simulator.texts(friend) == ["opens", "acknowledged never", "goes on"]


def test_a_device_that_is_unlinked_pairs_again(
    simulator: Simulator, made: Callable[..., Device]
) -> None:
    one = made(reconnect=False)
    one.pair("15550100042")
    fault = simulator.fault("15550100042", "logout")
    assert one.wait("ended")["kind"] == "logged_out"
    assert simulator.struck(fault) == 1
    one.process.command(do="run")
    one.pair("15550100042")
    until(lambda: bool(simulator.account("15550100042")["online"]))
    one.close()


def test_pairings_that_nobody_finishes_end_the_process(
    simulator: Simulator, made: Callable[..., Device]
) -> None:
    """Each keeps a thread of Go's for ever: so many are enough for another process to go on."""
    one = made(most_stuck=1)
    for _ in range(2):
        one.wait("qr")
        simulator.kill()
        ended = one.wait("ended")
        assert (ended["kind"], ended["detail"]) == ("network", "qr_expired")
        simulator.start()
    assert one.wait("raised")["error"] == "WornOut"
