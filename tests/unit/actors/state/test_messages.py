"""What a connection received, as documents: the same message is the same document (G5)."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.engine import InboxMessage
from actors.state.messages import incoming, moving, replaces, storing

if TYPE_CHECKING:
    from actors.state.documents import Document

CHAT = "15550100002@s.whatsapp.net"
HELLO = InboxMessage(
    key=7,
    chat=CHAT,
    sender=CHAT,
    message_id="3EB0A1",
    at=1_764_000_000,
    type="text",
    text="hello",
    push_name="Ana",
)


def document(message: InboxMessage, connection: str = "shop", now: float = 5.0) -> Document:
    return incoming(connection, asdict(message), now)


def test_the_document_of_an_incoming_message() -> None:
    assert document(HELLO, now=1_764_000_001.5) == {
        "id": "shop.in.3aa12fe515cd94de2f4525c2",
        "message_id": "3EB0A1",
        "connection": "shop",
        "chat": CHAT,
        "sender": CHAT,
        "direction": "in",
        "type": "text",
        "text": "hello",
        "status": "received",
        "source": "live",
        "push_name": "Ana",
        "from_me": False,
        "at": 1_764_000_000.000007,
        "received_at": 1_764_000_001.5,
    }


def test_what_came_within_a_second_keeps_its_order() -> None:
    came = [document(replace(HELLO, key=key, message_id=f"3EB0{key}")) for key in range(9, 99)]
    moments = [found["at"] for found in came]
    assert moments == sorted(set(moments))
    assert max(moments) < HELLO.at + 1


def test_what_the_own_phone_sent_is_outgoing_and_sent() -> None:
    own = replace(HELLO, from_me=True, sender="15550100001@s.whatsapp.net", source="offline")
    found = document(own)
    assert (found["direction"], found["status"], found["source"]) == ("out", "sent", "offline")
    assert found["sent_at"] == 1_764_000_000.0
    assert found["id"].startswith("shop.in.")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (replace(HELLO, key=8), True),  # it came again
        (replace(HELLO, source="history", at=1, push_name=None), True),
        (replace(HELLO, text="other"), True),
        (replace(HELLO, message_id="3EB0A2"), False),
        (replace(HELLO, sender="15550100003@s.whatsapp.net"), False),  # ids are the sender's
        (replace(HELLO, chat="15550100003@s.whatsapp.net"), False),
    ],
)
def test_the_id_says_whether_it_is_the_same_message(other: InboxMessage, same: bool) -> None:
    assert (document(HELLO)["id"] == document(other)["id"]) is same


def test_the_same_message_to_two_connections_is_two_documents() -> None:
    assert document(HELLO, "shop")["id"] != document(HELLO, "desk")["id"]


@pytest.mark.parametrize("change", [{"at": float("nan")}, {"at": "soon"}, {"at": None}])
def test_an_item_that_is_none_is_refused_without_quoting_it(change: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        incoming("shop", {**asdict(HELLO), **change}, 5.0)
    assert "hello" not in str(caught.value)
    with pytest.raises(KeyError):
        incoming("shop", {"at": 1, "text": "hello"}, 5.0)


REAL = document(HELLO)
PLACEHOLDER = document(replace(HELLO, type="undecryptable", text=None))


@pytest.mark.parametrize(
    ("new", "there", "written"),
    [
        (REAL, None, True),
        (PLACEHOLDER, None, True),
        (REAL, PLACEHOLDER, True),  # the retry could be decrypted
        (PLACEHOLDER, REAL, False),  # a late placeholder hides nothing
        (PLACEHOLDER, PLACEHOLDER, False),
        (REAL, REAL, False),
        ({**REAL, "text": "forged"}, REAL, False),
        ({**REAL, "text": None}, {**REAL, "type": "revoked"}, False),
    ],
)
def test_only_a_placeholder_is_ever_replaced(
    new: Document, there: Document | None, written: bool
) -> None:
    assert replaces(new, there) is written
    write = storing(new)
    assert write.change is not None
    assert (write.change(there) == new) is written or new == there


LID = "90000000000002@lid"


@pytest.mark.parametrize(
    "by_lid",
    [
        replace(HELLO, chat=LID, sender=LID),
        replace(HELLO, chat=LID, sender="15550100001@s.whatsapp.net", from_me=True),
    ],
    ids=["theirs", "own"],
)
def test_what_moves_to_another_chat_is_what_it_would_have_been_there(by_lid: InboxMessage) -> None:
    sender = CHAT if by_lid.sender == LID else by_lid.sender
    before, expected = document(by_lid), document(replace(by_lid, chat=CHAT, sender=sender))
    stored, removed = moving(before, LID, CHAT)
    assert (stored.id, removed.op, removed.id) == (expected["id"], "delete", before["id"])
    assert stored.change is not None
    assert stored.change(None) == expected
    assert stored.change(expected) is None
    assert stored.change({**expected, "type": "undecryptable", "text": None}) == expected
    (placeholder, _) = moving({**before, "type": "undecryptable"}, LID, CHAT)
    assert placeholder.change is not None
    assert placeholder.change(expected) is None
