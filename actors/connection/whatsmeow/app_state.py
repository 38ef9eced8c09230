"""Converts app-state patches from the whatsmeow program to stored changes, and a user's chat changes to patches (pure).

Collections, indexes, versions of the format and the meaning of each action are whatsmeow's (appstate/keys.go,
appstate/encode.go, appstate.go), and whatsapp-rust's (`wacore/appstate/src/schemas.rs`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from actors.connection.abilities.app_state_changes import AppStateChange
from actors.connection.protocol.identities.addresses import GROUP, parse_optional
from actors.connection.protocol.wire_format.nodes import MalformedMessage, parse, proto

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from actors.messages.content import ChatChange, Star

FOR_EVER: Final = -1
"""The end of a mute that has none."""

_OWN_NAME: Final = "setting_pushName"
_LABEL: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class DeliveredChanges:
    """The content of a delivery: changes in order, and the account's own name where it was set."""

    changes: list[AppStateChange]
    name: str | None = field(default=None, repr=False)


def read(report: Mapping[str, Any], body: bytes) -> DeliveredChanges:
    """Read a delivery `app_state`. Settings that nobody here shows are left out, and so are unreadable ones."""
    found: list[AppStateChange] = []
    name = None
    for index, action, removed in _entries(report, body):
        if index[0] == _OWN_NAME:
            name = name if removed else action.pushNameSetting.name or name
        elif (change := _change(index, action)) is not None:
            found.append(change.entry_removed() if removed else change)
    return DeliveredChanges(found, name)


def _entries(report: Mapping[str, Any], body: bytes) -> Iterator[tuple[list[str], Any, bool]]:
    """The index, the action and whether it was removed, of each entry; `body` has one action after the other."""
    at = 0
    for each in report.get("changes") or ():
        piece, at = body[at : at + each["length"]], at + each["length"]
        index = [str(part) for part in each.get("index") or ()]
        try:
            action = parse(proto.SyncActionValue, piece)
        except MalformedMessage:
            continue
        if index:
            yield index, action, each.get("operation") == "remove"


def _change(index: Sequence[str], action: Any) -> AppStateChange | None:
    kind = _KINDS.get(index[0])
    if kind is None:
        return None
    subject = _subject(kind.named, index)
    if subject is None:
        return None
    at = action.timestamp / 1000 if action.timestamp > 0 else None
    return kind.read(subject, action, index, at)


def _subject(place: int, index: Sequence[str]) -> str | None:
    """The address, or the label's id, at this place of an index; None where it is neither."""
    if len(index) <= place:
        return None
    if index[0] == "label_edit":
        return index[place] if _LABEL.fullmatch(index[place]) else None
    address = parse_optional(index[place])
    if address is None or not (address.is_person or address.server == GROUP):
        return None
    return str(address.canonical)


def _mute(chat: str, action: Any, _: Sequence[str], at: float | None) -> AppStateChange:
    end = action.muteAction.muteEndTimestamp
    until = end / 1000 if end > 0 else None
    return AppStateChange.mute(chat, muted=action.muteAction.muted, until=until, at=at)


def _archive(chat: str, action: Any, _: Sequence[str], at: float | None) -> AppStateChange:
    return AppStateChange.archive(chat, archived=action.archiveChatAction.archived, at=at)


def _pin(chat: str, action: Any, _: Sequence[str], at: float | None) -> AppStateChange:
    return AppStateChange.pin(chat, pinned=action.pinAction.pinned, at=at)


def _unread(chat: str, action: Any, _: Sequence[str], at: float | None) -> AppStateChange:
    return AppStateChange.unread(chat, unread=not action.markChatAsReadAction.read, at=at)


def _contact(person: str, action: Any, _: Sequence[str], at: float | None) -> AppStateChange:
    names = action.contactAction
    return AppStateChange.contact(
        person, full_name=names.fullName, first_name=names.firstName, at=at
    )


