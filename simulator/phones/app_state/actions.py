"""Converts settings between JSON of the control API and protobuf app state actions.

Collections, indexes and versions after whatsmeow `appstate/keys.go` and `appstate/encode.go` and whatsapp-rust
`wacore/appstate/src/schemas.rs`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from simulator.contacts.people import ADDRESSINGS
from simulator.control.request_parser import ProblemError, field, optional
from simulator.server.groups.group import is_group
from simulator.server.rules.privacy_tokens import new_salt
from simulator.wire.proto_schema import SyncActionValue
from simulator.wire.protocol_library import LID_SERVER, MAX_NAME_LENGTH, parse_jid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.contacts.people import People
    from simulator.server.groups.group import Groups

PUSH_NAME_SETTING: Final = "setting_pushName"


@dataclass(frozen=True)
class SettingKind:
    """A kind of setting. `flag` is the field of the action that is on or off; empty without one."""

    collection: str
    name: str
    action: str
    version: int
    flag: str = ""


SETTING_KINDS: Final = {
    "contact": SettingKind("critical_unblock_low", "contact", "contact_action", 2),
    "archive": SettingKind("regular_low", "archive", "archive_chat_action", 3, "archived"),
    "pin": SettingKind("regular_low", "pin_v1", "pin_action", 5, "pinned"),
    "read": SettingKind("regular_low", "markChatAsRead", "mark_chat_as_read_action", 3, "read"),
    "mute": SettingKind("regular_high", "mute", "mute_action", 2, "muted"),
    "star": SettingKind("regular_high", "star", "star_action", 2, "starred"),
    "label": SettingKind("regular", "label_edit", "label_edit_action", 3, "deleted"),
    "label_chat": SettingKind("regular", "label_jid", "label_association_action", 3, "labeled"),
    "push_name": SettingKind("critical_block", PUSH_NAME_SETTING, "push_name_setting", 1),
    "salt": SettingKind("regular_high", "nct_salt_sync", "nct_salt_sync_action", 1),
}
_COLORS: Final = 20
_FOREVER: Final = -1
_LATEST: Final = 1e12
"""Seconds since the epoch."""
_LABELS: Final = ("label", "label_chat")
_RANGED: Final = ("archive", "read")
"""Kinds whose actions have a message range."""


def is_name(name: str) -> bool:
    """Returns whether a text is valid as an attribute of a stanza."""
    return 0 < len(name) <= MAX_NAME_LENGTH and "@" not in name


def _end(body: dict[str, Any]) -> int:
    """Returns the end of a mute in milliseconds since the epoch. Raises ProblemError."""
    if "until" not in body:
        return _FOREVER
    until = field(body, "until", (int, float))
    if not 0 < until < _LATEST:
        raise ProblemError(400, "bad_number", "until must be seconds since the epoch")
    return int(until * 1000)


def _color(body: dict[str, Any]) -> int:
    """Returns the number of a label's color. Raises ProblemError."""
    color = optional(body, "color", 0)
    if not 0 <= color < _COLORS:
        raise ProblemError(400, "bad_number", f"color must be 0 to {_COLORS - 1}")
    return color


@dataclass(frozen=True)
class AppStateSetting:
    """A setting as app state has it; `value` is a SyncActionValue, None where it is removed."""

    kind: SettingKind
    index: tuple[str, ...]
    value: Any


