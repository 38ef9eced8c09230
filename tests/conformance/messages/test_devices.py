"""Contacts with several devices, and one person under two addresses."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.conformance.processes import as_handed_over, runs_whatsmeow, until

if TYPE_CHECKING:
    from tests.conformance.processes import Client, Simulator


def reached(simulator: Simulator, number: str) -> list[tuple[str, list[int]]]:
    """Each message's text and the devices that read it."""
    return [(item["text"], item["devices"]) for item in simulator.inbox(number)]


def link(simulator: Simulator, number: str, *, notify: bool) -> int:
    return int(simulator.post(f"/contacts/{number}/devices", notify=notify)["device"])


def test_writes_to_both_devices(simulator: Simulator, client: Client, friend: str) -> None:
    second = link(simulator, friend, notify=False)
    client.send(friend, "to both")
    until(lambda: reached(simulator, friend) == [("to both", [0, second])])


@pytest.mark.differs(tryx="D8")
def test_hears_a_second_device(simulator: Simulator, client: Client, friend: str) -> None:
    second = link(simulator, friend, notify=False)
    simulator.say(friend, client.number, "from the phone")
    simulator.say(friend, client.number, "from the desk", device=second)
    arrived = [client.wait("message", sender=friend)["text"] for _ in range(2)]
    said = ["from the phone", "from the desk"]
    assert as_handed_over(client.kind, arrived) == as_handed_over(client.kind, said)
    client.send(friend, "heard")
    until(lambda: reached(simulator, friend) == [("heard", [0, second])])
    simulator.settled(client.number)


@pytest.mark.differs(neonize="D1")
def test_writes_to_a_device_from_a_notification_by_number(
    simulator: Simulator, client: Client, friend: str
) -> None:
    client.send(friend, "to one")
    until(lambda: reached(simulator, friend) == [("to one", [0])])
    second = link(simulator, friend, notify=True)
    simulator.settled(client.number)
    client.send(friend, "to two")
    if client.kind == "neonize":
        until(lambda: reached(simulator, friend)[1:] == [("to two", [0])])
        client.send(friend, "now to two")
        until(lambda: reached(simulator, friend)[2:] == [("now to two", [0, second])])
        return
    until(lambda: reached(simulator, friend)[1:] == [("to two", [0, second])])


def test_writes_to_a_device_from_a_notification_by_lid(
    simulator: Simulator, client: Client, friend: str
) -> None:
    simulator.post(f"/contacts/{friend}/addressing", mode="lid")
    simulator.say(friend, client.number, "hello")
    client.wait("message", text="hello")
    client.send(friend, "to one")
    until(lambda: reached(simulator, friend) == [("to one", [0])])
    second = link(simulator, friend, notify=True)
    simulator.settled(client.number)

    client.send(friend, "to two")
    if not runs_whatsmeow(client.kind):
        until(lambda: reached(simulator, friend)[1:] == [("to two", [0, second])])
        return

    def both() -> bool:  # it acknowledges first and reads afterwards
        time.sleep(0.2)
        client.send(friend, "to two")
        return ("to two", [0, second]) in reached(simulator, friend)

    until(both)


@pytest.mark.differs(neonize="D7")
def test_finds_a_device_without_a_notification(
    simulator: Simulator, client: Client, friend: str
) -> None:
    """The `phash` in an ack tells that a device was missed: it gets the message after all."""
    simulator.say(friend, client.number, "hello")
    client.wait("message", text="hello")
    for _ in range(2):
        client.send(friend, "to one")
    until(lambda: reached(simulator, friend) == [("to one", [0])] * 2)
    second = link(simulator, friend, notify=False)
    client.send(friend, "hash differs")
    devices = [0] if client.kind == "neonize" else [0, second]
    until(lambda: reached(simulator, friend)[2:] == [("hash differs", devices)])
    client.send(friend, "to two")
    until(lambda: reached(simulator, friend)[3:] == [("to two", [0, second])])


@pytest.mark.parametrize("notify", [True, False], ids=["told", "untold"])
def test_writes_on_when_a_device_is_removed(
    simulator: Simulator, client: Client, friend: str, notify: bool
) -> None:
    second = link(simulator, friend, notify=False)
    client.send(friend, "to two")
    until(lambda: reached(simulator, friend) == [("to two", [0, second])])
    path = f"/contacts/{friend}/devices/{second}"
    assert simulator.http.delete(path, params={"notify": str(notify).lower()}).is_success
    client.send(friend, "to one")
    client.send(friend, "still to one")
    until(lambda: reached(simulator, friend)[1:] == [("to one", [0]), ("still to one", [0])])
    simulator.settled(client.number)


def test_knows_one_person_by_lid_and_by_number(
    simulator: Simulator, client: Client, friend: str
) -> None:
    texts = []
    for number, mode in enumerate(("pn", "lid", "lid", "pn", "lid")):
        simulator.post(f"/contacts/{friend}/addressing", mode=mode)
        texts.append(f"{mode} {number}")
        simulator.say(friend, client.number, texts[-1])
        assert client.wait("message", text=texts[-1])["sender"] == friend
    simulator.settled(client.number)


def test_answers_a_stranger_who_writes_by_lid(
    simulator: Simulator, client: Client, friend: str
) -> None:
    simulator.post(f"/contacts/{friend}/addressing", mode="lid")
    simulator.say(friend, client.number, "by lid from the start")
    assert client.wait("message", text="by lid from the start")["sender"] == friend
    message_id = client.send(friend, "answered")
    until(lambda: simulator.texts(friend) == ["answered"])
    types = {client.wait("receipt", ids=[message_id])["type"] for _ in range(2)}
    assert types == {"delivered", "read"}
    simulator.settled(client.number)


def test_reads_a_garbled_message_by_lid(simulator: Simulator, client: Client, friend: str) -> None:
    client.send(friend, "opens by number")
    until(lambda: simulator.texts(friend) == ["opens by number"])
    simulator.post(f"/contacts/{friend}/addressing", mode="lid")
    fault = simulator.fault(client.number, "garble")
    simulator.say(friend, client.number, "garbled by lid")
    client.wait("message", text="garbled by lid")
    assert simulator.struck(fault) == 1
    client.send(friend, "and on")
    until(lambda: simulator.texts(friend) == ["opens by number", "and on"])
    simulator.settled(client.number)


def test_writes_again_to_one_who_forgot_by_lid(
    simulator: Simulator, client: Client, friend: str
) -> None:
    """The retry receipt comes from the LID, the message went to whom the client knows."""
    client.send(friend, "opens")
    until(lambda: simulator.texts(friend) == ["opens"])
    simulator.post(f"/contacts/{friend}/addressing", mode="lid")
    simulator.say(friend, client.number, "by lid")
    client.wait("message", text="by lid")
    simulator.post(f"/contacts/{friend}/forget", account=client.number)
    client.send(friend, "once more")
    until(lambda: simulator.texts(friend) == ["opens", "once more"])
    simulator.settled(client.number)
