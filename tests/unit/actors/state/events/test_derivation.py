"""Events of each write of the service: once, in any order and however often it comes."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Literal

import pytest
import pytest_asyncio

from actors.connection.abilities.port import Call
from actors.connection.engine import InboxFile, InboxMessage
from actors.health.alerts import Alert
from actors.messages.content import Delete, Edit, File, Image, PollVote, Reaction, Target, encode
from actors.queue.mirror import mirror_writes
from actors.queue.records import record_of
from actors.state.call_events import TOLD, calling
from actors.state.connections import Connections, Observed, limiting, renaming, showing
from actors.state.documents import CONNECTIONS, MESSAGES
from actors.state.events.event import TYPES
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
from actors.state.observed_states import observation
from actors.state.sqlite.store import SqliteDocuments

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from actors.messages.content import Content
    from actors.queue.records import Record
    from actors.state.documents import Documents, Write

ANA = "15550100002@s.whatsapp.net"
LID = "90000000000002@lid"
ACCOUNT = "15550100001@s.whatsapp.net"
HELLO = InboxMessage(7, ANA, ANA, "A", 1_764_000_000, "text", "hello")
OWN = replace(HELLO, sender=ACCOUNT, from_me=True)
ITS = Target("A", ANA)


@pytest_asyncio.fixture
async def documents(tmp_path: Path) -> AsyncIterator[Documents]:
    store = SqliteDocuments(tmp_path / "state.db")
    await EventLog(store).want(time.time() + 1000)
    yield store
    await store.close()


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


async def events_of(documents: Documents, *writes: Sequence[Write]) -> list[str]:
    """Returns the types of events of these batches, each written twice."""
    before = (await EventLog(documents).head()).seq
    for batch in writes:
        await documents.batch(batch)
        await documents.batch(batch)
    return [each.event.type for each in (await EventLog(documents).after(before)).events]


async def last(documents: Documents) -> dict[str, Any]:
    events = (await EventLog(documents).after(0)).events
    return events[-1].event.data


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


async def test_a_state_is_an_event_when_it_or_its_cause_changes(documents: Documents) -> None:
    await Connections(documents).create("shop", id="shop")
    opened = Observed("open", epoch=2, since=10.0, beat=11.0, account=ACCOUNT)

    def seen(**new: Any) -> list[Write]:
        return [observation("shop", replace(opened, **new))]

    assert await events_of(documents, seen()) == ["connection.state"]
    assert await last(documents) == {
        "id": "shop",
        "state": "open",
        "cause": None,
        "epoch": 2,
        "since": 10.0,
        "account": ACCOUNT,
        "retry_at": None,
    }
    assert await events_of(documents, seen(beat=40.0)) == []
    fallen = seen(state="reconnecting", cause="network", since=50.0)
    again = seen(state="reconnecting", cause="keepalive", since=60.0)
    assert await events_of(documents, fallen, again) == ["connection.state"] * 2
    assert await events_of(documents, seen(state="stopped", epoch=1, since=99.0)) == [], (
        "an old owner"
    )
    assert await Connections(documents).observe("shop", Observed("failed", epoch=3, since=70.0))
    assert (await last(documents))["state"] == "failed"


async def test_a_later_owner_that_opens_a_connection_anew_is_an_event(documents: Documents) -> None:
    await Connections(documents).create("shop", id="shop")
    opened = Observed("open", epoch=2, since=10.0, beat=11.0, account=ACCOUNT)
    anew = replace(opened, epoch=3, since=20.0, beat=21.0)
    assert await events_of(documents, [observation("shop", opened)]) == ["connection.state"]
    assert await events_of(documents, [observation("shop", anew)]) == ["connection.state"]
    waits = replace(anew, state="reconnecting", cause="network", since=40.0)
    again = replace(waits, epoch=4, since=50.0)
    assert await events_of(documents, [observation("shop", waits)]) == ["connection.state"]
    assert await events_of(documents, [observation("shop", again)]) == [], "not open yet"


async def test_a_limit_is_an_event_when_it_begins_moves_and_ends(documents: Documents) -> None:
    await Connections(documents).create("shop", id="shop")

    def limited(until: float | None, at: float) -> list[Write]:
        reason = None if until is None else "time_lock"
        return [limiting("shop", {"until": until, "reason": reason, "at": at})]

    assert await events_of(documents, limited(None, 1.0)) == [], "it never was"
    assert await events_of(documents, limited(60.0, 2.0)) == ["connection.limited"]
    assert await events_of(documents, limited(60.0, 3.0)) == [], "as at each login"
    assert await last(documents) == {"id": "shop", "until": 60.0, "reason": "time_lock", "at": 2.0}
    assert await events_of(documents, limited(90.0, 4.0), limited(None, 5.0)) == [
        "connection.limited",
        "connection.limited",
    ]
    assert await events_of(documents, limited(None, 6.0)) == []
    assert await events_of(documents, limited(60.0, 7.0)) == ["connection.limited"], "another one"
    events = [each.event for each in (await EventLog(documents).after(0)).events]
    assert [each.at for each in events] == [2.0, 4.0, 5.0, 7.0]
    assert len({each.id for each in events}) == 4


async def test_each_qr_and_code_is_one_event_without_itself(documents: Documents) -> None:
    await Connections(documents).create("shop", id="shop")

    def shown(number: int, epoch: int = 2, kind: str = "qr") -> list[Write]:
        notice = {"kind": kind, "number": number, "expires_at": 60.0 + number, "at": 40.5}
        return [showing("shop", epoch, notice)]

    both = shown(1) + shown(2, kind="code")
    assert await events_of(documents, both) == ["connection.qr"] * 2
    assert await last(documents) == {
        "id": "shop",
        "kind": "code",
        "number": 2,
        "epoch": 2,
        "expires_at": 62.0,
    }
    assert await events_of(documents, shown(1), shown(2)) == [], "a repeated report"
    assert await events_of(documents, shown(3), shown(1, epoch=3)) == ["connection.qr"] * 2
    assert await events_of(documents, shown(9)) == [], "an old owner"
    events = [each.event for each in (await EventLog(documents).after(0)).events]
    assert {(each.connection, each.at) for each in events} == {("shop", 40.5)}
    assert len({each.id for each in events}) == 4
    assert await events_of(documents, shown(4, 3, "passkey")) == ["connection.passkey"]
    opened = observation("shop", Observed("open", epoch=3, since=99.0))
    assert await events_of(documents, [opened]) == ["connection.state"], "what is noted stays"


async def test_a_call_is_an_event_when_it_rings_and_when_it_is_over(documents: Documents) -> None:
    """Each once, however often WhatsApp repeats it, also with another call in between."""
    await Connections(documents).create("shop", id="shop")

    def called(id_: str, state: Literal["offered", "ended"], at: int) -> list[Write]:
        call = Call(id_, "15550100002@s.whatsapp.net", at, state)
        return [calling("shop", asdict(call))]

    assert await events_of(documents, called("A", "offered", 5)) == ["call.received"]
    assert await last(documents) == {
        "id": "A",
        "caller": "15550100002@s.whatsapp.net",
        "at": 5,
        "state": "offered",
        "video": False,
        "group": None,
        "sender_name": None,
        "sender_lid": None,
        "connection": "shop",
    }
    again = called("B", "offered", 6) + called("A", "offered", 7)
    assert await events_of(documents, again) == ["call.received"], "A has its event already"
    both = called("A", "ended", 9) + called("B", "ended", 9)
    assert await events_of(documents, both) == ["call.received"] * 2
    assert await events_of(documents, called("B", "ended", 9)) == []
    events = [each.event for each in (await EventLog(documents).after(0)).events]
    assert [each.at for each in events] == [5.0, 6.0, 9.0, 9.0]
    assert len({each.id for each in events}) == 4
    document = await documents.get(CONNECTIONS, "shop")
    assert document is not None
    assert "1555" not in repr(document["calls"])
    for number in range(TOLD):
        await documents.batch(called(f"C{number}", "offered", 10))
    document = await documents.get(CONNECTIONS, "shop")
    assert document is not None
    assert len(document["calls"]) == TOLD
    assert await events_of(documents, called("A", "offered", 5)) == ["call.received"], "long ago"


async def test_an_alert_is_an_event_when_it_is_raised_and_when_it_is_over(
    documents: Documents,
) -> None:
    alert = Alert("connection_failed", "shop", "critical", "It failed.", 10.0)
    other = replace(alert, reason="It failed again.")
    assert await events_of(documents, [alert.write], [other.write]) == ["alert.raised"]
    over = replace(other, cleared_at=20.0)
    assert await events_of(documents, [over.write]) == ["alert.cleared"]
    (*_, cleared) = (await EventLog(documents).after(0)).events
    assert (cleared.event.connection, cleared.event.at) == ("shop", 20.0)


async def test_an_alert_that_lasts_is_a_further_event(documents: Documents) -> None:
    alert = Alert("redis_away", None, "critical", "It is.", 10.0)
    once, twice = alert.again(3610.0), alert.again(3610.0).again(10_810.0)
    assert await events_of(documents, [alert.write], [once.write]) == [
        "alert.raised",
        "alert.repeated",
    ]
    assert await events_of(documents, [once.write]) == [], "a write that is repeated"
    over = replace(twice, cleared_at=10_900.0)
    assert await events_of(documents, [twice.write], [over.write]) == [
        "alert.repeated",
        "alert.cleared",
    ]
    events = [each.event for each in (await EventLog(documents).after(0)).events]
    assert [each.at for each in events] == [10.0, 3610.0, 10_810.0, 10_900.0]
    assert len({each.id for each in events}) == 4


def test_every_type_is_named_by_a_noun_and_what_became_of_it() -> None:
    assert len(TYPES) == 19
    nouns = {"message", "connection", "call", "chat", "contact", "alert"}
    assert {name.partition(".")[0] for name in TYPES} == nouns
