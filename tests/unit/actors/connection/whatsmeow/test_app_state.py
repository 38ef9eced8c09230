"""App state in the program's words: each kind of entry as a change, and changes as entries."""

from __future__ import annotations

from typing import Any

import pytest
from pyaileys.proto import WAProto_pb2

from actors.connection.abilities.app_state_changes import AppStateChange
from actors.connection.whatsmeow import app_state
from actors.messages.content import ChatChange, Star, Target

ANA, LID = "15550100002@s.whatsapp.net", "90000000000002@lid"
GROUP = "120363000000000001@g.us"
AT = 1_800_000_000.25


def entry(
    index: list[str], *, removed: bool = False, at: float | None = AT, **action: Any
) -> tuple[dict[str, Any], bytes]:
    value = WAProto_pb2.SyncActionValue(timestamp=0 if at is None else int(at * 1000), **action)
    body = value.SerializeToString()
    operation = "remove" if removed else "set"
    return {"index": index, "operation": operation, "length": len(body)}, body


def read(*entries: tuple[dict[str, Any], bytes]) -> app_state.DeliveredChanges:
    told = {"changes": [each for each, _ in entries]}
    return app_state.read(told, b"".join(body for _, body in entries))


KINDS: list[tuple[tuple[dict[str, Any], bytes], AppStateChange]] = [
    (
        entry(["mute", ANA], muteAction={"muted": True, "muteEndTimestamp": 1_900_000_000_500}),
        AppStateChange.mute(ANA, muted=True, until=1_900_000_000.5, at=AT),
    ),
    (
        entry(["mute", GROUP], muteAction={"muted": True, "muteEndTimestamp": -1}),
        AppStateChange.mute(GROUP, muted=True, at=AT),
    ),
    (
        entry(["mute", ANA], muteAction={"muted": False}),
        AppStateChange.mute(ANA, muted=False, at=AT),
    ),
    (
        entry(["archive", LID], archiveChatAction={"archived": True}),
        AppStateChange.archive(LID, archived=True, at=AT),
    ),
    (
        entry(["pin_v1", ANA], pinAction={"pinned": False}, at=None),
        AppStateChange.pin(ANA, pinned=False),
    ),
    (
        entry(["markChatAsRead", ANA], markChatAsReadAction={"read": False}),
        AppStateChange.unread(ANA, unread=True, at=AT),
    ),
    (
        entry(["contact", ANA], contactAction={"fullName": "Ana Lima", "firstName": "Ana"}),
        AppStateChange.contact(ANA, full_name="Ana Lima", first_name="Ana", at=AT),
    ),
    (
        entry(["clearChat", ANA, "1", "0"], clearChatAction={}),
        AppStateChange.emptied(ANA, deleted=False, at=AT),
    ),
    (
        entry(["deleteChat", ANA, "1"], deleteChatAction={}),
        AppStateChange.emptied(ANA, deleted=True, at=AT),
    ),
    (
        entry(["label_edit", "5"], labelEditAction={"name": "New customer", "color": 2}),
        AppStateChange.label("5", name="New customer", colour=2, at=AT),
    ),
    (
        entry(["label_edit", "5"], labelEditAction={"name": "New customer", "deleted": True}),
        AppStateChange.label("5", name="New customer", deleted=True, at=AT),
    ),
    (
        entry(["label_jid", "5", GROUP], labelAssociationAction={"labeled": True}),
        AppStateChange.label_of_chat(GROUP, "5", labelled=True, at=AT),
    ),
]


@pytest.mark.parametrize(("told", "change"), KINDS)
def test_each_kind_is_a_change(told: tuple[dict[str, Any], bytes], change: AppStateChange) -> None:
    assert read(told).changes == [change]


@pytest.mark.parametrize(
    "index",
    [
        ["star", ANA, "3EB0", "0", "0"],
        ["mute"],
        ["mute", "status@broadcast"],
        ["mute", "no address"],
        ["label_edit", "5" * 65],
        ["label_jid", "a.b", ANA],
        ["label_jid", "5"],
        [],
    ],
)
def test_what_nobody_shows_is_left_out(index: list[str]) -> None:
    kept = entry(["pin_v1", ANA], pinAction={"pinned": True})
    assert read(entry(index), kept).changes == [AppStateChange.pin(ANA, pinned=True, at=AT)]


