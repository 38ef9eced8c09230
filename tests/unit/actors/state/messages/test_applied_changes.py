"""Changes of a message: the same result in whatever order they come, and however often (G5)."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.engine import InboxMessage
from actors.messages.content import Delete, Edit, Pin, Poll, PollVote, Reaction, Target, encode
from actors.state.messages.applied_changes import (
    MAX_REACTION_LENGTH,
    OPTION,
    former,
    is_early,
    target_id,
    text_now,
)
from actors.state.messages.received import (
    NAME_LENGTH,
    changing,
    content_of,
    incoming,
    moving,
    storing,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.messages.content import Content
    from actors.state.documents import Document, Write

ANA = "15550100002@s.whatsapp.net"
LID = "90000000000002@lid"
ACCOUNT = "15550100001@s.whatsapp.net"
HELLO = InboxMessage(7, ANA, ANA, "A", 1_764_000_000, "text", "hello")
ITS = Target("A", ANA)


def came(number: int, said: Content, **more: Any) -> InboxMessage:
    """The message of this number, a second after the one before."""
    made = InboxMessage(
        number, ANA, ANA, f"C{number}", HELLO.at + number, said.type, None, content=encode(said)
    )
    return replace(made, **more)


class Store:
    """The documents as a store has them after the writes of these items."""

    def __init__(self, *items: InboxMessage) -> None:
        self.documents: dict[str, Document] = {}
        for item in items:
            self.take(item)

    def take(self, item: InboxMessage) -> None:
        document = incoming("shop", asdict(item), 5.0)
        self.write(storing(document), *changing("shop", document, content_of(asdict(item))))

    def write(self, *writes: Write) -> None:
        for write in writes:
            if write.op == "delete":
                self.documents.pop(write.id, None)
                continue
            assert write.change is not None
            there = self.documents.get(write.id)
            changed = write.change(there if there is None else {**there, "id": write.id})
            if changed is not None:
                self.documents[write.id] = dict(changed)

    def __getitem__(self, target: Target) -> Document:
        return self.documents[target_id("shop", ANA, target)]

    def same(self, other: Store) -> bool:
        return {name: {**document, "id": name} for name, document in self.documents.items()} == {
            name: {**document, "id": name} for name, document in other.documents.items()
        }


def reactions(document: Document) -> dict[str, str]:
    return {who: one["emoji"] for who, one in document["changes"]["reactions"].items()}


TALK = (
    HELLO,
    came(1, Reaction(ITS, "👍")),
    came(2, Edit(ITS, "hello there")),
    came(3, Reaction(ITS, "")),
    came(4, Edit(ITS, "hello you")),
    came(5, Reaction(ITS, "👋"), from_me=True, sender=ACCOUNT),
)
VOTES = (
    replace(HELLO, type="poll", text=None, content=encode(Poll("Tea?", ("yes", "no"), 0))),
    came(1, PollVote(ITS, ("yes",))),
    came(2, PollVote(ITS, None)),
    came(3, PollVote(ITS, ("no",))),
    came(4, PollVote(ITS, ()), from_me=True, sender=ACCOUNT),
)


def test_any_order_gives_the_same() -> None:
    expected = Store(*TALK)
    for order in permutations(TALK):
        store = Store(*order)
        assert store.same(expected), order
        for item in TALK:
            store.take(item)
        assert store.same(expected), "repeats change nothing"


def test_the_last_vote_of_each_counts_in_any_order() -> None:
    expected = Store(*VOTES)
    votes = expected[ITS]["changes"]["votes"]
    assert {who: one["options"] for who, one in votes.items()} == {ANA: ["no"], "me": []}
    assert all(Store(*order).same(expected) for order in permutations(VOTES))


SOON = (
    HELLO,
    *(
        came(number, said, at=HELLO.at + 1)
        for number, said in (
            # In the order in which they arrived, which is not that in which they were said.
            (1, Reaction(ITS, "later", at_ms=1_764_000_000_900)),
            (2, Reaction(ITS, "first", at_ms=1_764_000_000_100)),
            (3, PollVote(ITS, ("later",), at_ms=1_764_000_000_900)),
            (4, PollVote(ITS, ("first",), at_ms=1_764_000_000_100)),
        )
    ),
)


def test_of_two_within_one_second_the_later_one_counts_in_any_order() -> None:
    """WhatsApp tells whole seconds; the sender's own time says which it is."""
    expected = Store(*SOON)
    changes = expected[ITS]["changes"]
    assert reactions(expected[ITS]) == {ANA: "later"}
    assert {who: one["options"] for who, one in changes["votes"].items()} == {ANA: ["later"]}
    assert all(Store(*order).same(expected) for order in permutations(SOON))


PINS = (
    HELLO,
    came(1, Pin(ITS, 86_400, at_ms=1_764_000_000_900), at=HELLO.at + 1),
    came(2, Pin(ITS, 0, at_ms=1_764_000_000_100), at=HELLO.at + 1, from_me=True, sender=ACCOUNT),
)


def test_the_last_pin_of_any_sender_counts_in_any_order() -> None:
    expected = Store(*PINS)
    assert expected[ITS]["changes"]["pinned"]["seconds"] == 86_400
    assert all(Store(*order).same(expected) for order in permutations(PINS))
    again = came(3, Pin(ITS, 0, at_ms=1_764_000_001_000), at=HELLO.at + 1)
    assert Store(*PINS, again)[ITS]["changes"]["pinned"]["seconds"] == 0
    gone = Store(*PINS, came(4, Delete(ITS)))
    assert "pinned" not in gone[ITS]["changes"]


