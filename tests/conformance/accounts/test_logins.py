"""Pairing and logins of clients by different authors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.processes import runs_whatsmeow, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.processes import Client, Simulator


def test_pairs_by_qr_and_restarts(simulator: Simulator, client: Client) -> None:
    """The first login came after the 515 that ends a pairing, with prekeys for many contacts."""
    account = simulator.account(client.number)
    (device,) = account["devices"]
    assert device["online"]
    assert sum(account["logins"].values()) >= 1
    assert account["prekeys"] >= 30


def test_logs_in_after_a_clean_stop(simulator: Simulator, client: Client, friend: str) -> None:
    before = simulator.account(client.number)
    assert client.process.stop() == 0
    client.process.kill()
    until(lambda: not simulator.account(client.number)["online"])
    client.start()
    client.wait("connected")
    after = simulator.account(client.number)
    assert sum(after["logins"].values()) == sum(before["logins"].values()) + 1
    assert [one["device"] for one in after["devices"]] == [
        one["device"] for one in before["devices"]
    ]
    client.send(friend, "back")
    until(lambda: simulator.texts(friend) == ["back"])


def test_logs_in_after_kill(simulator: Simulator, client: Client, friend: str) -> None:
    before = simulator.account(client.number)["devices"][0]["device"]
    client.send(friend, "before")
    simulator.say(friend, client.number, "before too")
    client.wait("message", text="before too")
    simulator.settled(client.number)
    client.restart()
    assert not [one for one in client.process.seen if one["event"] == "qr"]
    assert simulator.account(client.number)["devices"][0]["device"] == before
    client.send(friend, "back")
    until(lambda: simulator.texts(friend) == ["before", "back"])
    simulator.say(friend, client.number, "welcome")
    client.wait("message", text="welcome")


@pytest.mark.differs(neonize="D21", whatsmeow="D21")
def test_sends_what_whatsapp_web_sends(
    simulator: Simulator, kind: str, another: Callable[..., Client], friend: str
) -> None:
    """A counter of logins, whether its store knows LIDs, which history it takes; no library's name, but tryx's own."""
    client = another(kind)
    client.pair(friend)
    simulator.answered()
    client.restart()
    remarks = simulator.account(friend)["remarks"]
    logins = sum(simulator.account(friend)["logins"].values())
    assert logins >= 2
    named = {"library_name": 1} if kind == "tryx" else {}
    assert remarks == ({"user_agent": logins} if runs_whatsmeow(kind) else named)


@pytest.mark.differs(neonize="D4", whatsmeow="D4")
def test_resumes_with_the_key_it_knows(simulator: Simulator, client: Client) -> None:
    """The second login is a Noise IK: one round trip less, and no certificate to judge."""
    before = simulator.account(client.number)["logins"]
    client.restart()
    after = simulator.account(client.number)["logins"]
    kind = "xx" if runs_whatsmeow(client.kind) else "ik"
    assert after == {**before, kind: before[kind] + 1}


def test_comes_back_after_a_dropped_socket(
    simulator: Simulator, client: Client, friend: str
) -> None:
    assert simulator.post("/faults", account=client.number, kind="drop")["reached"] == 1
    client.wait("connected")
    client.send(friend, "again here")
    until(lambda: simulator.texts(friend) == ["again here"])


def test_yields_to_a_second_login(simulator: Simulator, client: Client, friend: str) -> None:
    first = client.process
    try:
        client.start()
        client.wait("connected")
        first.await_event("replaced")
        simulator.say(friend, client.number, "to the successor")
        client.wait("message", text="to the successor")
        assert not [one for one in first.quiet() if one["event"] == "connected"]
    finally:
        first.kill()


def test_hears_that_it_was_unlinked(
    simulator: Simulator, kind: str, another: Callable[..., Client], friend: str
) -> None:
    client = another(kind)
    client.scan(friend)
    client.wait("paired")
    until(lambda: bool(simulator.account(friend)["online"]))
    assert simulator.post("/faults", account=friend, kind="logout")["reached"] == 1
    client.wait("logged_out")
    assert simulator.account(friend)["devices"] == []


def test_refuses_a_server_under_another_root_key(kind: str, another: Callable[..., Client]) -> None:
    stranger = another(kind, root_key=bytes(range(32)).hex())
    with pytest.raises(AssertionError):
        stranger.wait("qr", seconds=1.5)


def test_finds_the_simulator_again_after_its_kill(
    simulator: Simulator, client: Client, friend: str
) -> None:
    client.send(friend, "first")
    until(lambda: simulator.texts(friend) == ["first"])  # some say "sent" before
    simulator.settled(client.number)
    client.process.kill()
    simulator.say(friend, client.number, "waiting")
    root_key = simulator.root_key
    simulator.kill()
    simulator.start()
    assert simulator.root_key == root_key
    assert simulator.account(client.number)["unacknowledged"] == 1
    client.start()
    client.wait("message", text="waiting")
    client.send(friend, "second")
    until(lambda: simulator.texts(friend) == ["first", "second"], 30.0)
