"""Messages that cannot be decrypted: retry receipts of clients and of contacts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.processes import as_handed_over, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.processes import Client, Simulator


def said(simulator: Simulator, number: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = simulator.http.get(f"/contacts/{number}/said").json()["items"]
    return items


def open_session(simulator: Simulator, client: Client, friend: str) -> None:
    """Both sides have written and read: neither's next message carries a prekey."""
    client.send(friend, "opens")
    until(lambda: simulator.texts(friend) == ["opens"])
    simulator.say(friend, client.number, "answers")
    client.wait("message", text="answers")
    simulator.settled(client.number)


def test_reads_what_it_first_could_not(simulator: Simulator, client: Client, friend: str) -> None:
    simulator.say(friend, client.number, "opens the session")
    client.wait("message", text="opens the session")
    fault = simulator.fault(client.number, "garble")
    message_id = simulator.say(friend, client.number, "garbled at first")
    assert client.wait("message", text="garbled at first")["id"] == message_id
    assert simulator.struck(fault) == 1
    assert [item["retries"] for item in said(simulator, friend)] == [0, 1]
    simulator.settled(client.number)


def test_reads_a_first_message_it_could_not(
    simulator: Simulator, client: Client, friend: str
) -> None:
    """The same, when there is no session yet: the message that would open it is the bad one."""
    fault = simulator.fault(client.number, "garble")
    message_id = simulator.say(friend, client.number, "garbled from the start")
    assert client.wait("message", text="garbled from the start")["id"] == message_id
    assert simulator.struck(fault) == 1
    simulator.settled(client.number)


def test_reads_what_was_garbled_twice(simulator: Simulator, client: Client, friend: str) -> None:
    """The second time the receipt brings keys, and the contact opens a new session.

    A client that asks the account's phone as well may read the text before its second receipt.
    """
    open_session(simulator, client, friend)
    fault = simulator.fault(client.number, "garble", count=2)
    message_id = simulator.say(friend, client.number, "third time")
    assert client.wait("message", text="third time")["id"] == message_id
    until(lambda: said(simulator, friend)[-1]["retries"] == 2)
    assert simulator.struck(fault) == 2
    simulator.settled(client.number)
    client.send(friend, "over the new session")
    until(lambda: simulator.texts(friend) == ["opens", "over the new session"])


def test_reads_on_around_what_it_could_not(
    simulator: Simulator, client: Client, friend: str
) -> None:
    """Ten messages of which the third is garbled: all arrive, each once."""
    open_session(simulator, client, friend)
    texts = [f"text {number}" for number in range(1, 11)]
    for text in texts:
        if text == "text 3":
            simulator.fault(client.number, "garble")
        simulator.say(friend, client.number, text)
    arrived = [client.wait("message", sender=friend)["text"] for _ in texts]
    assert sorted(arrived) == sorted(texts)
    simulator.settled(client.number)


@pytest.mark.differs(tryx="D8")
def test_reads_an_older_session_after_a_new_one(
    simulator: Simulator, client: Client, friend: str
) -> None:
    """The contact forgets the session after two texts, and the third arrives before them."""
    open_session(simulator, client, friend)
    before = simulator.account(client.number)["retries"]
    fault = simulator.fault(client.number, "reorder", count=3)
    said = [simulator.say(friend, client.number, text) for text in ("first", "second")]
    assert simulator.post(f"/contacts/{friend}/forget", account=client.number)["sessions"] == 1
    said.append(simulator.say(friend, client.number, "third"))
    arrived = [client.wait("message", sender=friend) for _ in said]
    assert as_handed_over(
        client.kind, [(one["id"], one["text"]) for one in arrived]
    ) == as_handed_over(
        client.kind, list(reversed(list(zip(said, ("first", "second", "third"), strict=True))))
    )
    assert simulator.struck(fault) == 3
    simulator.settled(client.number)
    assert simulator.account(client.number)["retries"] == before, "the old session was gone"


