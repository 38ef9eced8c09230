"""Events of each write of a message: once, in any order and however often it comes."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.engine import InboxFile, InboxMessage
from actors.messages.content import Delete, Edit, File, Image, PollVote, Reaction, Target, encode
from actors.queue.mirror import mirror_writes
from actors.queue.records import record_of
from actors.state.connections import Connections, renaming
from actors.state.documents import MESSAGES
from actors.state.events.log import EventLog
from actors.state.messages.file_states import settling
from actors.state.messages.received import (
    advancing,
    changing,
    content_of,
    incoming,
    moving,
    storing,
)
from tests.unit.actors.state.events.derived_events import ACCOUNT, ANA, LID, events_of, last
from tests.unit.actors.state.events.derived_events import documents as documents  # noqa: PLC0414

if TYPE_CHECKING:
    from actors.messages.content import Content
    from actors.queue.records import Record
    from actors.state.documents import Documents, Write

HELLO = InboxMessage(7, ANA, ANA, "A", 1_764_000_000, "text", "hello")
OWN = replace(HELLO, sender=ACCOUNT, from_me=True)
ITS = Target("A", ANA)


def saying(content: Content, **more: Any) -> InboxMessage:
    said = InboxMessage(8, ANA, ANA, "C", HELLO.at + 9, content.type, None, content=encode(content))
    return replace(said, **more)


def storing_it(item: InboxMessage) -> list[Write]:
    """As the StateManager does."""
    document = incoming("shop", asdict(item), 5.0)
    return [storing(document), *changing("shop", document, content_of(asdict(item)))]


def record(status: str, **times: float) -> Record:
    fields: dict[str, str] = {
        "status": status,
        "chat": ANA,
        "type": "text",
        "text": "hi",
        "priority": "5",
        "attempts": "1",
        "accepted_at": "1",
        "revision": str(1 + len(times)),
    }
    named = {f"{name}_at": str(at) for name, at in times.items()}
    return record_of("shop", "3EB0", {**fields, **named})


async def test_a_received_message_is_an_event_with_its_content(documents: Documents) -> None:
    assert await events_of(documents, storing_it(HELLO)) == ["message.received"]
    assert await last(documents) == incoming("shop", asdict(HELLO), 5.0)
    (only,) = (await EventLog(documents).after(0)).events
    assert (only.event.connection, only.event.at) == ("shop", 5.0)


@pytest.mark.parametrize("item", [HELLO, OWN, saying(Reaction(ITS, "x"))])
async def test_history_tells_nothing(documents: Documents, item: InboxMessage) -> None:
    old = replace(item, source="history")
    assert await events_of(documents, storing_it(old)) == []
    receipt = {**asdict(old), "status": "read", "at": HELLO.at + 1}
    assert await events_of(documents, [advancing("shop", receipt)]) == []


async def test_a_message_in_place_of_a_placeholder_is_an_event(documents: Documents) -> None:
    placeholder = replace(HELLO, type="undecryptable", text=None)
    assert await events_of(documents, storing_it(placeholder)) == ["message.received"]
    assert await events_of(documents, storing_it(HELLO)) == ["message.received"]
    assert await events_of(documents, storing_it(placeholder)) == []
    ids = [each.event.id for each in (await EventLog(documents).after(0)).events]
    assert len(set(ids)) == 2


async def test_a_message_of_the_own_phone_is_a_sent_one(documents: Documents) -> None:
    assert await events_of(documents, storing_it(OWN)) == ["message.sent"]
    receipt = {**asdict(OWN), "at": OWN.at + 1}
    steps = [[advancing("shop", {**receipt, "status": each})] for each in ("read", "delivered")]
    assert await events_of(documents, *steps) == ["message.read", "message.delivered"]


async def test_each_step_of_a_sent_message_is_an_event_also_where_several_come_at_once(
    documents: Documents,
) -> None:
    assert await events_of(documents, mirror_writes.writes([record("queued", queued=1)])) == []
    read = record("read", queued=1, sending=2, sent=3, delivered=4, read=5)
    sent = record("sent", queued=1, sending=2, sent=3)
    assert await events_of(documents, mirror_writes.writes([sent])) == ["message.sent"]
    assert await events_of(documents, mirror_writes.writes([read])) == [
        "message.delivered",
        "message.read",
    ]
    assert await events_of(documents, mirror_writes.writes([sent])) == [], "an older revision"


async def test_a_letter_that_dies_twice_is_two_events(documents: Documents) -> None:
    dead = record("dead", queued=1, sending=2, dead=3)
    again = record("queued", queued=4, sending=2, dead=3, x=0)
    twice = replace(record("dead", queued=4, sending=5, dead=6, x=0, y=0), error="ack_timeout")
    assert await events_of(documents, mirror_writes.writes([dead])) == ["message.dead"]
    assert await events_of(documents, mirror_writes.writes([again])) == []
    assert await events_of(documents, mirror_writes.writes([twice])) == ["message.dead"]
    assert (await last(documents))["error"] == "ack_timeout"


async def test_a_cancelled_message_is_an_event(documents: Documents) -> None:
    assert await events_of(
        documents, mirror_writes.writes([record("cancelled", queued=1, cancelled=2)])
    ) == ["message.cancelled"]


IMAGE = replace(saying(Image(File("ab" * 32, 5, "image/png"))), message_id="A")
"""A message with a file, under the name that `settled` has."""


def settled(status: Any, error: str | None = None, at: float = 9.0) -> list[Write]:
    return [settling("shop", asdict(InboxFile(9, ANA, ANA, "A", status, error)), at)]


@pytest.mark.parametrize(
    ("status", "error"), [("stored", None), ("failed", "media_gone")], ids=["stored", "failed"]
)
async def test_a_file_that_is_stored_or_failed_is_an_event_behind_that_of_its_message(
    documents: Documents, status: Any, error: str | None
) -> None:
    waits = settled("deferred", "disk_reserve")
    assert await events_of(documents, storing_it(IMAGE), waits, settled("pending")) == [
        "message.received"
    ]
    assert await events_of(documents, settled(status, error)) == ["message.media"]
    expected = {
        "id": incoming("shop", asdict(IMAGE), 5.0)["id"],
        "message_id": "A",
        "connection": "shop",
        "chat": ANA,
        "sender": ANA,
        "direction": "in",
        "type": "image",
        "content": {"file": {"sha256": "ab" * 32, "size": 5, "mime": "image/png"}},
        "media": {"state": status, "error": error},
    }
    assert await last(documents) == expected
    assert await events_of(documents, settled("deferred"), storing_it(IMAGE)) == []
    (*_, only) = (await EventLog(documents).after(0)).events
    assert (only.event.connection, only.event.at) == ("shop", 9.0)


async def test_a_file_that_comes_after_it_failed_is_another_event(documents: Documents) -> None:
    writes = storing_it(IMAGE), settled("failed", "media_gone"), settled("stored")
    assert await events_of(documents, *writes) == ["message.received"] + ["message.media"] * 2
    assert len({each.event.id for each in (await EventLog(documents).after(0)).events}) == 3


async def test_a_file_that_is_there_before_its_message_is_an_event_behind_it(
    documents: Documents,
) -> None:
    both = ["message.received", "message.media"]
    assert await events_of(documents, settled("stored")) == []
    assert await events_of(documents, storing_it(IMAGE)) == both
    kept = {**asdict(replace(IMAGE, message_id="B")), "kept": True}
    assert await events_of(documents, [storing(incoming("shop", kept, 5.0))]) == both
    assert (await last(documents))["media"] == {"state": "stored", "error": None}


async def test_a_file_of_the_own_phone_is_an_event_and_one_of_history_or_deleted_is_none(
    documents: Documents,
) -> None:
    own = replace(IMAGE, from_me=True)
    assert await events_of(documents, storing_it(own), settled("stored")) == [
        "message.sent",
        "message.media",
    ]
    old = replace(IMAGE, chat=LID, source="history")
    failed = asdict(InboxFile(9, LID, ANA, "A", "failed", "media_not_fetched"))
    assert await events_of(documents, storing_it(old), [settling("shop", failed, 9.0)]) == []
    gone = replace(IMAGE, message_id="D")
    deleted = saying(Delete(Target("D", ANA)))
    kinds = await events_of(documents, storing_it(gone), storing_it(deleted))
    assert kinds == ["message.received", "message.changed"]
    stored = asdict(InboxFile(9, ANA, ANA, "D", "stored"))
    assert await events_of(documents, [settling("shop", stored, 9.0)]) == []


async def test_a_file_that_was_noted_under_the_other_address_of_its_chat_is_one_event(
    documents: Documents,
) -> None:
    """As its message moves there; and none where the file had ended before that."""
    by_lid = replace(IMAGE, chat=LID, sender=LID)
    found = incoming("shop", asdict(by_lid), 5.0)
    assert await events_of(documents, storing_it(by_lid), settled("stored")) == ["message.received"]
    assert await events_of(documents, list(moving(found, LID, ANA))) == ["message.media"]
    assert (await last(documents))["chat"] == ANA
    other = replace(by_lid, message_id="B")
    ended = {**incoming("shop", asdict(other), 5.0), "media": {"state": "stored", "error": None}}
    assert await events_of(documents, list(moving(ended, LID, ANA))) == []


@pytest.mark.parametrize("first", [True, False], ids=["after its message", "before it"])
@pytest.mark.parametrize(
    ("said", "more"),
    [
        (
            Reaction(ITS, "\N{THUMBS UP SIGN}"),
            {"change": "reaction", "emoji": "\N{THUMBS UP SIGN}"},
        ),
        (Edit(ITS, "hallo"), {"change": "edit", "text": "hallo"}),
        (Delete(ITS), {"change": "delete"}),
        (PollVote(ITS, ("a",)), {"change": "vote", "options": ["a"]}),
    ],
    ids=lambda value: value.type if hasattr(value, "type") else "",
)
async def test_a_change_is_one_event_and_no_message(
    documents: Documents, said: Content, more: dict[str, Any], first: bool
) -> None:
    if first:
        await documents.batch(storing_it(HELLO))
    assert await events_of(documents, storing_it(saying(said))) == ["message.changed"]
    assert await last(documents) == {
        "id": incoming("shop", asdict(HELLO), 5.0)["id"],
        "message_id": "A",
        "connection": "shop",
        "chat": ANA,
        "by": ANA,
        "change_id": "C",
        "at": HELLO.at + 9 + 8 / 1_000_000,
        **more,
    }
    if not first:
        assert await events_of(documents, storing_it(HELLO)) == ["message.received"]


async def test_a_change_by_the_own_phone_is_a_change_alone(documents: Documents) -> None:
    own = saying(Reaction(ITS, "x"), sender=ACCOUNT, from_me=True)
    assert await events_of(documents, storing_it(own)) == ["message.changed"]
    assert (await last(documents))["by"] == "me"


async def test_an_older_reaction_that_comes_late_changes_nothing(documents: Documents) -> None:
    newer = saying(Reaction(ITS, "x"), message_id="D", at=HELLO.at + 20)
    assert await events_of(documents, storing_it(HELLO), storing_it(newer)) == [
        "message.received",
        "message.changed",
    ]
    assert await events_of(documents, storing_it(saying(Reaction(ITS, "y")))) == []


async def test_a_message_that_moves_to_another_chat_is_no_second_event(
    documents: Documents,
) -> None:
    item = replace(HELLO, chat=LID, sender=LID)
    await documents.batch(storing_it(item))
    found = incoming("shop", asdict(item), 5.0)
    assert await events_of(documents, list(moving(found, LID, ANA))) == []


async def test_a_chat_that_gets_another_address_makes_one_event(documents: Documents) -> None:
    """However often its merge is repeated; what its messages do next names the former address as well."""
    await Connections(documents).create("shop", id="shop")
    renames = [[renaming("shop", LID, ANA, at)] for at in (5.0, 6.0)]
    assert await events_of(documents, *renames) == ["chat.renamed"]
    renamed = {"connection": "shop", "chat": ANA, "former": LID, "at": 5.0}
    assert await last(documents) == renamed
    assert await events_of(documents, [renaming("shop", ANA, LID, 7.0)]) == ["chat.renamed"]
    sent = record("sent", queued=1, sending=2, sent=3)
    read = record("read", queued=1, sending=2, sent=3, delivered=4, read=5)
    await documents.batch(mirror_writes.writes([replace(sent, chat=LID)]))
    assert "former" not in await last(documents)
    assert await events_of(documents, mirror_writes.writes([read])) == [
        "message.delivered",
        "message.read",
    ]
    assert {(await last(documents))[name] for name in ("chat", "former")} == {ANA, LID}
    document = await documents.get(MESSAGES, sent.id)
    assert document is not None
    assert "former" not in document
