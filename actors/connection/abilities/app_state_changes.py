"""Defines app-state changes of contacts, chats and labels; the whatsmeow engine alone puts them into the session inbox.

WhatsApp keeps app state in collections, each with a version that rises. An engine hands changes to
`AppState.note` of the session; `actors.connection.owner.inbox_drain` stores them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from actors.connection.abilities.account_settings import (
    EmptiedValue,
    GroupMembersValue,
    GroupSettingValue,
    LabelValue,
    MuteValue,
    NamesValue,
    PictureValue,
)
from actors.state.fields import GROUP_MEMBERS, LABEL_OF_CHAT, OF_GROUP, PERSON_PICTURE

if TYPE_CHECKING:
    from actors.connection.abilities.account_settings import NamedPerson, PersonNames

Subject = Literal["contact", "chat", "label"]


@dataclass(frozen=True, slots=True)
class AppStateChange:
    """One setting of a contact, a chat or a label (`ACCOUNT_SETTINGS`), as it is from now on.

    `id` is the canonical address of the person or group, or the id of the label. `value` is JSON; None: it
    is as if nobody had ever set it. `at` is WhatsApp's time in seconds since the epoch, where it has one.
    `removed`: see `entry_removed`.
    """

    subject: Subject
    id: str = field(repr=False)
    setting: str
    value: Any = field(repr=False)
    at: float | None = None
    removed: bool = False

    def entry_removed(self) -> Self:
        """The change for an entry taken out of the collection, whatever it held.

        Where a person's entry moves from the number to the LID, WhatsApp removes the one and sets the other,
        in any order: a removal takes back only what was set under the same address.
        """
        return replace(self, value=None, removed=True)

    @classmethod
    def contact(
        cls,
        address: str,
        *,
        full_name: str | None = None,
        first_name: str | None = None,
        at: float | None = None,
    ) -> Self:
        """The names of a person in the phone's address book; without any it is not in there."""
        names = NamesValue(full_name=_bounded(full_name), first_name=_bounded(first_name))
        return cls("contact", address, "name", names if any(names.values()) else None, at)

    @classmethod
    def picture(cls, address: str, id_: str, named: PersonNames, *, at: float) -> Self:
        """Another picture of a person: WhatsApp's id of it, "" for none; `named` as of `LidMapping.naming`."""
        return cls("contact", address, PERSON_PICTURE, PictureValue(id=id_, **named), at)

    @classmethod
    def mute(
        cls, chat: str, *, muted: bool, until: float | None = None, at: float | None = None
    ) -> Self:
        """`until` is in seconds since the epoch; None: for ever."""
        return cls("chat", chat, "mute", MuteValue(until=until) if muted else None, at)

    @classmethod
    def archive(cls, chat: str, *, archived: bool, at: float | None = None) -> Self:
        """The change that archives a chat, or has it back; `at` in seconds since the epoch, None for unknown."""
        return cls("chat", chat, "archived", archived or None, at)

    @classmethod
    def pin(cls, chat: str, *, pinned: bool, at: float | None = None) -> Self:
        """The change that pins a chat above all others, or pins it no more."""
        return cls("chat", chat, "pinned", pinned or None, at)

    @classmethod
    def unread(cls, chat: str, *, unread: bool, at: float | None = None) -> Self:
        """Marked as unread by hand."""
        return cls("chat", chat, "unread", unread or None, at)

    @classmethod
    def label_of_chat(
        cls, chat: str, label: str, *, labelled: bool, at: float | None = None
    ) -> Self:
        """The change that gives a chat a label, by the label's id, or takes it off."""
        return cls("chat", chat, f"{LABEL_OF_CHAT}{label}", labelled or None, at)

    @classmethod
    def emptied(cls, chat: str, *, deleted: bool, at: float | None = None) -> Self:
        """The chat was cleared, or deleted, on the phone. It is noted; stored messages stay."""
        return cls("chat", chat, "emptied", EmptiedValue(deleted=deleted), at)

    @classmethod
    def group_setting(
        cls,
        chat: str,
        setting: str,
        value: Any,
        *,
        by: NamedPerson | None = None,
        at: float | None = None,
    ) -> Self:
        """A setting of a group, by its name in `administration.GroupChange`; `by` is who changed it."""
        changed = GroupSettingValue(value=value, by=by)
        return cls("chat", chat, f"{OF_GROUP}{setting}", changed, at)

    @classmethod
    def group_members(
        cls, chat: str, change: GroupMembersValue, *, at: float | None = None
    ) -> Self:
        """The newest change of a group's members."""
        return cls("chat", chat, GROUP_MEMBERS, change, at)

    @classmethod
    def label(
        cls,
        label: str,
        *,
        name: str,
        colour: int | None = None,
        deleted: bool = False,
        at: float | None = None,
    ) -> Self:
        """The definition of a label; `colour` is WhatsApp's number of it."""
        value = None if deleted else LabelValue(name=_bounded(name) or "", colour=colour)
        return cls("label", label, "definition", value, at)


MAX_CONTACT_NAME: Final = 1000
"""Characters of a name that are kept."""


def _bounded(name: str | None) -> str | None:
    return None if not name else name[:MAX_CONTACT_NAME]


@dataclass(frozen=True, slots=True)
class InboxAppState:
    """A change of the app state that is on disk and not yet settled.

    Of two changes of one setting the greater (`epoch`, `key`) is the later one; `epoch` is that under which
    it was noted. `at` is WhatsApp's time, or else that at which it was noted. `news`: not part of a full sync.
    `noted_as` is the id that the engine gave, where `id` may be another address of the same person.
    """

    key: int
    epoch: int
    collection: str
    subject: Subject
    id: str = field(repr=False)
    setting: str
    value: Any = field(repr=False)
    at: float
    news: bool
    noted_as: str = field(repr=False)
    removed: bool = False


@dataclass(frozen=True, slots=True)
class InboxReplaced:
    """A full sync of a collection is complete; on disk, not yet settled.

    Documents of the collection that were noted at (`epoch`, `until`) or before are not in it any more.
    """

    key: int
    epoch: int
    collection: str
    until: int
    at: float
