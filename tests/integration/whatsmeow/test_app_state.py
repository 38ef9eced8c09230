"""App state: what the account's phone sets is noted once, whatever dies, and what is changed here reaches the phone."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from actors.messages.content import ChatChange, Pin, Star, Target, pack
from tests.conformance.processes import until
from tests.integration.whatsmeow.device import chat
from tests.integration.whatsmeow.kills.test_kills import died, killed, outlived

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.whatsmeow.conftest import Town
    from tests.integration.whatsmeow.device import Device

pytestmark = pytest.mark.timeout(180)

LOW = "regular_low"
COUNT = 5


def sets(town: Town, kind: str, **more: Any) -> None:
    """The account's phone changes a setting."""
    town.simulator.post(f"/phones/{town.number}/app-state", type=kind, **more)


def synced(town: Town) -> Device:
    """A device that was linked, and has had a first look at all collections."""
    device = town.linked()
    noted(device, collection=LOW, until=noted(device, collection="regular")["key"])
    return device


def noted(device: Device, **wanted: Any) -> dict[str, Any]:
    """The last change in the inbox of this kind, once it is there."""

    def matches(one: dict[str, Any]) -> bool:
        return all(one.get(name) == value for name, value in wanted.items())

    return device.until_pending("app_state", matches)


def at_phone(town: Town) -> dict[str, Any]:
    """The settings that the account's phone has, and their versions."""
    shown: dict[str, Any] = town.simulator.http.get(f"/phones/{town.number}/app-state").json()
    return shown


def version(directory: Path, collection: str = LOW) -> int | None:
    with closing(sqlite3.connect(directory / "session.db")) as file:
        row = file.execute("SELECT version FROM app_state WHERE collection = ?", (collection,))
        found = row.fetchone()
    return None if found is None else int(found[0])


def test_settings_of_the_phone_are_noted(town: Town) -> None:
    device, friend = synced(town), chat(town.friend)
    town.goes_on(device)  # it knows both addresses of the friend then
    sets(town, "contact", chat=town.friend, name="Ana Lima")
    names = {"full_name": "Ana Lima", "first_name": "Ana"}
    found = noted(device, subject="contact", id=friend, setting="name", value=names)
    assert abs(found["at"] - time.time()) < 60
    written, _ = device.said(town.friend, {"text": "by a name"}, town.number)
    assert written["sender_name"] == "Ana Lima"
    assert written["sender_lid"].endswith("@lid"), written["sender_lid"]
    assert written["push_name"] not in {None, "Ana Lima"}
    sets(town, "archive", chat=town.friend)
    noted(device, subject="chat", id=friend, setting="archived", value=True, news=True)
    sets(town, "mute", chat=town.friend, until=1_893_456_000)
    noted(device, id=friend, setting="mute", value={"until": 1_893_456_000.0})
    sets(town, "pin", chat=town.friend, addressing="lid")
    assert noted(device, id=friend, setting="pinned", value=True)["noted_as"].endswith("@lid")
    sets(town, "label", label="5", name="New customer", color=2)
    noted(device, subject="label", id="5", value={"name": "New customer", "colour": 2})
    sets(town, "label_chat", label="5", chat=town.friend, external=True)
    noted(device, subject="chat", id=friend, setting="label:5", value=True)
    sets(town, "read", chat=town.friend, read=False)
    noted(device, id=friend, setting="unread", value=True)
    sets(town, "archive", chat=town.friend, remove=True)
    noted(device, id=friend, setting="archived", value=None, removed=True)
    town.simulator.settled(town.number)


CHANGES: dict[str, tuple[ChatChange, dict[str, Any]]] = {
    "archived": (ChatChange(archived=True), {"setting": "archived", "value": True}),
    "pinned": (ChatChange(pinned=True), {"setting": "pinned", "value": True}),
    "unread": (ChatChange(unread=True), {"setting": "unread", "value": True}),
    "muted": (ChatChange(muted=True), {"setting": "mute", "value": {"until": None}}),
}


