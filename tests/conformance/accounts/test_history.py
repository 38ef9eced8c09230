"""History syncs of the account's phone, presence and typing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.processes import FOREIGN, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.processes import Client, Simulator


@pytest.mark.differs(tryx="D9")
@pytest.mark.parametrize("inline", [False, True], ids=["file", "inline"])
def test_gets_messages_that_it_missed(
    simulator: Simulator, versatile: Client, friend: str, inline: bool
) -> None:
    texts = [{"text": f"missed {number}", "at": 1_790_000_000 + number} for number in range(20)]
    told = simulator.post(
        f"/phones/{versatile.number}/history",
        conversations=[{"chat": friend, "name": "Ana", "messages": texts}],
        inline=inline,
    )
    heard = versatile.wait("history")
    (conversation,) = heard["conversations"]
    assert conversation["chat"] == f"{friend}@s.whatsapp.net"
    if versatile.kind in FOREIGN:  # whose port has the messages alone
        assert (heard["type"], conversation["name"]) == (3, "Ana")
    assert conversation["messages"] == [
        [message_id, f"missed {number}"] for number, message_id in enumerate(told["ids"])
    ]
    simulator.settled(versatile.number)


@pytest.mark.differs(tryx="D9")
def test_gets_messages_at_pairing(
    simulator: Simulator, versatile: Client, another: Callable[..., Client], friend: str
) -> None:
    account = f"{int(friend) + 5_000_000}"
    simulator.post(
        f"/phones/{account}/history",
        when="pairing",
        type="initial_bootstrap",
        conversations=[{"chat": friend, "messages": [{"text": "long ago"}]}],
    )
    simulator.post(
        f"/phones/{account}/history", when="pairing", type="push_name", pushnames={friend: "Ana"}
    )
    client = another(versatile.kind)
    client.scan(account)
    client.wait("connected")
    first = client.wait("history")
    assert first["conversations"][0]["messages"][0][1] == "long ago"
    if client.kind in FOREIGN:
        second = client.wait("history")
        assert (first["type"], second["type"]) == (0, 4)
        assert second["names"] == {f"{friend}@s.whatsapp.net": "Ana"}
    simulator.settled(account)


def named(client: Client, chat: str) -> bool:
    """Whether the client knows how its account is called."""
    client.process.command(do="settings", chat=chat)
    return bool(client.wait("settings")["own_name"])


@pytest.mark.differs(tryx="D9")
def test_sees_who_is_online(simulator: Simulator, versatile: Client, friend: str) -> None:
    who = f"{friend}@s.whatsapp.net"
    if versatile.kind == "neonize":  # whatsmeow shows nobody before its phone's settings name it
        until(lambda: named(versatile, friend))
    versatile.process.command(do="online", online=True)
    until(lambda: bool(simulator.account(versatile.number)["available"]))
    versatile.process.command(do="subscribe", to=friend)
    assert versatile.wait("presence", who=who)["available"] is False
    for available in (True, False):
        simulator.post(f"/contacts/{friend}/presence", available=available)
        assert versatile.wait("presence", who=who)["available"] is available
    versatile.process.command(do="online", online=False)
    until(lambda: not simulator.account(versatile.number)["available"])


@pytest.mark.differs(tryx="D9")
def test_types_and_sees_who_types(simulator: Simulator, versatile: Client, friend: str) -> None:
    versatile.process.command(do="online", online=True)
    for state in ("composing", "recording", "paused"):
        simulator.post(f"/contacts/{friend}/typing", to=versatile.number, state=state)
        assert versatile.wait("typing", chat=f"{friend}@s.whatsapp.net")["state"] == state
        versatile.process.command(do="type", to=friend, state=state)

    def seen() -> list[str]:
        items = simulator.http.get(f"/contacts/{friend}/presence").json()["seen"]
        return [one["state"] for one in items if one["from"] == versatile.number]

    until(lambda: seen() == ["composing", "recording", "paused"])