def _emptied(chat: str, _: Any, index: Sequence[str], at: float | None) -> AppStateChange:
    return AppStateChange.emptied(chat, deleted=index[0] == "deleteChat", at=at)


def _label(label: str, action: Any, _: Sequence[str], at: float | None) -> AppStateChange:
    edit = action.labelEditAction
    return AppStateChange.label(
        label, name=edit.name, colour=edit.color, deleted=edit.deleted, at=at
    )


def _labelled(
    chat: str, action: Any, index: Sequence[str], at: float | None
) -> AppStateChange | None:
    if not _LABEL.fullmatch(index[1]):
        return None
    labelled = action.labelAssociationAction.labeled
    return AppStateChange.label_of_chat(chat, index[1], labelled=labelled, at=at)


@dataclass(frozen=True, slots=True)
class _EntryKind:
    """A kind of entry: how it is read, and the place in its index that names its subject."""

    read: Callable[[str, Any, Sequence[str], float | None], AppStateChange | None]
    named: int = 1


_KINDS: Final[Mapping[str, _EntryKind]] = {
    "mute": _EntryKind(_mute),
    "archive": _EntryKind(_archive),
    "pin_v1": _EntryKind(_pin),
    "markChatAsRead": _EntryKind(_unread),
    "contact": _EntryKind(_contact),
    "clearChat": _EntryKind(_emptied),
    "deleteChat": _EntryKind(_emptied),
    "label_edit": _EntryKind(_label),
    "label_jid": _EntryKind(_labelled, named=2),
}


def patches(chat: str, change: ChatChange, at: float) -> dict[str, list[dict[str, Any]]]:
    """The entries with which a chat is changed, by collection; actions are protobuf's JSON.

    An archived chat is not pinned any more, as in WhatsApp's own clients. A chat is archived, or read, up to
    the messages of `at` (seconds since the epoch): a later one brings it back.
    """
    low: list[dict[str, Any]] = []
    until_then = {"lastMessageTimestamp": int(at)}
    if change.archived is not None:
        archive = {"archived": change.archived, "messageRange": until_then}
        low.append(_entry("archive", chat, 3, {"archiveChatAction": archive}))
    pinned = False if change.archived and change.pinned is None else change.pinned
    if pinned is not None:
        low.append(_entry("pin_v1", chat, 5, {"pinAction": {"pinned": pinned}}))
    if change.unread is not None:
        mark = {"read": not change.unread, "messageRange": until_then}
        low.append(_entry("markChatAsRead", chat, 3, {"markChatAsReadAction": mark}))
    high: list[dict[str, Any]] = []
    if change.muted is not None:
        mute: dict[str, Any] = {"muted": change.muted}
        if change.muted:
            end = change.muted_until
            mute["muteEndTimestamp"] = FOR_EVER if end is None else int(end * 1000)
        high.append(_entry("mute", chat, 2, {"muteAction": mute}))
    return {name: all_ for name, all_ in (("regular_low", low), ("regular_high", high)) if all_}


def star(chat: str, change: Star, author: str | None) -> dict[str, list[dict[str, Any]]]:
    """The entry with which a message is starred, by collection; `author` is None for an own message.

    An entry names a person in groups alone, as the phone knows the message there.
    """
    named = author is not None and chat.endswith(f"@{GROUP}")
    index = [
        chat,
        change.target.message_id,
        "1" if author is None else "0",
        author if named else "0",
    ]
    action = {"starAction": {"starred": change.starred}}
    return {"regular_high": [{"index": ["star", *index], "version": 2, "action": action}]}


def own_name(name: str) -> dict[str, Any]:
    """The collection and the entry with which the account's own name is changed."""
    action = {"pushNameSetting": {"name": name}}
    return {
        "collection": "critical_block",
        "changes": [{"index": [_OWN_NAME], "version": 1, "action": action}],
    }


def _entry(kind: str, chat: str, version: int, action: dict[str, Any]) -> dict[str, Any]:
    return {"index": [kind, chat], "version": version, "action": action}
