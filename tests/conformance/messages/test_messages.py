"""Texts both ways: as a contact sees them, and as a client does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.conformance.processes import FOREIGN, as_handed_over, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.processes import Client, Simulator

BURST = 200
DELAY = 4.0
"""Seconds until an ack that comes late."""


def test_sends_texts(simulator: Simulator, client: Client, friend: str) -> None:
    sent = [client.send(friend, f"out {number}") for number in range(5)]
    until(lambda: len(simulator.inbox(friend)) == 5)
    inbox = simulator.inbox(friend)
    assert [(item["id"], item["text"]) for item in inbox] == [
        (message_id, f"out {number}") for number, message_id in enumerate(sent)
    ]
    assert {(item["from"], item["deliveries"]) for item in inbox} == {(client.number, 1)}


@pytest.mark.differs(tryx="D2")
def test_calls_sent_what_the_server_has(simulator: Simulator, client: Client, friend: str) -> None:
    """A message is sent when WhatsApp acknowledged it, not when its bytes were written."""
    client.send(friend, "opens")
    fault = simulator.fault(client.number, "delay_acks", count=1, seconds=DELAY)
    client.process.command(do="send", to=friend, text="acknowledged late")
    until(lambda: simulator.texts(friend) == ["opens", "acknowledged late"])
    assert simulator.struck(fault) == 1
    if client.kind == "tryx":
        client.wait("sent", DELAY / 2, text="acknowledged late")
        return
    time.sleep(0.3)
    assert not [one for one in client.process.quiet() if one["event"] == "sent"]
    client.wait("sent", text="acknowledged late")


@pytest.mark.differs(tryx="D3")
def test_says_that_a_message_was_refused(simulator: Simulator, client: Client, friend: str) -> None:
    client.send(friend, "opens")
    until(lambda: simulator.texts(friend) == ["opens"])  # some say "sent" before
    fault = simulator.fault(client.number, "error_acks", count=1, code=463)
    client.process.command(do="send", to=friend, text="refused")
    until(lambda: simulator.struck(fault) == 1)
    client.wait("sent" if client.kind == "tryx" else "failed")
    assert simulator.texts(friend) == ["opens"]


def test_copies_to_its_own_phone(simulator: Simulator, client: Client, friend: str) -> None:
    sent = [client.send(friend, f"copied {number}") for number in range(3)]

    def copied() -> list[str]:
        copies = simulator.http.get(f"/phones/{client.number}/inbox").json()["items"]
        return [item["id"] for item in copies if item["to"] == friend]

    until(lambda: copied() == sent)


def test_hears_delivered_then_read(simulator: Simulator, client: Client, friend: str) -> None:
    message_id = client.send(friend, "seen?")
    types = [client.wait("receipt", ids=[message_id])["type"] for _ in range(2)]
    assert types == ["delivered", "read"]
    simulator.settled(client.number)


@pytest.mark.differs(tryx="D8")
def test_receives_texts(simulator: Simulator, client: Client, friend: str) -> None:
    said = [simulator.say(friend, client.number, f"in {number}") for number in range(5)]
    arrived = [client.wait("message", sender=friend) for _ in said]
    expected = [(message_id, f"in {number}") for number, message_id in enumerate(said)]
    assert as_handed_over(
        client.kind, [(one["id"], one["text"]) for one in arrived]
    ) == as_handed_over(client.kind, expected)
    simulator.settled(client.number)


def test_says_that_it_received(simulator: Simulator, client: Client, friend: str) -> None:
    """A receipt goes to the contact, which is more than an ack."""
    message_id = simulator.say(friend, client.number, "arrived?")
    client.wait("message", text="arrived?")
    until(lambda: bool(simulator.said(friend, message_id)["received"]))


def test_leaves_one_tick_while_it_is_not_online(
    simulator: Simulator, client: Client, friend: str
) -> None:
    """Its receipts are `inactive`, which no app shows."""
    assert ticks(simulator, client, friend, online=False) == 1


def test_shows_a_second_tick_while_it_is_online(
    simulator: Simulator, versatile: Client, friend: str
) -> None:
    versatile.restart()  # with a name, without which whatsmeow is not seen
    assert ticks(simulator, versatile, friend, online=True) == 2
    versatile.process.command(do="online", online=False)
    until(lambda: not simulator.account(versatile.number)["available"])


def ticks(simulator: Simulator, client: Client, friend: str, *, online: bool) -> int:
    """Returns the ticks of a contact's message to an account that is shown online, or is not."""
    client.process.command(do="online", online=online)
    until(lambda: simulator.account(client.number)["available"] == online)
    message_id = simulator.say(friend, client.number, "ticks?")
    client.wait("message", id=message_id)
    until(lambda: bool(simulator.said(friend, message_id)["received"]))
    return 2 if simulator.said(friend, message_id)["delivered"] else 1


