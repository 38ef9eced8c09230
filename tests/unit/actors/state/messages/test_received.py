"""Received messages as documents: the same message is the same document (G5)."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import permutations
from typing import TYPE_CHECKING, Any, cast

import pytest

from actors.connection.engine import InboxMessage
from actors.state.messages.received import advancing, incoming, moving, replaces, storing

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
        "whatsapp_at": 1_764_000_000.0,
        "received_at": 1_764_000_001.5,
    }


def test_what_came_within_a_second_keeps_its_order() -> None:
    came = [document(replace(HELLO, key=key, message_id=f"3EB0{key}")) for key in range(9, 99)]
    moments = [found["at"] for found in came]
    assert moments == sorted(set(moments))
    assert max(moments) < HELLO.at + 1


def test_a_sender_has_the_names_that_are_known() -> None:
    named = document(replace(HELLO, sender_name="A" * 999, sender_lid="90000000000002@lid"))
    assert named["sender_name"] == "A" * 200
    assert named["sender_lid"] == "90000000000002@lid"
    assert document(replace(HELLO, chat_name="C" * 999))["chat_name"] == "C" * 200
    assert not {"sender_name", "sender_lid", "chat_name"} & set(document(HELLO))


SECOND = float(HELLO.at)


def test_a_message_stands_where_its_session_placed_it() -> None:
    reply = document(replace(HELLO, received_at=SECOND + 0.6, place=SECOND + 0.7))
    assert (reply["at"], reply["received_at"]) == (SECOND + 0.7, SECOND + 0.6)
    assert reply["whatsapp_at"] == SECOND


def test_a_message_of_a_history_sync_stands_at_whatsapps_time() -> None:
    old = document(replace(HELLO, source="history", received_at=SECOND + 9_999))
    assert SECOND <= old["at"] < SECOND + 1


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
    lid = LID if by_lid.sender == LID else None
    there = replace(by_lid, chat=CHAT, sender=sender, sender_lid=lid)
    before, expected = document(by_lid), document(there)
    stored, removed = moving(before, LID, CHAT)
    assert (stored.id, removed.op, removed.id) == (expected["id"], "delete", before["id"])
    assert stored.change is not None
    assert stored.change(None) == expected
    assert stored.change(expected) is None
    assert stored.change({**expected, "type": "undecryptable", "text": None}) == expected
    (placeholder, _) = moving({**before, "type": "undecryptable"}, LID, CHAT)
    assert placeholder.change is not None
    assert placeholder.change(expected) is None


OWN = replace(HELLO, from_me=True, sender="15550100001@s.whatsapp.net")
SENT = float(HELLO.at)


def noted(there: Document | None, status: str, at: float) -> Document | None:
    status_of = {"chat": CHAT, "sender": OWN.sender, "message_id": OWN.message_id}
    write = advancing("shop", {**status_of, "status": status, "at": at})
    assert write.id == document(OWN)["id"]
    assert write.change is not None
    return write.change(there)  # type: ignore[return-value]


@pytest.mark.parametrize(
    "told",
    list(permutations([("delivered", SENT + 2), ("read", SENT + 5), ("delivered", SENT + 4)])),
)
def test_a_status_only_ever_advances(told: tuple[tuple[str, float], ...]) -> None:
    """G5: in any order and however often; the first time of each stays."""
    found = document(OWN)
    first: dict[str, float] = {}
    for status, at in told:
        found = noted(found, status, at) or found
        first.setdefault(f"{status}_at", at)
        assert noted(found, status, at + 1) is None
    assert found == {**document(OWN), "status": "read", **first}


@pytest.mark.parametrize("status", ["sent", "delivered", "dead", "cancelled"])
def test_a_late_receipt_of_a_message_of_this_service_proves_it_sent(status: str) -> None:
    """G3: also where it had ended unsent."""
    write = advancing(
        "shop", {"chat": CHAT, "sender": None, "message_id": "3EB0A1", "status": "read", "at": 9.0}
    )
    assert write.id == "shop.3EB0A1"
    assert write.change is not None
    assert write.change(None) is None
    found: Any = write.change(
        {"type": "text", "status": status, "error": "x", "uncertain": True, "sent_at": 5.0}
    )
    assert (found["status"], found["read_at"]) == ("read", 9.0)
    unsent = status in {"dead", "cancelled"}
    assert (found["sent_at"], found["error"], found["uncertain"]) == (
        (9.0, None, False) if unsent else (5.0, "x", True)
    )


def test_a_receipt_is_for_what_the_phone_sent_and_is_stored() -> None:
    assert noted(None, "read", SENT) is None
    assert noted(document(HELLO), "read", SENT) is None
    early = noted(document(OWN), "read", SENT - 7)
    assert early is not None
    assert early["read_at"] == SENT, "no earlier than it was sent"


def test_a_status_outlives_a_placeholder_and_a_merge() -> None:
    hidden = document(replace(OWN, type="undecryptable", text=None, key=3))
    seen = noted(hidden, "read", SENT + 5)
    write = storing(document(OWN))
    assert write.change is not None
    shown = cast("Document", write.change(seen))
    assert shown == {**document(OWN), "status": "read", "read_at": SENT + 5, "at": hidden["at"]}
    by_lid = noted({**document(OWN), "chat": LID}, "delivered", SENT + 1)
    assert by_lid is not None
    moved, _ = moving(by_lid, LID, CHAT)
    assert moved.change is not None
    both = cast("Document", moved.change(shown))
    assert both == {**shown, "delivered_at": SENT + 1}
    assert moved.change(both) is None


def test_what_the_api_sent_keeps_its_id_and_is_in_the_persons_chat() -> None:
    """A caller finds it by the id of its acceptance."""
    target = {"message_id": "A", "sender": LID}
    before: Document = {
        "id": "shop.3EB0A1",
        "connection": "shop",
        "chat": LID,
        "source": "api",
        "content": {"v": 1, "type": "reaction", "target": target, "emoji": "x"},
        "changes": {"reactions": {LID: {"emoji": "y", "at": 1.0, "message_id": "B"}}},
        "status": "sent",
    }
    (write,) = moving(before, LID, CHAT)
    assert (write.op, write.id, write.events) == ("change", "shop.3EB0A1", None)
    assert write.change is not None
    moved = write.change(before)
    assert moved is not None
    assert moved["chat"] == CHAT
    assert moved["content"]["target"]["sender"] == CHAT
    assert list(moved["changes"]["reactions"]) == [CHAT]
    assert {name for name in before if moved[name] != before[name]} == {
        "chat",
        "content",
        "changes",
    }
    assert write.change(dict(moved)) is None
    assert write.change(None) is None
