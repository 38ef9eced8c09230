"""Groups: sender keys handed over, read, asked for again, and renewed when someone leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.trace.trace_lines import read
from tests.conformance.processes import until

if TYPE_CHECKING:
    from tests.conformance.processes import Client, Simulator


@pytest.fixture(params=["pn", "lid"])
def group(
    request: pytest.FixtureRequest, simulator: Simulator, versatile: Client, friend: str
) -> str:
    """A group of a friend's with the client in it, by either kind of address."""
    made = simulator.post(
        "/groups",
        subject=f"With {friend}",
        creator=friend,
        participants=[versatile.number],
        addressing=request.param,
    )
    versatile.wait("joined", group=made["id"])
    return str(made["id"])


def change(simulator: Simulator, group: str, **who: list[str]) -> None:
    simulator.post(f"/groups/{group}/participants", **who)


def reached(simulator: Simulator, number: str, group: str) -> list[str]:
    return [item["text"] for item in simulator.inbox(number) if item["group"] == group]


@pytest.mark.differs(tryx="D9")
def test_hears_and_writes_in_a_group(
    simulator: Simulator, versatile: Client, friend: str, group: str
) -> None:
    said = [simulator.say(friend, group, f"in {number}") for number in range(3)]
    heard = [versatile.wait("message", chat=group) for _ in said]
    assert [(one["id"], one["text"]) for one in heard] == [
        (message_id, f"in {number}") for number, message_id in enumerate(said)
    ]
    assert {one["sender"] for one in heard} == {friend}
    sent = [versatile.send(group, f"out {number}") for number in range(3)]
    until(lambda: len(reached(simulator, friend, group)) == 3)
    items = simulator.inbox(friend)
    assert [(one["id"], one["text"], one["from"]) for one in items] == [
        (message_id, f"out {number}", versatile.number) for number, message_id in enumerate(sent)
    ]
    kinds = {versatile.wait("receipt", ids=[sent[-1]])["type"] for _ in range(2)}
    assert kinds == {"delivered", "read"}
    simulator.settled(versatile.number)


@pytest.mark.parametrize("addressing", ["pn", "lid"])
def test_hears_receipts_that_are_aggregated_by_type(
    simulator: Simulator, client: Client, friend: str, addressing: str
) -> None:
    """Some clients call a message read once all members have read it."""
    before = aggregated(simulator, client)
    group, other = aggregating(simulator, client, friend, addressing, "by_type")
    client.wait("receipt", ids=[written(simulator, client, group, other)], type="delivered")
    simulator.post(f"/contacts/{other}", receipts="read")
    client.wait("receipt", ids=[written(simulator, client, group, other)], type="read")
    simulator.settled(client.number)
    until(lambda: aggregated(simulator, client) == before + 4)


@pytest.mark.differs(neonize="D28")
@pytest.mark.parametrize("addressing", ["pn", "lid"])
def test_hears_receipts_that_are_aggregated_by_message(
    simulator: Simulator, client: Client, friend: str, addressing: str
) -> None:
    before = aggregated(simulator, client)
    group, other = aggregating(simulator, client, friend, addressing, "by_message")
    first = written(simulator, client, group, other)
    lacks = client.kind == "neonize"
    client.wait("receipt", ids=["" if lacks else first], type="delivered")
    simulator.post(f"/contacts/{other}", receipts="read")
    second = written(simulator, client, group, other)
    until(lambda: aggregated(simulator, client) == before + 2)
    if not lacks:
        client.wait("receipt", 20.0, ids=[second], type="read")
        return
    simulator.settled(client.number)
    simulator.say(friend, group, "all clear")
    client.wait("message", text="all clear")
    heard = [one["ids"] for one in client.process.seen if one["event"] == "receipt"]
    assert [first] not in heard
    assert [second] not in heard


def aggregating(
    simulator: Simulator, client: Client, friend: str, addressing: str, shape: str
) -> tuple[str, str]:
    """Makes a group whose receipts are aggregated; one member reads, and the other, whom it returns, does not."""
    other = f"{int(friend) + 4_000_000}"
    simulator.post(f"/contacts/{other}", receipts="delivered")
    group = simulator.post(
        "/groups",
        subject=f"With {friend} and {other}",
        creator=friend,
        participants=[client.number, other],
        addressing=addressing,
    )["id"]
    assert simulator.post(f"/groups/{group}", receipts=shape)["receipts"] == shape
    simulator.settled(client.number)
    return str(group), other


def aggregated(simulator: Simulator, client: Client) -> int:
    """The number of aggregated receipts that were sent to the client, as the simulator's traces have them."""
    return sum(
        line.get("tag") == "receipt"
        and "participants" in [part["tag"] for part in line.get("parts", [])]
        for file in (simulator.directory / "trace").glob(f"{client.number}-*.jsonl")
        for line in read(file)
    )


def written(simulator: Simulator, client: Client, group: str, other: str) -> str:
    """The client writes to the group; returns the message's id once the other member has it."""
    before = len(reached(simulator, other, group))
    sent = client.send(group, "hello all")
    until(lambda: len(reached(simulator, other, group)) == before + 1)
    return sent