def test_tells_what_it_cannot_read(
    simulator: Simulator, kind: str, another: Callable[..., Client], friend: str
) -> None:
    """And asks for it a bounded number of times, then lets the server forget it.

    With a client of its own: a minute later it may ask its phone, in the midst of another test.
    """
    client = another(kind)
    client.pair(friend.replace("1555011", "1555012"))
    open_session(simulator, client, friend)
    before = simulator.account(client.number)["retries"]
    fault = simulator.fault(client.number, "garble", count=20)
    message_id = simulator.say(friend, client.number, "never readable")
    client.wait("undecryptable", id=message_id)
    simulator.settled(client.number)
    time.sleep(0.5)
    assert 1 <= simulator.account(client.number)["retries"] - before <= 5
    assert 2 <= simulator.struck(fault) <= 6
    simulator.http.delete("/faults", params={"account": client.number})
    simulator.say(friend, client.number, "readable")
    client.wait("message", text="readable")


def test_writes_again_to_a_contact_who_forgot(
    simulator: Simulator, client: Client, friend: str
) -> None:
    """The contact lost its sessions, asks by retry receipt, and gets the same message once."""
    open_session(simulator, client, friend)
    assert simulator.post(f"/contacts/{friend}/forget", account=client.number)["sessions"] == 1
    message_id = client.send(friend, "can you read this?")
    until(lambda: simulator.texts(friend) == ["opens", "can you read this?"])
    assert simulator.inbox(friend)[-1]["id"] == message_id
    assert simulator.contact(friend)["retries"] >= 1
    simulator.say(friend, client.number, "now I can")
    client.wait("message", text="now I can")
    client.send(friend, "good")
    until(lambda: simulator.texts(friend)[-1] == "good")
    simulator.settled(client.number)


def test_writes_again_after_its_own_kill(simulator: Simulator, client: Client, friend: str) -> None:
    """The contact asks for a message that the client sent before it was killed."""
    open_session(simulator, client, friend)
    simulator.post(f"/contacts/{friend}/forget", account=client.number)
    client.process.kill()
    client.start()
    client.wait("connected")
    message_id = client.send(friend, "after the kill")
    until(lambda: simulator.texts(friend) == ["opens", "after the kill"])
    assert simulator.inbox(friend)[-1]["id"] == message_id


@pytest.mark.parametrize("notify", [True, False], ids=["told", "untold"])
def test_writes_to_a_contact_who_reinstalled(
    simulator: Simulator, client: Client, friend: str, notify: bool
) -> None:
    """A new identity, whether the server tells of it or the contact's retry receipt does."""
    open_session(simulator, client, friend)
    simulator.post(f"/contacts/{friend}/reinstall", notify=notify)
    client.send(friend, "to the new phone")
    until(lambda: simulator.texts(friend)[-1] == "to the new phone")
    simulator.say(friend, client.number, "from the new phone")
    client.wait("message", text="from the new phone")
    simulator.settled(client.number)


def test_hears_a_contact_who_reinstalled_first(
    simulator: Simulator, client: Client, friend: str
) -> None:
    """The first sign of the new identity is a message that opens a session with it."""
    open_session(simulator, client, friend)
    simulator.post(f"/contacts/{friend}/reinstall", notify=False)
    simulator.say(friend, client.number, "I have a new phone")
    client.wait("message", text="I have a new phone")
    client.send(friend, "so I see")
    until(lambda: simulator.texts(friend)[-1] == "so I see")
    simulator.settled(client.number)


def test_tops_up_its_prekeys(simulator: Simulator, client: Client) -> None:
    assert simulator.post(f"/accounts/{client.number}/prekeys", keep=3)["prekeys"] == 3
    until(lambda: simulator.account(client.number)["prekeys"] > 10)
    simulator.settled(client.number)


def test_writes_to_a_contact_without_prekeys(
    simulator: Simulator, client: Client, friend: str
) -> None:
    """A bundle without a one-time prekey opens a session all the same."""
    simulator.post(f"/contacts/{friend}", prekeys=0)
    client.send(friend, "no prekey left")
    until(lambda: simulator.texts(friend) == ["no prekey left"])
