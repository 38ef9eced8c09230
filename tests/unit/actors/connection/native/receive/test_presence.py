"""Presence and typing in stanzas, and their senders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.engine import NotConnected, Presence
from actors.connection.native.receive.presence import Appearance, presence_of
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.identities.lid_mapping import LidMapping
from actors.connection.protocol.request_errors import ConnectionLost
from actors.connection.protocol.wire_format.nodes import Node

if TYPE_CHECKING:
    from actors.connection.native.transport.socket import Socket
    from actors.connection.session.session import Session

ANA, ANA_LID = "15550100002@s.whatsapp.net", "90000000000002@lid"
BEN_LID = "90000000000003@lid"
GROUP = "120363000000000001@g.us"


class Known:
    """The session's names, as each part of it: Ana's number, and the account's push name."""

    name: str | None = None

    @property
    def names(self) -> Known:
        return self

    @property
    def push_names(self) -> Known:
        return self

    def find(self, person: str) -> str | None:
        return self.name if person == "15550100001@s.whatsapp.net" else None

    def chat_today(self, chat: str) -> str:
        return ANA if chat == ANA_LID else chat


def people(known: Any = None) -> LidMapping:
    known = known or Known()
    return LidMapping(
        known,
        Address.parse("15550100001:7@s.whatsapp.net"),
        Address.parse("90000000000001:7@lid"),
    )


def state(tag: str, **attrs: str) -> tuple[Node]:
    return (Node(tag, attrs),)


@pytest.mark.parametrize(
    ("stanza", "expected"),
    [
        (Node("presence", {"from": ANA}), Presence(ANA, ANA, "available")),
        (
            Node("presence", {"from": ANA_LID, "type": "available", "last": "5"}),
            Presence(ANA, ANA, "available"),
        ),
        (
            Node("presence", {"from": ANA, "type": "unavailable", "last": "1790000000"}),
            Presence(ANA, ANA, "unavailable", 1_790_000_000),
        ),
        (
            Node("presence", {"from": BEN_LID, "type": "unavailable", "last": "deny"}),
            Presence(BEN_LID, BEN_LID, "unavailable"),
        ),
        (
            Node("chatstate", {"from": "15550100002:3@s.whatsapp.net"}, state("composing")),
            Presence(ANA, ANA, "composing"),
        ),
        (
            Node("chatstate", {"from": ANA_LID}, state("composing", media="audio")),
            Presence(ANA, ANA, "recording"),
        ),
        (Node("chatstate", {"from": ANA}, state("recording")), Presence(ANA, ANA, "recording")),
        (
            Node("chatstate", {"from": GROUP, "participant": ANA_LID}, state("paused")),
            Presence(GROUP, ANA, "paused"),
        ),
    ],
)
def test_what_somebody_does(stanza: Node, expected: Presence) -> None:
    assert presence_of(stanza, people()) == expected


@pytest.mark.parametrize(
    "stanza",
    [
        Node("presence"),
        Node("presence", {"from": "nobody"}),
        Node("presence", {"from": GROUP}),
        Node("presence", {"from": ANA, "type": "error"}),
        Node("chatstate", {"from": ANA}),
        Node("chatstate", {"from": ANA}, b"composing"),
        Node("chatstate", {"from": ANA}, state("dancing")),
        Node("chatstate", {"from": GROUP}, state("composing")),
        Node("chatstate", {"from": GROUP, "participant": GROUP}, state("composing")),
        Node("chatstate", {"from": "15550100001@s.whatsapp.net"}, state("composing")),
        Node("chatstate", {"from": GROUP, "participant": "90000000000001@lid"}, state("paused")),
        Node("message", {"from": ANA}, state("composing")),
    ],
)
def test_what_says_nothing_of_the_kind(stanza: Node) -> None:
    assert presence_of(stanza, people()) is None


class Wire:
    """Notes what is sent, until it ends."""

    def __init__(self) -> None:
        self.sent: list[dict[str, str]] = []
        self.ended = False

    async def send(self, *nodes: Node) -> None:
        if self.ended:
            raise ConnectionLost(Cause(Kind.NETWORK), written=False)
        self.sent += [node.attrs for node in nodes]


async def test_the_name_is_announced_at_the_login_and_once_it_changes() -> None:
    """As the account is shown then; an unchanged name is not announced again."""
    known, wire = Known(), Wire()
    known.name = "Shop"
    appearance = Appearance(cast("Session", known), people(known), cast("Socket", wire))
    await appearance.look()
    assert wire.sent == [], "the login is not done"
    await appearance.open()
    await appearance.look()
    await appearance.show(available=True)
    known.name = "Our shop"
    await appearance.look()
    await appearance.look()
    assert wire.sent == [
        {"type": "unavailable", "name": "Shop"},
        {"type": "available", "name": "Shop"},
        {"type": "available", "name": "Our shop"},
    ]


async def test_without_a_name_nothing_is_said_unasked() -> None:
    known, wire = Known(), Wire()
    appearance = Appearance(cast("Session", known), people(known), cast("Socket", wire))
    await appearance.open()
    await appearance.look()
    assert wire.sent == []
    await appearance.show(available=False)
    assert wire.sent == [{"type": "unavailable"}]
    wire.ended, known.name = True, "Shop"
    await appearance.look()
    with pytest.raises(NotConnected):
        await appearance.show(available=True)


async def test_an_account_that_is_always_online_says_so_at_the_login() -> None:
    """Also without a name, and again as soon as the settings change; asked for it seems away."""
    known, wire = Known(), Wire()
    appearance = Appearance(
        cast("Session", known), people(known), cast("Socket", wire), always=True
    )
    active = [appearance.active]
    await appearance.configure(always=True)
    assert wire.sent == [], "the login is not done"
    await appearance.open()
    await appearance.show(available=False)
    await appearance.configure(always=True)
    await appearance.configure(always=False)
    assert [*active, appearance.active] == [True, False]
    wire.ended = True
    await appearance.configure(always=True)
    assert [told["type"] for told in wire.sent] == [
        "available",
        "unavailable",
        "available",
        "unavailable",
    ]
