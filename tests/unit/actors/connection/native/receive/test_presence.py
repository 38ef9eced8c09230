"""What a stanza says that somebody does, and whose word it is."""

from __future__ import annotations

from typing import Any

import pytest

from actors.connection.engine import Presence
from actors.connection.native.identities.addresses import Address
from actors.connection.native.identities.lid_mapping import People
from actors.connection.native.receive.presence import heard
from actors.connection.native.transport.nodes import Node

ANA, ANA_LID = "15550100002@s.whatsapp.net", "90000000000002@lid"
BEN_LID = "90000000000003@lid"
GROUP = "120363000000000001@g.us"


class Known:
    """What the session knows: Ana's number."""

    def pn_for(self, lid: str) -> str | None:
        return ANA if lid == ANA_LID else None


def people() -> People:
    known: Any = Known()
    return People(
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
    assert heard(stanza, people()) == expected


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
    assert heard(stanza, people()) is None