class Actions:
    """Converts settings; reads people and groups, and changes nothing."""

    def __init__(self, people: People, groups: Groups) -> None:
        self._people = people
        self._groups = groups

    def push_name(self, name: str) -> AppStateSetting:
        """Returns the setting of the account's own name."""
        return self._setting("push_name", (), {"name": name})

    def salt(self, salt: bytes) -> AppStateSetting:
        """Returns the setting of the salt of privacy tokens; without a salt its removal."""
        if salt:
            return self._setting("salt", (), {"salt": salt})
        return AppStateSetting(SETTING_KINDS["salt"], (SETTING_KINDS["salt"].name,), None)

    def described(self, body: dict[str, Any]) -> AppStateSetting:
        """Returns the setting that a request describes. Raises ProblemError."""
        kind = field(body, "type", str)
        if kind not in SETTING_KINDS:
            raise ProblemError(400, "bad_type", f"type must be one of {', '.join(SETTING_KINDS)}")
        mode = optional(body, "addressing", "pn")
        if mode not in ADDRESSINGS:
            raise ProblemError(400, "bad_addressing", "addressing must be pn or lid")
        if kind == "push_name":
            if not is_name(name := field(body, "name", str)):
                raise ProblemError(400, "bad_name", "name must be 1 to 254 characters, without @")
            return self.push_name(name)
        if kind == "salt":
            return self.salt(b"" if optional(body, "remove", False) else new_salt())
        index: tuple[str, ...] = (field(body, "label", str),) if kind in _LABELS else ()
        if kind != "label":
            index += (self._jid(field(body, "chat", str), ADDRESSINGS[mode]),)
        if kind == "star":
            index += self._message(body, ADDRESSINGS[mode])
        if optional(body, "remove", False):
            return AppStateSetting(SETTING_KINDS[kind], (SETTING_KINDS[kind].name, *index), None)
        return self._setting(kind, index, self._fields(kind, body))

    def shown(self, collection: str, index: Sequence[str], action: bytes) -> dict[str, Any]:
        """Returns a setting as the control API shows it.

        `type` is its name in app state for a kind that the simulator does not know.
        """
        value = SyncActionValue.FromString(action)
        found = next(
            ((word, kind) for word, kind in SETTING_KINDS.items() if kind.name == index[0]), None
        )
        shown: dict[str, Any] = {"collection": collection, "index": list(index)}
        if found is None:
            return {"type": index[0], **shown}
        word, kind = found
        part = getattr(value, kind.action)
        shown |= {"type": word, "at": value.timestamp / 1000}
        if kind.flag:
            shown[kind.flag] = getattr(part, kind.flag)
        if word == "push_name":
            shown["name"] = part.name
        if word == "contact":
            shown |= {"name": part.full_name, "first_name": part.first_name}
        if word == "mute":
            end = part.mute_end_timestamp
            shown["until"] = end / 1000 if end > 0 else None
        if word == "star" and len(index) > 4:
            shown |= {"message": index[2], "from_me": index[3] == "1", "participant": index[4]}
        index = index[1:]
        if word in _LABELS:
            shown["label"], index = index[0], index[1:]
        if word == "label":
            shown |= {"name": part.name, "color": part.color}
        if index:
            shown["chat"] = self._chat(index[0])
        return shown

    def _fields(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        flag = SETTING_KINDS[kind].flag
        if flag:
            fields: dict[str, Any] = {flag: optional(body, flag, kind != "label")}
            if kind == "mute" and fields[flag]:
                fields["mute_end_timestamp"] = _end(body)
            if kind == "label":
                fields |= {"name": field(body, "name", str), "color": _color(body)}
            return fields
        name = field(body, "name", str)
        person = self._people.named(field(body, "chat", str).lstrip("+"))
        return {
            "full_name": name,
            "first_name": optional(body, "first_name", name.partition(" ")[0]),
            "lid_jid": str(person.address(LID_SERVER)),
            "save_on_primary_addressbook": True,
        }

    def _setting(
        self, kind: str, index: tuple[str, ...], fields: dict[str, Any]
    ) -> AppStateSetting:
        value, now = SyncActionValue(), time.time()
        value.timestamp = int(now * 1000)
        part = getattr(value, SETTING_KINDS[kind].action)
        part.SetInParent()
        for name, given in fields.items():
            setattr(part, name, given)
        if kind in _RANGED:
            part.message_range.last_message_timestamp = int(now)
        return AppStateSetting(SETTING_KINDS[kind], (SETTING_KINDS[kind].name, *index), value)

    def _message(self, body: dict[str, Any], server: str) -> tuple[str, ...]:
        """Returns the key of a message in its chat: id, `from_me`, sender."""
        own, sender = optional(body, "from_me", False), optional(body, "from", "")
        participant = self._jid(sender, server) if sender and not own else "0"
        return field(body, "message", str), "1" if own else "0", participant

    def _jid(self, chat: str, server: str) -> str:
        if is_group(chat):
            return str(self._groups.named(chat).address)
        return str(self._people.named(chat.lstrip("+")).address(server))

    def _chat(self, jid: str) -> str:
        """Returns the number of a person from either address; the JID of other chats."""
        try:
            person = self._people.at(parse_jid(jid))
        except ValueError:
            person = None
        return jid if person is None else person.number