@pytest.mark.differs(neonize="D25", tryx="D9")
def test_writes_in_a_group_that_addresses_its_members_otherwise(
    simulator: Simulator, versatile: Client, friend: str, group: str
) -> None:
    """No client was notified of the other mode: the message is refused (421)."""
    versatile.send(group, "before")
    until(lambda: reached(simulator, friend, group) == ["before"])
    mode = simulator.http.get(f"/groups/{group}").json()["addressing"]
    simulator.post(f"/groups/{group}", addressing="pn" if mode == "lid" else "lid")
    versatile.process.command(do="send", to=group, text="after")
    if versatile.kind == "neonize":
        assert "421" in versatile.wait("failed", do="send")["error"]
        assert reached(simulator, friend, group) == ["before"]
        return
    versatile.wait("sent", text="after")
    until(lambda: reached(simulator, friend, group) == ["before", "after"])


@pytest.mark.differs(tryx="D9")
def test_tells_a_group_what_it_has(
    simulator: Simulator, versatile: Client, friend: str, group: str
) -> None:
    message_id = simulator.say(friend, group, "arrived?")
    versatile.wait("message", text="arrived?")
    until(lambda: bool(simulator.said(friend, message_id)["received"]))


@pytest.mark.differs(tryx="D9")
def test_knows_who_is_in_a_group(
    simulator: Simulator, versatile: Client, friend: str, group: str
) -> None:
    versatile.process.command(do="group", group=group)
    known = versatile.wait("group", group=group)
    assert known["subject"] == f"With {friend}"
    assert known["members"] == sorted([friend, versatile.number])
    versatile.process.command(do="groups")
    assert group in versatile.wait("groups")["groups"]


@pytest.mark.differs(tryx="D9", whatsmeow="D9")
def test_sets_the_timer_of_a_group(simulator: Simulator, versatile: Client, group: str) -> None:
    for seconds in (86400, 0):
        versatile.process.command(do="timer", to=group, seconds=seconds)
        until(lambda seconds=seconds: timer(simulator, group) == seconds)  # type: ignore[misc]
    simulator.settled(versatile.number)


def timer(simulator: Simulator, group: str) -> int:
    """Seconds after which messages of the group disappear."""
    return int(simulator.http.get(f"/groups/{group}").json()["seconds"])


@pytest.mark.differs(tryx="D9")
def test_writes_to_who_joined_and_not_to_who_left(
    simulator: Simulator, versatile: Client, friend: str, group: str
) -> None:
    other = f"{int(friend) + 5_000_000}"
    versatile.send(group, "before")
    change(simulator, group, add=[other])
    assert versatile.wait("members", group=group)["joined"] == 1
    simulator.say(other, group, "hello all")
    assert versatile.wait("message", text="hello all")["sender"] == other
    versatile.send(group, "welcome")
    until(lambda: reached(simulator, other, group) == ["welcome"])
    change(simulator, group, remove=[other])
    assert versatile.wait("members", group=group)["left"] == 1
    simulator.say(friend, group, "without them")
    versatile.wait("message", text="without them")
    versatile.send(group, "after")
    texts = ["before", "welcome", "hello all", "without them", "after"]
    until(lambda: sorted(reached(simulator, friend, group)) == sorted(set(texts) - {texts[3]}))
    assert reached(simulator, other, group) == ["welcome"]


@pytest.mark.differs(tryx="D9")
def test_reads_in_a_group_what_it_first_could_not(
    simulator: Simulator, versatile: Client, friend: str, group: str
) -> None:
    simulator.say(friend, group, "opens")
    versatile.wait("message", text="opens")
    fault = simulator.fault(versatile.number, "garble")
    said = simulator.say(friend, group, "garbled")
    assert versatile.wait("message", text="garbled")["id"] == said
    assert simulator.struck(fault) == 1
    simulator.say(friend, group, "and on")
    versatile.wait("message", text="and on")
    simulator.settled(versatile.number)


@pytest.mark.differs(tryx="D9")
def test_writes_again_to_a_member_who_forgot(
    simulator: Simulator, versatile: Client, friend: str, group: str
) -> None:
    versatile.send(group, "opens")
    until(lambda: reached(simulator, friend, group) == ["opens"])
    simulator.post(f"/contacts/{friend}/forget", account=versatile.number)
    versatile.send(group, "once more")
    until(lambda: reached(simulator, friend, group) == ["opens", "once more"])


@pytest.mark.differs(tryx="D9")
def test_reacts_and_sends_a_file_in_a_group(
    simulator: Simulator, versatile: Client, friend: str, group: str
) -> None:
    asked = simulator.say(friend, group, "look")
    versatile.wait("message", id=asked)
    item = simulator.item(friend, versatile.say(group, "reaction", target=asked, text="👍"))
    target: dict[str, Any] = item["content"]["target"]
    assert (item["type"], item["group"], target["id"]) == ("reaction", group, asked)
    assert target["participant"]
    item = simulator.item(friend, versatile.say(group, "image", data="AAAA", text="here"))
    assert (item["text"], item["content"]["media"]) == ("here", "ok")


@pytest.mark.differs(tryx="D9")
def test_sees_what_the_phone_wrote_in_a_group(
    simulator: Simulator, versatile: Client, friend: str, group: str
) -> None:
    simulator.post(f"/phones/{versatile.number}/say", to=group, text="from my pocket")
    heard = versatile.wait("message", text="from my pocket")
    assert (heard["from_me"], heard["chat"]) == (True, group)
    assert reached(simulator, friend, group) == ["from my pocket"]
