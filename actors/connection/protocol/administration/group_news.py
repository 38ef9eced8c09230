"""Puts changes of groups from WhatsApp's notifications into the session file's inbox, for the state store and its events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from actors.connection.abilities.account_settings import GroupMembersValue, NamedPerson
from actors.connection.abilities.app_state_changes import AppStateChange
from actors.connection.protocol.identities.addresses import Address, parse_optional

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.session.session import Session

MembersChange = Literal["added", "removed", "promoted", "demoted"]

COLLECTION: Final = "groups"
"""The collection that these changes are noted in; it has no version, and no full sync."""

MOST_PEOPLE: Final = 200
"""People of one change that its event names."""


@dataclass(frozen=True, slots=True)
class GroupNotification:
    """The content of one notification: its id, its time (seconds), who did it, new settings, changes of members."""

    id: str
    at: float
    by: Address | None = field(default=None, repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    members: Mapping[MembersChange, Sequence[Address]] = field(default_factory=dict, repr=False)


def read_delivery(fields: Mapping[str, Any], account: Address, now: float) -> GroupNotification:
    """The news in the whatsmeow program's delivery `group`."""
    names = ("subject", "description", "announce", "locked", "member_add_mode", "approval")
    settings = {name: fields[name] for name in names if fields.get(name) is not None}
    if fields.get("timer") is not None:
        settings["ephemeral"] = fields["timer"]
    members: dict[MembersChange, Sequence[Address]] = {
        change: [a for each in fields[name] if (a := parse_optional(str(each))) is not None]
        for name, change in _CHANGES_BY_NAME.items()
        if fields.get(name)
    }
    if fields.get("change") == "joined":
        settings = {"subject": settings.get("subject", "")}
        members = {"added": [account]}
    by = parse_optional(fields.get("sender_phone") or fields.get("sender"))
    return GroupNotification(
        str(fields.get("notification", "")), float(fields.get("at") or now), by, settings, members
    )


_CHANGES_BY_NAME: Final[Mapping[str, MembersChange]] = {
    "joined": "added",
    "left": "removed",
    "promoted": "promoted",
    "demoted": "demoted",
}


class GroupNewsWriter:
    """Notes news inside a transaction of the session: they are on disk before the notification is acknowledged (G5)."""

    def __init__(self, session: Session, people: LidMapping) -> None:
        self._session, self._people = session, people

    def note(self, chat: Address, news: GroupNotification) -> bool:
        """Put in each change; return whether there was one. One that comes twice in a row has one event."""
        by = None if news.by is None or not news.by.is_person else self._named(news.by)
        changes = [
            AppStateChange.group_setting(str(chat), name, value, by=by, at=news.at)
            for name, value in news.settings.items()
        ]
        for change in get_args(MembersChange):
            if people := self._named_each(news.members.get(change, ())):
                fields = GroupMembersValue(id=news.id, change=change, by=by, people=people)
                changes.append(AppStateChange.group_members(str(chat), fields, at=news.at))
        if changes:
            self._session.app_state.note_part(COLLECTION, changes, news=True)
        return bool(changes)

    def _named_each(self, people: Iterable[Address]) -> list[NamedPerson]:
        persons = dict.fromkeys(self._people.canonical(one) for one in people if one.is_person)
        return [self._named(one) for one in list(persons)[:MOST_PEOPLE]]

    def _named(self, person: Address) -> NamedPerson:
        canonical = self._people.canonical(person)
        return NamedPerson(address=str(canonical), **self._people.naming(canonical))
