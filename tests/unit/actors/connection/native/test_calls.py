"""Stanzas of calls: those that are reported, and the one that refuses (whatsmeow, call.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.abilities.port import Call
from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.engine import NotConnected, SendError
from actors.connection.native.calls import MAX_RINGING_CALLS, RingingCalls
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.identities.lid_mapping import LidMapping
from actors.connection.protocol.request_errors import ConnectionLost
from actors.connection.protocol.wire_format.nodes import Node
from actors.connection.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path

OWN, CALLER = "15550100001@s.whatsapp.net", "15550100002@s.whatsapp.net"
DEVICE = "15550100002:3@s.whatsapp.net"


class Wire:
    """The socket of a login: it keeps what is sent, until it is `lost`."""

    def __init__(self) -> None:
        self.sent: list[Node] = []
        self.lost = False

    async def send(self, *nodes: Node) -> None:
        if self.lost:
            raise ConnectionLost(Cause(Kind.NETWORK), written=False)
        self.sent += nodes


class Line:
    """The calls of one socket, and the reports of them."""

    def __init__(self, session: Session) -> None:
        self.wire, self.told = Wire(), list[Call]()
        wire: Any = self.wire
        people = LidMapping(session, Address.parse("15550100001:7@s.whatsapp.net"), None)
        self.calls = RingingCalls(people, wire, self._tell)

    async def _tell(self, call: Call) -> None:
        self.told.append(call)

    async def comes(self, tag: str, id_: str, *content: Node, **attrs: str) -> None:
        named = {"call-id": id_, "call-creator": DEVICE}
        named |= {name.replace("_", "-"): value for name, value in attrs.items()}
        child = Node(tag, named, content)
        await self.calls.report(
            Node("call", {"id": "1", "from": DEVICE, "t": "1700000000"}, (child,))
        )


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(Session.open(tmp_path / "session.db", 1))


async def test_a_call_is_refused_in_its_creators_words(line: Line) -> None:
    await line.comes("offer", "A", Node("audio"))
    await line.calls.reject("A")
    (sent,) = line.wire.sent
    assert len(sent.attrs.pop("id")) == 16
    assert (sent.tag, sent.attrs) == ("call", {"from": OWN, "to": CALLER})
    (reject,) = sent.children()
    named = {"call-id": "A", "call-creator": CALLER, "count": "0"}
    assert (reject.tag, reject.attrs) == ("reject", named)
    with pytest.raises(SendError, match="unknown_call"):
        await line.calls.reject("A")


async def test_a_call_can_be_refused_again_where_nothing_left(line: Line) -> None:
    await line.comes("offer", "A")
    line.wire.lost = True
    with pytest.raises(NotConnected):
        await line.calls.reject("A")
    line.wire.lost = False
    await line.calls.reject("A")


async def test_reported_stanzas(line: Line) -> None:
    group = "120363000000000001@g.us"
    await line.comes("offer", "A", Node("video"))
    await line.comes("offer_notice", "B", media="video", group_jid=group)
    await line.comes("terminate", "A", reason="timeout")
    assert line.told == [
        Call("A", CALLER, 1700000000, "offered", video=True),
        Call("B", CALLER, 1700000000, "offered", video=True, group=group),
        Call("A", CALLER, 1700000000, "ended"),
    ]


async def test_unreported_stanzas(line: Line) -> None:
    for tag in ("relaylatency", "transport", "preaccept", "accept", "reject"):
        await line.comes(tag, "A")
    await line.comes("offer", "")
    await line.comes("offer", "A" * 65)
    await line.comes("offer", "A", call_creator="nobody")
    await line.comes("offer", "A", call_creator="120363000000000001@g.us")
    await line.comes("offer", "A", call_creator="15550100001:2@s.whatsapp.net")
    assert line.told == []


async def test_calls_that_ring_are_bounded(line: Line) -> None:
    for number in range(MAX_RINGING_CALLS + 1):
        await line.comes("offer", f"C{number}")
    with pytest.raises(SendError, match="unknown_call"):
        await line.calls.reject("C0")
    await line.calls.reject("C1")
