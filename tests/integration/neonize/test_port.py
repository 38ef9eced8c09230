"""The second engine through its port: kinds, ids, receipts, questions, and what it must not do."""

from __future__ import annotations

import re
import stat
import time
from typing import TYPE_CHECKING, Any

from actors.messages.content import (
    Card,
    Contact,
    Content,
    Delete,
    Edit,
    Location,
    Poll,
    PollVote,
    Quote,
    Reaction,
    Target,
    Text,
)
from tests.conformance.processes import until
from tests.integration.neonize.conftest import ACCOUNT
from tests.integration.whatsmeow.device import chat

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.processes import Simulator
    from tests.integration.whatsmeow.device import Device


def arrived(simulator: Simulator, friend: str, count: int) -> dict[str, Any]:
    until(lambda: len(simulator.inbox(friend)) >= count)
    return simulator.inbox(friend)[count - 1]


def assert_now(told: dict[str, Any]) -> None:
    """WhatsApp's time, in seconds."""
    assert abs(told["at"] - time.time()) < 100


def test_each_kind_reaches_the_contact_and_its_changes_find_it(
    simulator: Simulator, phone: Device, friend: str
) -> None:
    """WhatsApp knows other ids than the service, which names its own messages by its own (G3)."""
    theirs, _ = phone.said(friend, {"text": "well?"}, ACCOUNT)
    target = Target(theirs["message_id"], chat(friend))
    first = phone.send(friend, Text("yes", Quote(target, "well?")))
    got = arrived(simulator, friend, 1)
    assert (got["text"], got["content"]["reply_to"]["id"]) == ("yes", theirs["message_id"])
    assert got["id"] != first
    kinds: list[tuple[Content, dict[str, Any]]] = [
        (Location(38.75, -9.25, "Here"), {"latitude": 38.75, "longitude": -9.25, "name": "Here"}),
        (Contact((Card("Ben", "BEGIN:VCARD\nEND:VCARD"),)), {"name": "Ben"}),
        (Poll("Tea?", ("yes", "no"), 1, "ab" * 32), {"options": ["yes", "no"], "selectable": 1}),
    ]
    for number, (said, shown) in enumerate(kinds, 2):
        phone.send(friend, said)
        item = arrived(simulator, friend, number)
        assert item["type"] == said.type
        assert shown.items() <= item["content"].items()
    changes: list[tuple[Content, str, str]] = [
        (Reaction(target, "+"), "+", theirs["message_id"]),
        (Reaction(Target(first, None), "!"), "!", got["id"]),
        (Edit(Target(first, None), "gladly"), "gladly", got["id"]),
        (Delete(Target(first, None)), "", got["id"]),
    ]
    for number, (change, text, about) in enumerate(changes, 5):
        phone.send(friend, change)
        item = arrived(simulator, friend, number)
        assert (item["type"], item["text"] or "") == (change.type, text)
        assert item["content"]["target"]["id"] == about


def test_what_speaks_of_a_sent_message_speaks_of_the_services_id(
    simulator: Simulator, phone: Device, friend: str
) -> None:
    ours = phone.begin(friend, "hi")
    assert_now(phone.wait("sent", id=ours))
    poll = phone.send(friend, Poll("Tea?", ("yes", "no"), 1, "ab" * 32))
    hi, asked = (arrived(simulator, friend, number)["id"] for number in (1, 2))
    statuses = {"delivered", "read"}

    def told(one: dict[str, Any]) -> bool:
        assert_now(one)
        if one["message_ids"] == [ours]:
            statuses.discard(one["status"])
        return not statuses

    phone.until_pending("receipt", told)
    item, said = phone.said(friend, {"text": "why?", "reply_to": hi}, ACCOUNT)
    assert said == Text("why?", Quote(Target(ours, None)))
    assert_now(item)
    reaction = {"type": "reaction", "target": hi, "text": "+"}
    assert phone.said(friend, reaction, ACCOUNT)[1] == Reaction(Target(ours, None), "+")
    vote = {"type": "vote", "target": asked, "options": ["no"]}
    assert phone.said(friend, vote, ACCOUNT)[1] == PollVote(Target(poll, None), ("no",))


def test_what_was_read_is_told_to_its_sender(
    simulator: Simulator, phone: Device, friend: str
) -> None:
    """Again without harm, and with settings that change meanwhile."""
    for words in ("one", "two"):
        phone.said(friend, {"text": words}, ACCOUNT)

    def read() -> list[bool]:
        found = simulator.http.get(f"/contacts/{friend}/said").json()["items"]
        return [one["read"] for one in found]

    assert read() == [False, False]
    for shown in (True, False):
        phone.process.command(do="mark", chat=chat(friend), show_online=shown)
        phone.wait("marked")
        until(lambda: read() == [True, True])