def test_one_without_a_time_of_its_own_is_as_late_as_whatsapp_says() -> None:
    timed = came(1, Reaction(ITS, "timed", at_ms=int((HELLO.at + 5) * 1000)))
    for seconds, last in ((4, "timed"), (6, "bare")):
        bare = came(2, Reaction(ITS, "bare"), at=HELLO.at + seconds)
        for order in ((timed, bare), (bare, timed)):
            assert reactions(Store(HELLO, *order)[ITS]) == {ANA: last}


def test_what_a_message_is_after_its_changes() -> None:
    document = Store(*TALK)[ITS]
    assert document["text"] == "hello", "what it first said stays"
    assert text_now(document) == "hello you"
    assert [words for words, _ in former(document)] == ["hello", "hello there"]
    assert reactions(document) == {ANA: "", "me": "👋"}


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_a_delete_takes_all_with_it_in_any_order(order: Sequence[int]) -> None:
    talk = (HELLO, came(1, Edit(ITS, "secret")), came(2, Reaction(ITS, "x")), came(3, Delete(ITS)))
    store = Store(*(talk[number] for number in order))
    document = store[ITS]
    assert (document["text"], document["type"], document["at"]) == (
        None,
        "text",
        1_764_000_000.000007,
    )
    assert list(document["changes"]) == ["deleted"]
    assert text_now(document) is None
    assert former(document) == []
    assert "hello" not in str(store.documents)
    assert "secret" not in str(store.documents)
    assert len(store.documents) == 4, "each is there itself"


def test_what_comes_before_its_message_is_no_message() -> None:
    store = Store(came(1, Edit(ITS, "hello there")))
    assert is_early(store[ITS])
    assert "at" not in store[ITS], "no list has it"
    store.take(HELLO)
    assert not is_early(store[ITS])
    assert text_now(store[ITS]) == "hello there"


def test_a_placeholder_keeps_its_changes_for_the_message() -> None:
    lost = replace(HELLO, type="undecryptable", text=None)
    store = Store(lost, came(1, Reaction(ITS, "👍")), HELLO)
    assert store[ITS]["text"] == "hello"
    assert reactions(store[ITS]) == {ANA: "👍"}
    deleted = Store(lost, came(1, Delete(ITS)), HELLO)
    assert deleted[ITS]["text"] is None


def test_nobody_reaches_the_message_of_another() -> None:
    """The sender of a change is part of the id of the document that it changes."""
    mallory = "15550100009@s.whatsapp.net"
    forged = came(1, Delete(Target("A", mallory)), chat=mallory, sender=mallory)
    store = Store(HELLO, forged)
    assert store[ITS]["text"] == "hello"


def test_an_edit_has_its_words_in_the_message_alone() -> None:
    store = Store(HELLO, edit := came(1, Edit(ITS, "other words")))
    own = store[Target(edit.message_id, ANA)]
    assert (own["type"], own["text"]) == ("edit", None)
    assert "other words" not in str(own)


def test_a_long_history_keeps_the_newest() -> None:
    store = Store(HELLO, *(came(number, Edit(ITS, f"{number}")) for number in range(1, 40)))
    edits = [edit["text"] for edit in store[ITS]["changes"]["edits"]]
    assert edits == [f"{number}" for number in range(20, 40)]
    large = Store(HELLO, *(came(number, Edit(ITS, "x" * 160_000)) for number in range(1, 4)))
    assert len(large[ITS]["changes"]["edits"]) == 1


def test_a_chat_that_moves_takes_changes_and_names_along() -> None:
    """Messages under the LID are the person's under the phone number (G5)."""
    by_lid = [
        replace(HELLO, chat=LID, sender=LID),
        came(1, Reaction(Target("A", LID), "👍"), chat=LID, sender=LID),
        came(2, Edit(Target("A", LID), "hello there"), chat=LID, sender=LID),
    ]
    store = Store(*by_lid)
    for name, document in list(store.documents.items()):
        store.write(*moving({**document, "id": name}, LID, ANA))
    again = [HELLO, came(1, Reaction(ITS, "👍")), came(2, Edit(ITS, "hello there"))]
    assert store.same(Store(*(replace(each, sender_lid=LID) for each in again)))


def test_a_reaction_has_the_names_of_who_reacted() -> None:
    reaction = replace(came(1, Reaction(ITS, "👍")), sender_name="Ana Pereira", sender_lid=LID)
    edit = replace(came(2, Edit(ITS, "hello there")), sender_name="Ana Pereira")
    changes = Store(HELLO, reaction, edit)[ITS]["changes"]
    assert changes["reactions"][ANA]["sender_name"] == "Ana Pereira"
    assert changes["reactions"][ANA]["sender_lid"] == LID
    assert set(changes["edits"][0]) == {"text", "at", "message_id"}


def test_what_others_change_in_a_message_has_bounds() -> None:
    """Reactions and votes that no app of WhatsApp's has, and more edits than a document has room for."""
    globe = "\N{EARTH GLOBE EUROPE-AFRICA}"
    edits = [came(number, Edit(ITS, f"{number} " + globe * 60_000)) for number in range(8, 12)]
    said: list[Reaction | PollVote] = [
        Reaction(ITS, globe * 5_000),
        PollVote(ITS, (globe * 5_000, "b")),
    ]
    store = Store(HELLO, *edits, *(came(20 + place, each) for place, each in enumerate(said)))
    changes = store[ITS]["changes"]
    (reaction,) = changes["reactions"].values()
    (vote,) = changes["votes"].values()
    assert reaction["emoji"] == globe * MAX_REACTION_LENGTH
    assert vote["options"] == [globe * OPTION, "b"]
    assert [edit["text"].partition(" ")[0] for edit in changes["edits"]] == ["11"]


def test_how_a_sender_calls_himself_has_a_bound() -> None:
    store = Store(replace(HELLO, push_name="A" * 100_000))
    assert store[ITS]["push_name"] == "A" * NAME_LENGTH
