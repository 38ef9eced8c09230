"""Declares the settings of contacts, chats and labels that app-state changes make: names, and fields of the values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypedDict

from actors.state.fields import GROUP_MEMBERS, LABEL_OF_CHAT, OF_GROUP, PERSON_PICTURE

if TYPE_CHECKING:
    from collections.abc import Sequence


class NamesValue(TypedDict):
    """The names of a person, one of them at least."""

    full_name: str | None
    first_name: str | None
    """As the address book has them, 1,000 characters at most."""


class PersonNames(TypedDict):
    """The names of a person beside the address."""

    sender_name: str | None
    sender_lid: str | None
    """The person's name and LID as they were known then."""


class NamedPerson(PersonNames):
    """A person as a setting names them."""

    address: str
    """The person."""


class PictureValue(PersonNames):
    """A change of a person's picture."""

    id: str
    """WhatsApp's id of it, empty where there is none any more."""


class MuteValue(TypedDict):
    """The time for which a chat is muted."""

    until: float | None
    """The end; null: without one."""


class EmptiedValue(TypedDict):
    """The end of the messages that a chat had on the phone."""

    deleted: bool
    """Whether the chat was deleted, and not cleared."""


class GroupSettingValue(TypedDict):
    """A setting of a group after its change."""

    value: Any
    """Text, boolean or integer, as WhatsApp reported it."""
    by: NamedPerson | None
    """The person who did it, where WhatsApp reports one."""


class GroupMembersValue(TypedDict):
    """A change of a group's members."""

    id: str
    """That of WhatsApp's notification."""
    change: str
    """`added`, `removed`, `promoted` or `demoted`."""
    by: NamedPerson | None
    """The person who did it, where WhatsApp reports one."""
    people: list[NamedPerson]
    """The members whom it is about."""


class LabelValue(TypedDict):
    """The definition of a label."""

    name: str
    """Its name, 1,000 characters at most."""
    colour: int | None
    """WhatsApp's number of its colour."""


class AccountSetting(NamedTuple):
    """Settings of one kind: their names, with a place in braces where it varies, and the type of their values."""

    names: Sequence[str]
    subject: str
    value: type
    text: str


ACCOUNT_SETTINGS: Final = (
    AccountSetting(["name"], "contact", NamesValue, "The names in the address book."),
    AccountSetting(
        [PERSON_PICTURE],
        "contact",
        PictureValue,
        "The newest change of a person's picture, also of one who is not in the address book.",
    ),
    AccountSetting(["mute"], "chat", MuteValue, "It is muted."),
    AccountSetting(
        ["archived", "pinned", "unread"], "chat", bool, "Always true; `unread`: marked by hand."
    ),
    AccountSetting([f"{LABEL_OF_CHAT}{{id}}"], "chat", bool, "Always true: it has that label."),
    AccountSetting(
        ["emptied"], "chat", EmptiedValue, "It was emptied on the phone; its messages stay here."
    ),
    AccountSetting(
        [f"{OF_GROUP}{{setting}}"],
        "chat of a group",
        GroupSettingValue,
        "A setting of the group as it was last changed.",
    ),
    AccountSetting(
        [GROUP_MEMBERS], "chat of a group", GroupMembersValue, "The newest change of its members."
    ),
    AccountSetting(["definition"], "label", LabelValue, "Its name and colour."),
)
"""All settings that `AppStateChange` makes; `make docs` writes their table from these."""
