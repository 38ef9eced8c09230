"""Read receipts: their form, their privacy, and what of them is known before they leave."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.engine import NotConnected, SendError
from actors.connection.native.send.read_marks import ReadMarks, kind_of, receipt
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.request_errors import ConnectionLost, RequestFailed
from actors.connection.protocol.wire_format.nodes import Node
from actors.connection.session.chats.unread import ReadBatch, Unread
from actors.messages.content import ReadMark

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from actors.connection.native.transport.socket import Socket
    from actors.connection.session.session import Session

ANA = "15550100002@s.whatsapp.net"
GROUP = "120363000000000001@g.us"


def privacy(**values: str) -> Node:
    categories = [
        Node("category", {"name": name, "value": value}) for name, value in values.items()
    ]
    return Node("iq", {"type": "result"}, (Node("privacy", {}, categories),))


def test_a_receipt_of_one_message() -> None:
    attrs = {"id": "A", "type": "read", "to": ANA, "t": "1700000000"}
    assert receipt(ReadBatch(ANA, "", ["A"]), "read", 1_700_000_000) == Node("receipt", attrs)


def test_a_receipt_of_several_in_a_group() -> None:
    made = receipt(ReadBatch(GROUP, ANA, ["A", "B", "C"]), "read-self", 5)
    assert made.attrs == {"id": "A", "type": "read-self", "to": GROUP, "t": "5", "participant": ANA}
    (listed,) = made.children()
    assert [item.attrs for item in listed.children("item")] == [{"id": "B"}, {"id": "C"}]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (privacy(readreceipts="all", last="none"), "read"),
        (privacy(readreceipts="none"), "read-self"),
        (privacy(readreceipts="contacts"), "read-self"),
        (privacy(last="none"), "read"),
        (Node("iq", {"type": "result"}), "read"),
    ],
)
def test_whether_the_account_shows_what_it_read(answer: Node, kind: str) -> None:
    assert kind_of(answer) == kind


class Wire:
    """Answers the query of privacy settings, and notes all in order, with what the session does."""

    def __init__(self, *answers: Node | Exception) -> None:
        self.answers = list(answers)
        self.happened: list[str] = []
        self.cut = False

    async def request(self, node: Node) -> Node:
        assert node.attrs["xmlns"] == "privacy"
        self.happened.append("asked")
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def send(self, *nodes: Node) -> None:
        if self.cut:
            raise ConnectionLost(Cause(Kind.NETWORK), written=True)
        self.happened += [f"{node.attrs['type']} {node.attrs['id']}" for node in nodes]

    def fail(self, cause: Cause) -> None:
        self.happened.append(str(cause))

    # the session

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        yield

    @property
    def unread(self) -> Wire:
        return self

    def marked(self, chat: str, _: ReadMark) -> list[Unread]:
        return [Unread(7, "A", chat, "")]

    def forget(self, numbers: Iterable[int]) -> None:
        self.happened.append(f"forgot {list(numbers)}")


def marks(wire: Wire) -> ReadMarks:
    both: Any = wire
    return ReadMarks(cast("Session", both), cast("Socket", both))


MARK = Address.parse(ANA), ReadMark(until=10.0), 10.0


async def test_it_is_forgotten_only_once_it_left() -> None:
    wire = Wire(privacy(readreceipts="all"))
    one = marks(wire)
    wire.cut = True
    with pytest.raises(SendError):
        await one.send(*MARK)
    wire.cut = False
    await one.send(*MARK)
    assert wire.happened == ["asked", "read A", "forgot [7]"]


async def test_its_privacy_is_asked_once_and_again_after_it_changed() -> None:
    wire = Wire(privacy(readreceipts="all"), privacy(readreceipts="none"))
    one = marks(wire)
    await one.send(*MARK)
    await one.send(*MARK)
    one.invalidate()
    await one.send(*MARK)
    told = [each for each in wire.happened if "forgot" not in each]
    assert told == ["asked", "read A", "read A", "asked", "read-self A"]


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (RequestFailed(500), "request_failed_500"),
        (ConnectionLost(Cause(Kind.NETWORK), written=False), NotConnected().code),
    ],
)
async def test_nothing_is_sent_while_its_privacy_is_not_known(
    failure: Exception, code: str
) -> None:
    wire = Wire(failure, privacy(readreceipts="none"))
    one = marks(wire)
    with pytest.raises(SendError) as refused:
        await one.send(*MARK)
    assert (refused.value.code, refused.value.permanent) == (code, False)
    await one.send(*MARK)
    assert wire.happened == ["asked", "asked", "read-self A", "forgot [7]"]