def test_a_chat_is_changed_for_all_devices(town: Town) -> None:
    """The resulting state comes back from WhatsApp; a repeated change has the same result."""
    device, friend, at = synced(town), chat(town.friend), time.time() - 100

    def change(wanted: ChatChange) -> None:
        device.process.command(do="change", chat=friend, change=pack(wanted), at=at)
        told = device.wait(("changed", "failed"))
        assert told["event"] == "changed", told

    for wanted, found in CHANGES.values():
        change(wanted)
        change(wanted)
        assert abs(noted(device, id=friend, **found)["at"] - at) < 1
    end = time.time() + 3600
    change(ChatChange(archived=False, pinned=False, unread=False, muted=True, muted_until=end))
    noted(device, id=friend, setting="mute", value={"until": int(end * 1000) / 1000})
    for name in ("archived", "pinned", "unread"):
        noted(device, id=friend, setting=name, value=None, removed=False)
    shown = at_phone(town)
    kinds = {one["type"] for one in shown["settings"] if one.get("chat") == town.friend}
    assert {"archive", "pin", "read", "mute"} <= kinds
    assert shown["patches_refused"] == 0
    town.goes_on(device)


def test_a_message_is_pinned_by_either_side(town: Town) -> None:
    device = town.linked()
    town.goes_on(device)
    written, _ = device.said(town.friend, {"text": "the address"}, town.number)
    target = Target(written["message_id"], chat(town.friend))
    for seconds in (86_400, 0):
        shown = town.simulator.item(town.friend, device.send(town.friend, Pin(target, seconds)))
        assert (shown["type"], shown["content"]["seconds"]) == ("pin", seconds)
        assert shown["content"]["target"]["id"] == target.message_id
    pin = {"type": "pin", "target": target.message_id, "seconds": 604_800}
    assert device.said(town.friend, pin, town.number)[1] == Pin(target, 604_800)


def test_a_message_is_starred_for_all_devices(town: Town) -> None:
    """By the number of its chat, with the author in a group; a repeated star has the same result."""
    device, friend = synced(town), chat(town.friend)
    written, _ = device.said(town.friend, {"text": "remember this"}, town.number)
    people = {"creator": town.friend, "participants": [town.number]}
    group = town.simulator.post("/groups", subject="Us", **people)
    for where, author in ((friend, friend), (friend, None), (group["id"], friend)):
        for starred in (True, True, False):
            change = Star(Target(written["message_id"], author), starred)
            command = {"do": "change", "chat": where, "change": pack(change), "at": time.time()}
            device.process.command(**command)
            told = device.wait(("changed", "failed"))
            assert told["event"] == "changed", told
            [found] = [
                one
                for one in at_phone(town)["settings"]
                if one["type"] == "star"
                and (one["from_me"], one["index"][1].endswith("@g.us"))
                == (author is None, where == group["id"])
            ]
            assert (found["message"], found["starred"]) == (written["message_id"], starred)
            assert (found["participant"] == "0") == (where == friend)
    assert at_phone(town)["patches_refused"] == 0
    town.goes_on(device)


STEPS = ("before_commit AppState.note", "after_commit AppState.note", "after_answer app_state")


@pytest.mark.parametrize("victim", ["self", "program"])
@pytest.mark.parametrize("dies", STEPS)
def test_no_change_is_lost_whatever_dies(town: Town, dies: str, victim: str) -> None:
    """G5: the library's version of a collection is stored after the session's: what comes again is news still."""
    directory = town.acquainted()
    before = version(directory)
    chats = [f"{int(town.friend) + 1000 * number}" for number in range(1, COUNT + 1)]
    for each in chats:
        sets(town, "archive", chat=each)
    newest = at_phone(town)["collections"][LOW]
    dying = town.made(directory=directory, epoch=2, dies_at=1, dies=dies, victim=victim)
    if victim == "self":
        killed(dying)
        assert version(directory) == (before if dies.startswith("before") else newest)
        dying = town.made(directory=directory, epoch=3)
    else:
        died(dying)
    for each in chats:
        noted(dying, id=chat(each), setting="archived", value=True, news=True)
    until(lambda: version(directory) == newest)
    town.goes_on(dying)
    sets(town, "pin", chat=chats[0])
    noted(dying, id=chat(chats[0]), setting="pinned", value=True, news=True)