@pytest.mark.differs(tryx="D9")
def test_shows_what_it_read(simulator: Simulator, versatile: Client, friend: str) -> None:
    said = read(simulator, versatile, friend)
    until(lambda: bool(simulator.said(friend, said)["read"]))


@pytest.mark.differs(tryx="D9")
def test_hides_what_it_read(simulator: Simulator, versatile: Client, friend: str) -> None:
    """Its settings hide receipts, and change while it is online; only its own devices get them."""
    account = f"/accounts/{versatile.number}"
    try:
        simulator.post(account, read_receipts="none")
        simulator.settled(versatile.number)
        said = read(simulator, versatile, friend)
        noted = {"chat": friend, "id": said, "type": "read-self"}
        until(lambda: noted in simulator.account(versatile.number)["read"])
        assert not simulator.said(friend, said)["read"]
        assert "read_receipts" not in simulator.account(versatile.number)["remarks"]
    finally:
        simulator.post(account, read_receipts="all")
        simulator.settled(versatile.number)


def read(simulator: Simulator, client: Client, friend: str) -> str:
    """Has the client read a message; its id."""
    message_id = simulator.say(friend, client.number, "read?")
    client.wait("message", id=message_id)
    client.process.command(do="read", id=message_id)
    return message_id


@pytest.mark.differs(tryx="D8")
def test_catches_up_a_burst(simulator: Simulator, client: Client, friend: str) -> None:
    """Queued messages come once each and in order."""
    simulator.say(friend, client.number, "before")
    client.wait("message", text="before")
    simulator.settled(client.number)
    client.process.kill()
    until(lambda: not simulator.account(client.number)["online"])
    said = simulator.post(f"/contacts/{friend}/say", to=client.number, text="missed", count=BURST)[
        "ids"
    ]
    assert simulator.account(client.number)["unacknowledged"] == BURST
    client.start()
    arrived = [client.wait("message") for _ in said]
    expected = [(message_id, f"missed {number}") for number, message_id in enumerate(said, 1)]
    assert as_handed_over(
        client.kind, [(one["id"], one["text"]) for one in arrived]
    ) == as_handed_over(client.kind, expected)
    simulator.settled(client.number)
    assert not [one for one in client.process.quiet() if one["event"] == "message"]


@pytest.mark.differs(neonize="D5", tryx="D5")
def test_keeps_what_it_acknowledged(simulator: Simulator, client: Client, friend: str) -> None:
    """Killed while its user is busy with a message that was acknowledged to WhatsApp."""
    simulator.say(friend, client.number, "opens")
    client.wait("message", text="opens")
    client.process.command(do="hold")
    client.wait("held")
    simulator.say(friend, client.number, "acknowledged")
    simulator.settled(client.number)
    client.restart()
    simulator.say(friend, client.number, "the next")
    client.wait("message", text="the next")
    texts = [one["text"] for one in client.process.seen if one["event"] == "message"]
    kept = ["acknowledged"] if client.kind not in FOREIGN else []
    assert texts == [*kept, "the next"]


@pytest.mark.differs(tryx="D8")
def test_receives_once_what_comes_twice(simulator: Simulator, client: Client, friend: str) -> None:
    simulator.say(friend, client.number, "opens")
    client.wait("message", text="opens")
    fault = simulator.fault(client.number, "duplicate", count=1)
    simulator.say(friend, client.number, "doubled")
    simulator.say(friend, client.number, "the next")
    arrived = [client.wait("message", sender=friend)["text"] for _ in range(2)]
    assert as_handed_over(client.kind, arrived) == ["doubled", "the next"]
    assert simulator.struck(fault) == 1
    simulator.settled(client.number)
    assert not [one for one in client.process.quiet() if one["event"] == "message"]


def test_sees_what_the_phone_sent(simulator: Simulator, client: Client, friend: str) -> None:
    simulator.post(f"/phones/{client.number}/say", to=friend, text="typed on the phone")
    assert client.wait("message", text="typed on the phone")["from_me"]
    assert simulator.texts(friend) == ["typed on the phone"]
    simulator.settled(client.number)


def test_checks_a_number(simulator: Simulator, client: Client, friend: str) -> None:
    simulator.post(f"/contacts/{friend}", registered=False)
    for number, registered in (("15550109999", True), (friend, False)):
        client.process.command(do="check", number=number)
        assert client.wait("checked")["registered"] == [registered]


def test_two_linked_devices_write_to_each_other(
    simulator: Simulator, client: Client, another: Callable[..., Client], friend: str
) -> None:
    """With the project's own engine at the other end: two clients, no key of the simulator's."""
    other = another("whatsmeow")
    other.pair(friend)
    client.send(friend, "across")
    other.wait("message", text="across")
    other.send(client.number, "and back")
    client.wait("message", text="and back")
    until(lambda: simulator.texts(friend) == ["across"])  # the owner's phone got it, too
