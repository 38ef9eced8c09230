"""Events of states, limits, codes, calls and alerts: once, in any order and however often they come."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Literal

from actors.connection.abilities.port import Call
from actors.health.alerts import Alert
from actors.state.call_events import CALL_IDS, calling
from actors.state.connection_document import Observed
from actors.state.connections import Connections, limiting, showing
from actors.state.documents import CONNECTIONS
from actors.state.events.event import EVENT_TYPES
from actors.state.events.log import EventLog
from actors.state.observed_states import observation
from tests.unit.actors.state.events.derived_events import ACCOUNT, events_of, last
from tests.unit.actors.state.events.derived_events import documents as documents  # noqa: PLC0414

if TYPE_CHECKING:
    from actors.state.documents import Documents, Write


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
    for number in range(CALL_IDS):
        await documents.batch(called(f"C{number}", "offered", 10))
    document = await documents.get(CONNECTIONS, "shop")
    assert document is not None
    assert len(document["calls"]) == CALL_IDS
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
    assert len(EVENT_TYPES) == 22
    nouns = {"message", "connection", "call", "chat", "contact", "group", "alert"}
    assert {name.partition(".")[0] for name in EVENT_TYPES} == nouns