CHANGING = (
    ("before_post app_state_patch", "self", False),
    ("before_post app_state_patch", "program", False),
    ("after_post app_state_patch", "self", None),
    ("after_post app_state_patch", "program", None),
    ("after_ack app_state_patch", "self", True),
)
"""Each step, and whether the phone has the change then; None where that is up to the program."""


def test_each_change_reaches_the_phone_whatever_dies(town: Town) -> None:
    """Asked for again, it has the same result, and is noted here as the phone has it."""
    device = synced(town)
    for number, (dies, victim, left) in enumerate(CHANGING, 1):
        friend, at = f"{int(town.friend) + 1000 * number}", time.time()
        wanted = {"chat": chat(friend), "change": pack(ChatChange(archived=True)), "at": at}
        device.arm(dies, victim)
        device.process.command(do="change", **wanted)
        device = outlived(town, device, victim)
        assert left in (None, archived(town, friend)), dies
        device.process.command(do="change", **wanted)
        device.wait("changed")
        assert archived(town, friend)
        noted(device, id=chat(friend), setting="archived", value=True)
        assert version(device.directory) == at_phone(town)["collections"][LOW]
    assert at_phone(town)["patches_refused"] == 0
    town.goes_on(device)


def archived(town: Town, friend: str) -> bool:
    """Whether the phone has the chat in its archive."""
    settings = at_phone(town)["settings"]
    return any(one["type"] == "archive" and one.get("chat") == friend for one in settings)


@pytest.mark.parametrize(
    "older", ["UPDATE app_state SET version = version - 1", "DELETE FROM app_state"]
)
def test_a_session_that_is_behind_gets_all_anew(town: Town, older: str) -> None:
    """An older session, or one that noted none: the library does not tell it again by itself."""
    device = synced(town)
    sets(town, "archive", chat=town.friend)
    sets(town, "pin", chat=town.friend)
    noted(device, id=chat(town.friend), setting="pinned", value=True)
    town.simulator.settled(town.number)
    before = device.pending("app_state")
    device.settle(before)
    device.close()
    newest = version(device.directory)
    with closing(sqlite3.connect(device.directory / "session.db")) as file, file:
        assert file.execute(older).rowcount > 0
    again = town.made(directory=device.directory, epoch=2)
    for setting in ("archived", "pinned"):
        noted(again, id=chat(town.friend), setting=setting, value=True, news=False)
    again.until_pending("app_state", lambda one: bool(one.get("until", 0) >= before[-1]["key"]))
    assert version(device.directory) == newest
    town.goes_on(again)


def test_all_of_a_large_collection_comes_in_parts(town: Town) -> None:
    """Killed between two of them, all comes again; its end alone counts."""
    town.simulator.post("/phones", number=town.number)
    chats = [f"{int(town.friend) + 1000 * number}" for number in range(1, 451)]
    for each in chats:
        sets(town, "archive", chat=each)
    newest = at_phone(town)["collections"][LOW]
    dying = town.made(dies_at=3, dies="after_answer app_state")  # after the name and the salt
    town.simulator.post(f"/phones/{town.number}/scan", qr=dying.wait("qr")["qr"])
    killed(dying)
    directory = dying.directory
    assert version(directory) is None
    with closing(sqlite3.connect(directory / "session.db")) as file:
        (parts, last) = file.execute(
            "SELECT count(*), max(key) FROM inbox WHERE kind = 'app_state' AND type = 'archived'"
        ).fetchone()
    assert parts in {200, 400}
    again = town.made(directory=directory, epoch=2)
    end = again.until_pending(
        "app_state", lambda one: one.get("collection") == LOW and one.get("until", 0) >= last
    )
    assert version(directory) == newest
    waiting = again.pending("app_state")
    archived = [one["id"] for one in waiting if one.get("setting") == "archived"]
    assert archived[parts:] == archived[:parts] + archived[2 * parts :]
    assert sorted(archived[parts:]) == sorted(map(chat, chats))
    assert end["key"] == end["until"] + len(chats) + 1
    town.goes_on(again)


def test_all_is_asked_for_anew(town: Town) -> None:
    device = synced(town)
    sets(town, "archive", chat=town.friend)
    noted(device, id=chat(town.friend), setting="archived", news=True)
    device.process.command(do="sync")
    device.wait("synced")
    noted(device, id=chat(town.friend), setting="archived", news=False)
    town.goes_on(device)
