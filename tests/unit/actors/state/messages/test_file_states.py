"""The outcome of a file is in its message's document, in any order of the two (G5)."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import permutations
from typing import TYPE_CHECKING, Any, cast

import pytest

from actors.connection.engine import InboxFile, InboxMessage
from actors.messages.content import Delete, File, Image, Target, encode
from actors.state.messages.applied_changes import is_early, noting
from actors.state.messages.file_states import later, settling
from actors.state.messages.received import FORMER_SUFFIX, incoming, moving, storing

if TYPE_CHECKING:
    from actors.state.documents import Document, Write

CHAT = "15550100002@s.whatsapp.net"
LID = "90000000000002@lid"
IMAGE = encode(Image(File("ab" * 32, 5, "image/png"), "look"))
MESSAGE = InboxMessage(7, CHAT, CHAT, "3EB0A1", 1_764_000_000, "image", "look", content=IMAGE)
PLACEHOLDER = replace(MESSAGE, type="undecryptable", text=None, content=None)
PENDING = {"state": "pending", "error": None}
STORED = {"state": "stored", "error": None}
GONE = {"state": "failed", "error": "media_gone"}


def file(status: Any, error: str | None = None, chat: str = CHAT) -> Write:
    return settling("shop", asdict(InboxFile(9, chat, chat, "3EB0A1", status, error)), 6.0)


def document(message: InboxMessage = MESSAGE) -> Document:
    return incoming("shop", asdict(message), 5.0)


def applied(*writes: Write) -> Document:
    """The document once these writes were made; what changes nothing writes nothing."""
    found: Document | None = None
    for write in writes:
        assert write.change is not None
        new = cast("Document | None", write.change(found))
        assert new != found
        found = new or found
    assert found is not None
    return found


def test_a_message_with_a_file_begins_as_pending() -> None:
    assert document()["media"] == PENDING
    assert "media" not in document(replace(MESSAGE, type="text", content=None))
    assert "media" not in document(PLACEHOLDER)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_in_any_order_it_is_the_same(order: tuple[int, ...]) -> None:
    writes = [storing(document()), file("failed", "media_gone"), file("stored")]
    found: Document | None = None
    for index in (*order, *order):
        change = writes[index].change
        assert change is not None
        found = cast("Document", change(found)) or found
    assert found == {**document(), "media": STORED}
    for write in writes:
        assert write.change is not None
        assert write.change(found) is None, "a repeat writes nothing"


def test_before_its_message_it_shows_in_no_list() -> None:
    early = applied(file("stored"))
    assert is_early(early)
    assert early == {"connection": "shop", "chat": CHAT, "media": STORED}
    shown = applied(file("stored"), storing(document(PLACEHOLDER)), storing(document()))
    assert shown == {**document(), "media": STORED}


def test_a_file_that_waits_is_shown_so_until_it_comes() -> None:
    waits = {"state": "deferred", "error": "disk_reserve"}
    until_tomorrow = {"state": "deferred", "error": "sender_budget"}
    notes = [file("deferred", "disk_reserve"), file("deferred", "sender_budget"), file("pending")]
    assert applied(storing(document()), notes[0])["media"] == waits
    assert applied(storing(document()), *notes[:2])["media"] == until_tomorrow
    assert applied(storing(document()), *notes)["media"] == PENDING
    assert applied(storing(document()), *notes, file("stored"))["media"] == STORED
    assert applied(notes[0], storing(document()))["media"] == waits, "its message may come later"
    for ended in (file("stored"), file("failed", "media_gone")):
        there = applied(storing(document()), ended)
        for late in notes:
            assert late.change is not None
            assert late.change(there) is None, "what ended is over"


def test_a_message_that_names_no_file_says_why_there_will_be_none() -> None:
    bare = replace(MESSAGE, text=None, content=None)
    found = applied(storing(document(bare)), file("failed", "media_unusable"))
    assert found["media"] == {"state": "failed", "error": "media_unusable"}


def test_what_was_deleted_has_no_file() -> None:
    gone = noting(
        "shop", CHAT, Delete(Target("3EB0A1", CHAT)), who=CHAT, at=9.0, message_id="D", news=True
    )
    found = applied(storing(document()), gone)
    assert "media" not in found
    for write in (file("stored"), storing(document())):
        assert write.change is not None
        assert write.change(found) is None
    assert "media" not in applied(file("stored"), gone, storing(document()))


def test_it_moves_with_its_message_to_another_chat() -> None:
    by_lid = document(replace(MESSAGE, chat=LID, sender=LID))
    stored, _ = moving({**by_lid, "media": GONE}, LID, CHAT)
    assert applied(stored) == {**document(replace(MESSAGE, sender_lid=LID)), "media": GONE}
    assert applied(file("stored"), stored)["media"] == STORED
    assert applied(storing(document()), stored)["media"] == GONE


def test_of_a_connection_that_is_gone_it_counts_for_nothing() -> None:
    gone = {**document(), "media": GONE, "connection": f"{document()['connection']}{FORMER_SUFFIX}"}
    write = file("stored")
    assert write.change is not None
    assert write.change(gone) is None
    again = storing(document())
    assert again.change is not None
    assert cast("Document", again.change(gone))["media"] == PENDING


@pytest.mark.parametrize(
    ("one", "other", "counts"),
    [
        (None, None, None),
        (None, PENDING, PENDING),
        (PENDING, GONE, GONE),
        (GONE, STORED, STORED),
        (STORED, PENDING, STORED),
    ],
)
def test_which_of_two_counts(one: Any, other: Any, counts: Any) -> None:
    assert later(one, other) == later(other, one) == counts