def test_what_is_asked_is_answered(simulator: Simulator, phone: Device, friend: str) -> None:
    other = str(int(friend) + 5000)
    simulator.post(f"/contacts/{other}", registered=False)
    for number, found in ((friend, chat(friend)), (other, None)):
        phone.process.command(do="lookup", number=chat(number))
        assert phone.wait("looked")["chat"] == found
    phone.process.command(do="typing", chat=chat(friend), state="recording")
    phone.wait("typed")

    def seen() -> list[Any]:
        url = f"/contacts/{friend}/presence"
        return [one["state"] for one in simulator.http.get(url).json()["seen"]]

    until(lambda: seen() == ["recording"])


def test_a_socket_that_carries_nothing_gives_no_sign_of_life(
    simulator: Simulator, phone: Device
) -> None:
    phone.process.command(do="probe", within=10)
    assert phone.wait("probed")["lives"]
    fault = simulator.fault(ACCOUNT, "freeze")
    phone.process.command(do="probe", within=1)
    assert not phone.wait("probed")["lives"]
    assert simulator.struck(fault) >= 1
    simulator.http.delete("/faults", params={"account": ACCOUNT})


def test_a_send_that_fails_says_how(simulator: Simulator, phone: Device, friend: str) -> None:
    phone.send(friend, "opens")
    for code, named, permanent in ((463, "reach_out_refused", True), (500, "refused_500", False)):
        fault = simulator.fault(ACCOUNT, "error_acks", count=1, code=code)
        phone.begin(friend, "refused")
        failed = phone.wait("failed")
        assert simulator.struck(fault) == 1
        assert failed == {
            "event": "failed",
            "do": "send",
            "code": named,
            "permanent": permanent,
            "uncertain": False,
        }
    phone.process.command(do="send", id="1", chat="1@broadcast", content={"v": 1, **TEXT})
    failed = phone.wait("failed")
    assert (failed["code"], failed["permanent"]) == ("unsupported_chat", True)


TEXT = {"type": "text", "text": "never"}


def test_go_tells_nobody_and_its_keys_are_its_owners(phone: Device, friend: str) -> None:
    """G10: Go prints whom a send that failed was for; also what is beside its database is private."""
    other = str(int(friend) + 6000)
    phone.simulator.post(f"/contacts/{other}", registered=False)
    phone.begin(other, "a secret text")
    phone.wait("failed")
    assert phone.log.read_text() == "", "Go's output comes through"
    log = (phone.directory / "engine.log").read_text()
    assert not re.search(r"1555\d{7}|secret", log)
    files = [*phone.directory.glob("whatsmeow.db*"), *phone.directory.glob("session.db*")]
    assert len(files) >= 3
    assert {stat.S_IMODE(one.stat().st_mode) for one in files} == {0o600}


def test_a_killed_one_opens_without_a_qr_and_keeps_its_ids(
    simulator: Simulator, made: Callable[..., Device], friend: str
) -> None:
    """G7; and what was sent before is found by what comes after."""
    number = "15550100022"
    first = made()
    first.pair(number)
    ours = first.send(friend, "before")
    theirs = arrived(simulator, friend, 1)["id"]
    first.process.kill()
    again = made(directory=first.directory, epoch=2)
    assert again.wait("opened")["account"] == chat(number)
    again.wait("open")
    assert "qr" not in [one["event"] for one in again.process.seen]
    reaction = {"type": "reaction", "target": theirs, "text": "+"}
    assert again.said(friend, reaction, number)[1] == Reaction(Target(ours, None), "+")
    again.send(friend, "after")
    again.close()


def test_an_owner_whose_epoch_is_over_sends_nothing(
    simulator: Simulator, made: Callable[..., Device], friend: str
) -> None:
    """G6: its successor has the session file, though it has not logged in yet."""
    stale = made(reconnect=False)
    stale.pair("15550100023")
    fault = simulator.fault("15550100023", "reject_login", reason=503)
    successor = made(directory=stale.directory, epoch=2)
    successor.wait("opened")
    stale.begin(friend, "too late")
    assert stale.wait("failed")["code"] == "not_connected"
    ended = stale.wait("ended")
    assert (ended["kind"], ended["detail"]) == ("replaced", "stale_epoch")
    until(lambda: not simulator.account("15550100023")["online"])
    assert simulator.texts(friend) == []
    simulator.http.delete("/faults", params={"id": fault})


def test_who_logs_out_forgets_and_shows_a_qr(made: Callable[..., Device]) -> None:
    one = made()
    one.pair("15550100024")
    one.process.command(do="logout")
    assert one.wait("ended")["kind"] == "logged_out"
    assert one.wait("logged_out")["account"] is None
    assert not (one.directory / "whatsmeow.db").exists()
    one.process.command(do="run")
    one.pair("15550100024")
    one.close()
