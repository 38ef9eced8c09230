"""Settings that an account's phone and companions share (app state), in both directions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.processes import Client, Simulator

SNAPSHOT = 10
"""Versions of a collection after which the server has a snapshot of it."""
WORDS = {"contact": "name", "mute": "muted", "pin": "pinned", "archive": "archived"}


def own(simulator: Simulator, client: Client, kind: str, chat: str, **more: Any) -> None:
    """The owner of the client's account changes a setting on the phone."""
    simulator.post(f"/phones/{client.number}/app-state", type=kind, chat=chat, **more)


def shown(simulator: Simulator, client: Client, kind: str, chat: str) -> Any:
    """Returns the value of one setting at the phone; None where it has none."""
    listed = simulator.http.get(f"/phones/{client.number}/app-state").json()["settings"]
    found = [one for one in listed if (one["type"], one.get("chat")) == (kind, chat)]
    return found[-1][WORDS[kind]] if found else None


def sets(client: Client, what: str, chat: str, *, on: bool) -> None:
    client.process.command(do="set", chat=chat, what=what, on=on)
    assert client.wait(("set", "failed"))["event"] == "set", client.process.seen[-1]


def cannot_set(client: Client, chat: str) -> bool:
    """Whether it is neonize, whose patches name no collection, so that they are refused (D12)."""
    if client.kind != "neonize":
        return False
    client.process.command(do="set", chat=chat, what="pin", on=True)
    assert "400" in client.wait("failed")["error"]
    return True


def test_learns_what_the_owner_sets(simulator: Simulator, versatile: Client, friend: str) -> None:
    own(simulator, versatile, "contact", friend, name="Ana Lima")
    versatile.await_settings(friend, name="Ana Lima", muted=False, pinned=False, archived=False)
    for on in (True, False):
        for kind in ("mute", "pin", "archive"):
            own(simulator, versatile, kind, friend, **{WORDS[kind]: on})
            versatile.await_settings(friend, **{WORDS[kind]: on})
    versatile.await_settings(friend, name="Ana Lima", muted=False, pinned=False, archived=False)
    simulator.settled(versatile.number)


@pytest.mark.differs(neonize="D9", whatsmeow="D9")
def test_learns_what_was_read_and_starred(
    simulator: Simulator, versatile: Client, friend: str
) -> None:
    for on in (True, False):
        own(simulator, versatile, "read", friend, read=on)
        own(simulator, versatile, "star", friend, message="3EB0AA", starred=on)
        versatile.await_settings(friend, read=on, star=["3EB0AA", on])


def test_learns_at_pairing_what_was_set(
    simulator: Simulator, versatile: Client, another: Callable[..., Client], friend: str
) -> None:
    client = another(versatile.kind)
    client.number = f"{int(friend) + 6_000_000}"
    own(simulator, client, "contact", friend, name="Ana Lima")
    own(simulator, client, "mute", friend)
    simulator.post(f"/phones/{client.number}/app-state", type="push_name", name="Shop")
    number, client.number = client.number, ""
    client.scan(number)
    client.wait("connected")
    client.await_settings(friend, name="Ana Lima", muted=True, own_name="Shop")
    simulator.post(f"/phones/{client.number}/app-state", type="push_name", name="Better shop")
    client.await_settings(friend, own_name="Better shop")
    simulator.settled(client.number)


@pytest.mark.differs(tryx="D9")
def test_begins_with_a_snapshot(
    simulator: Simulator, versatile: Client, another: Callable[..., Client], friend: str
) -> None:
    client = another(versatile.kind)
    client.number = number = f"{int(friend) + 8_000_000}"
    for turn in range(SNAPSHOT - 1):
        own(simulator, client, "mute", friend, muted=turn % 2 == 0)
    own(simulator, client, "mute", other := f"{int(friend) + 9_000_000}")
    own(simulator, client, "mute", friend, muted=False)
    client.number = ""
    client.scan(number)
    client.wait("connected")
    client.await_settings(other, muted=True)
    client.await_settings(friend, muted=False)


@pytest.mark.differs(tryx="D9")
def test_reads_a_patch_whose_mutations_are_in_a_file(
    simulator: Simulator, versatile: Client, friend: str
) -> None:
    versatile.await_settings(friend, muted=False)
    own(simulator, versatile, "mute", friend, external=True)
    versatile.await_settings(friend, muted=True)
    own(simulator, versatile, "mute", friend, muted=False)
    versatile.await_settings(friend, muted=False)
    simulator.settled(versatile.number)


@pytest.mark.differs(neonize="D12")
def test_sets_what_the_phone_shows(simulator: Simulator, versatile: Client, friend: str) -> None:
    if cannot_set(versatile, friend):
        return
    for what in ("pin", "mute", "archive"):
        for on in (True, False):
            sets(versatile, what, friend, on=on)
            assert shown(simulator, versatile, what, friend) is on
    state = simulator.http.get(f"/phones/{versatile.number}/app-state").json()
    assert state["patches_refused"] == 0


@pytest.mark.differs(neonize="D12")
def test_sets_on_what_it_had_missed(simulator: Simulator, versatile: Client, friend: str) -> None:
    if cannot_set(versatile, friend):
        return
    sets(versatile, "mute", friend, on=True)
    own(simulator, versatile, "mute", friend, muted=False, notify=False)
    other = f"{int(friend) + 7_000_000}"
    sets(versatile, "mute", other, on=True)
    assert shown(simulator, versatile, "mute", other) is True
    versatile.await_settings(friend, muted=False)


def test_asks_for_a_key_that_it_lacks(simulator: Simulator, versatile: Client, friend: str) -> None:
    path = f"/phones/{versatile.number}/app-state"
    simulator.post(f"{path}/keys", share=False)
    own(simulator, versatile, "pin", friend)
    versatile.await_settings(friend, pinned=True)
    assert simulator.http.get(path).json()["keys_requested"] > 0
    own(simulator, versatile, "pin", friend, pinned=False)
    versatile.await_settings(friend, pinned=False)