def test_an_action_that_cannot_be_read_spoils_no_other() -> None:
    broken: tuple[dict[str, Any], bytes] = (
        {"index": ["mute", ANA], "operation": "set", "length": 3},
        b"\xff\xff\xff",
    )
    kept = entry(["pin_v1", ANA], pinAction={"pinned": True})
    assert read(broken, kept).changes == [AppStateChange.pin(ANA, pinned=True, at=AT)]


def test_an_entry_is_removed() -> None:
    told = entry(["archive", ANA], removed=True, archiveChatAction={"archived": True})
    (change,) = read(told).changes
    assert change == AppStateChange.archive(ANA, archived=True, at=AT).entry_removed()


def test_the_accounts_own_name_is_no_change() -> None:
    first = entry(["setting_pushName"], pushNameSetting={"name": "Shop"})
    second = entry(["setting_pushName"], pushNameSetting={"name": "Better shop"})
    gone = entry(["setting_pushName"], removed=True)
    found = read(first, second, gone)
    assert (found.changes, found.name) == ([], "Better shop")
    assert "shop" not in repr(found)
    assert read().name is None


def test_a_change_is_an_entry_of_its_collection() -> None:
    until_then = {"lastMessageTimestamp": 1_800_000_000}
    end = ChatChange(archived=False, pinned=True, unread=True, muted=True, muted_until=1.9e9 + 0.5)
    assert app_state.patches(ANA, end, AT) == {
        "regular_low": [
            {
                "index": ["archive", ANA],
                "version": 3,
                "action": {"archiveChatAction": {"archived": False, "messageRange": until_then}},
            },
            {"index": ["pin_v1", ANA], "version": 5, "action": {"pinAction": {"pinned": True}}},
            {
                "index": ["markChatAsRead", ANA],
                "version": 3,
                "action": {"markChatAsReadAction": {"read": False, "messageRange": until_then}},
            },
        ],
        "regular_high": [
            {
                "index": ["mute", ANA],
                "version": 2,
                "action": {"muteAction": {"muted": True, "muteEndTimestamp": 1_900_000_000_500}},
            }
        ],
    }


@pytest.mark.parametrize(
    ("change", "actions"),
    [
        (ChatChange(muted=True), [{"muteAction": {"muted": True, "muteEndTimestamp": -1}}]),
        (ChatChange(muted=False), [{"muteAction": {"muted": False}}]),
        (ChatChange(pinned=False), [{"pinAction": {"pinned": False}}]),
    ],
)
def test_a_change_of_one_setting(change: ChatChange, actions: list[dict[str, Any]]) -> None:
    entries = [each for all_ in app_state.patches(ANA, change, AT).values() for each in all_]
    assert [each["action"] for each in entries] == actions


def test_an_archived_chat_is_not_pinned() -> None:
    entries = app_state.patches(ANA, ChatChange(archived=True), AT)["regular_low"]
    assert entries[1]["action"] == {"pinAction": {"pinned": False}}
    kept = app_state.patches(ANA, ChatChange(archived=True, pinned=True), AT)["regular_low"]
    assert kept[1]["action"] == {"pinAction": {"pinned": True}}


@pytest.mark.parametrize(
    ("chat", "author", "index"),
    [
        (ANA, ANA, ["star", ANA, "A", "0", "0"]),
        (ANA, None, ["star", ANA, "A", "1", "0"]),
        ("1-2@g.us", ANA, ["star", "1-2@g.us", "A", "0", ANA]),
        ("1-2@g.us", None, ["star", "1-2@g.us", "A", "1", "0"]),
    ],
)
@pytest.mark.parametrize("starred", [True, False])
def test_a_star_names_its_message(
    chat: str, author: str | None, index: list[str], starred: bool
) -> None:
    entries = app_state.star(chat, Star(Target("A", author), starred), author)
    action = {"starAction": {"starred": starred}}
    assert entries == {"regular_high": [{"index": index, "version": 2, "action": action}]}
