"""Limits on writing to strangers, and the tokens by which a contact lifts its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.processes import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conformance.processes import Client, Simulator

FAR = 4_000_000_000


@pytest.fixture
def locked(simulator: Simulator, client: Client) -> Iterator[None]:
    """The client's account begins no chat until the test ends; the client has heard of it."""
    account = f"/accounts/{client.number}"
    simulator.post(account, limited_until=FAR)
    simulator.settled(client.number)
    yield
    simulator.post(account, limited_until=None)
    simulator.settled(client.number)


def refused(simulator: Simulator, client: Client) -> int:
    """Returns the number of messages that were refused with 463."""
    return int(simulator.account(client.number)["refused"].get("463", 0))


@pytest.mark.differs(tryx="D3")
@pytest.mark.usefixtures("locked")
def test_says_that_it_may_begin_no_chat(simulator: Simulator, client: Client, friend: str) -> None:
    """One attempt is one attempt: nothing is sent again by itself. The engine, which keeps limits, makes none."""
    before = refused(simulator, client)
    made = 0 if client.kind == "whatsmeow" else 1
    client.process.command(do="send", to=friend, text="stranger")
    if client.kind == "tryx":
        client.wait("sent", text="stranger")
    else:
        client.wait("failed", do="send")
    until(lambda: refused(simulator, client) == before + made)
    simulator.say(friend, client.number, "hello, stranger")
    client.wait("message", text="hello, stranger")
    client.send(friend, "hello")
    until(lambda: simulator.texts(friend) == ["hello"])
    assert refused(simulator, client) == before + made


def test_shows_the_token_that_it_was_given(
    simulator: Simulator, client: Client, friend: str
) -> None:
    before = refused(simulator, client)
    simulator.post(f"/contacts/{friend}", token_needed=True)
    simulator.post(f"/contacts/{friend}/token", account=client.number)
    simulator.settled(client.number)
    client.process.command(do="send", to=friend, text="by token")
    client.wait("sent", text="by token")
    until(lambda: simulator.texts(friend) == ["by token"])
    assert refused(simulator, client) == before


def test_derives_a_token_from_the_salt_of_app_state(
    simulator: Simulator, kind: str, another: Callable[..., Client], friend: str
) -> None:
    """The contact issued none, and no history had the salt; once it is renewed, the new one counts."""
    client = another(kind)
    number = friend.replace("1555011", "1555014")
    simulator.post(f"/accounts/{number}", salt_in_history=False)
    client.pair(number)
    for salt, stranger in (("first", friend), ("second", friend.replace("1555011", "1555015"))):
        simulator.post(f"/contacts/{stranger}", token_needed=True)
        if salt == "second":
            simulator.post(f"/phones/{number}/app-state", type="salt")
        # of the same collection, and after the salt
        simulator.post(f"/phones/{number}/app-state", type="mute", chat=stranger)
        client.await_settings(stranger, muted=True)
        client.send(stranger, salt)
        until(lambda stranger=stranger, salt=salt: simulator.texts(stranger) == [salt])  # type: ignore[misc]
        assert refused(simulator, client) == 0


def test_issues_a_token_to_whom_it_writes(
    simulator: Simulator, client: Client, friend: str
) -> None:
    client.send(friend, "hello")
    until(lambda: simulator.account(client.number)["tokens"].get(friend) == 1)


@pytest.mark.differs(tryx="D3")
def test_begins_no_more_chats_than_its_cap(
    simulator: Simulator, kind: str, another: Callable[..., Client], friend: str
) -> None:
    """The chat that is begun goes on, and its contact need not have written."""
    client = another(kind)
    client.pair(friend.replace("1555011", "1555012"))
    simulator.post(f"/accounts/{client.number}", chat_cap=1, cap_ends=FAR)
    client.send(friend, "hello")
    until(lambda: simulator.texts(friend) == ["hello"])
    client.process.command(do="send", to=friend.replace("1555011", "1555013"), text="stranger")
    client.wait("sent" if kind == "tryx" else "failed")
    client.send(friend, "again")
    until(lambda: simulator.texts(friend) == ["hello", "again"])
    account = simulator.account(client.number)
    assert account["chats_begun"] == 1
    assert account["refused"] == ({} if kind == "whatsmeow" else {"475": 1})
