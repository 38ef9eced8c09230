"""Names of people in direct messages: LIDs or numbers, and never both in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.processes import KINDS, runs_whatsmeow, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.processes import Client, Simulator

UNMIGRATED = ("1555010005", "1555010006")
"""Beginnings of the numbers of accounts that have not migrated."""


def named_by(simulator: Simulator, number: str) -> tuple[int, int]:
    """Returns the numbers of the account's direct messages by LID, and by phone number."""
    account = simulator.account(number)
    return account["sent_by_lid"], account["sent_by_pn"]


def test_names_people_by_lid(simulator: Simulator, client: Client, friend: str) -> None:
    """One who was never heard of, one who wrote by LID, and one who wrote by number."""
    by_lid, by_number = named_by(simulator, client.number)
    misnamed = simulator.account(client.number)["misnamed_copies"]
    client.send(friend, "first")
    for mode in ("lid", "pn"):
        simulator.say(friend, client.number, mode, addressing=mode)
        client.wait("message", text=mode)
        client.send(friend, f"{mode} answered")
    until(lambda: simulator.texts(friend) == ["first", "lid answered", "pn answered"])
    assert named_by(simulator, client.number) == (by_lid + 3, by_number)
    assert simulator.account(client.number)["misnamed_copies"] == misnamed


@pytest.mark.differs(neonize="D14")
def test_names_people_by_number_before_its_account_migrated(
    simulator: Simulator, kind: str, another: Callable[..., Client], friend: str
) -> None:
    """Notified when it is linked; the server refuses LIDs of such accounts under a rule."""
    number = f"{UNMIGRATED[0]}{KINDS.index(kind)}"
    simulator.post(f"/accounts/{number}", migrated=False)
    client = another(kind)
    client.pair(number)
    if kind == "neonize":
        client.send(friend, "by lid")
        until(lambda: simulator.texts(friend) == ["by lid"])
        assert named_by(simulator, number) == (1, 0)
        simulator.post(f"/accounts/{number}/rules", unmigrated_lid=True)
        client.process.command(do="send", to=friend, text="refused")
        assert "400" in client.wait("failed")["error"]
        return
    simulator.post(f"/accounts/{number}/rules", unmigrated_lid=True)
    client.send(friend, "by number")
    until(lambda: simulator.texts(friend) == ["by number"])
    assert named_by(simulator, number) == (0, 1)
    assert simulator.account(number)["refused"] == {}


@pytest.mark.differs(neonize="D14")
def test_names_people_by_lid_once_its_account_migrated(
    simulator: Simulator, kind: str, another: Callable[..., Client], friend: str
) -> None:
    """Its phone tells it, and the server says the same at the next login."""
    number = f"{UNMIGRATED[1]}{KINDS.index(kind)}"
    simulator.post(f"/accounts/{number}", migrated=False)
    client = another(kind)
    client.pair(number)
    client.send(friend, "before")
    until(lambda: simulator.texts(friend) == ["before"])
    before = named_by(simulator, number)
    assert before == ((1, 0) if kind == "neonize" else (0, 1))
    assert len(simulator.post(f"/accounts/{number}/migrate", contacts=[friend])["told"]) == 1
    simulator.settled(number)
    simulator.fault(number, "drop")
    client.wait("disconnected")
    client.wait("connected")

    def by_lid() -> bool:  # it asks for the experiment while it is connected already
        client.send(friend, "after")
        return named_by(simulator, number)[0] > before[0]

    until(by_lid)


def test_writes_to_the_number_that_answers(
    simulator: Simulator, client: Client, friend: str
) -> None:
    """Brazil's ninth digit: the person is found under another number than was asked for."""
    asked = f"{friend}9"
    simulator.post(f"/contacts/{asked}", answered_by=friend)
    client.process.command(do="check", number=asked)
    found = client.wait("checked")
    assert found["registered"] == [True]
    lid = simulator.contact(friend)["lid"]
    assert found["chats"][0] in (f"{friend}@s.whatsapp.net", f"{lid}@lid")
    client.send(found["chats"][0], "found you")
    until(lambda: simulator.texts(friend) == ["found you"])
    assert simulator.texts(asked) == []


@pytest.mark.differs(tryx="D15")
def test_writes_to_a_hosted_device(simulator: Simulator, client: Client, friend: str) -> None:
    """And its list of devices is none that the server calls another."""
    hosted = simulator.post(f"/contacts/{friend}/devices", notify=False, hosted=True)["device"]
    devices = [0, hosted] if runs_whatsmeow(client.kind) else [0]
    client.send(friend, "to the shop")
    until(lambda: [item["devices"] for item in simulator.inbox(friend)] == [devices])
    client.send(friend, "and again")
    until(lambda: [item["devices"] for item in simulator.inbox(friend)] == [devices, devices])


@pytest.mark.parametrize("addressing", ["pn", "lid"])
@pytest.mark.differs(tryx="D15")
def test_answers_a_hosted_device(
    simulator: Simulator,
    client: Client,
    friend: str,
    addressing: str,
) -> None:
    hosted = simulator.post(f"/contacts/{friend}/devices", hosted=True)["device"]
    simulator.say(friend, client.number, "by the shop", device=hosted, addressing=addressing)
    sender = client.wait("message", text="by the shop")["sender"]
    known = {friend, simulator.contact(friend)["lid"]} if client.kind == "tryx" else {friend}
    assert sender in known
    client.process.command(do="send", to=friend, text="hello, shop")
    assert client.wait(("sent", "failed"))["event"] == "sent"
    devices = [0, hosted] if runs_whatsmeow(client.kind) else [0]
    until(lambda: [item["devices"] for item in simulator.inbox(friend)] == [devices])
    simulator.settled(client.number)
