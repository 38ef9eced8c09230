"""Adds, removes and ranks group members in SQLite, and notifies them; returns a code for each person who is refused.

Codes after whatsmeow `group.go` (parseParticipant) and issues of its users: 403 with a private invite where a
person lets nobody add them, 404 without WhatsApp or membership, 408 after the person left, 409 for a member.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from simulator.server.groups.group import ADMIN, MAX_MEMBERS, SUPERADMIN
from simulator.server.groups.settings import ADD_MODE
from simulator.server.query_errors import QueryError
from simulator.server.rules.properties import CONTACT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.contacts.people import People
    from simulator.contacts.sender_keys import SenderKeys
    from simulator.server.groups.group import Group, Groups
    from simulator.server.groups.invites import GroupInvites, InviteCode
    from simulator.server.groups.notifications import GroupNotifications
    from simulator.server.groups.settings import GroupSettings
    from simulator.server.rules.properties import Properties
    from simulator.store import Store

LEFT_REASON: Final = "left"
REMOVED: Final = "removed"


@dataclass(frozen=True)
class RefusedMember:
    """A refused change of one person: the code, and the private invite that the person may get instead."""

    code: int
    invite: InviteCode | None = None


class Membership:
    """Changes members within its caller's transaction. `by` is the number of the member who does it."""

    def __init__(
        self,
        *,
        store: Store,
        people: People,
        properties: Properties,
        groups: Groups,
        settings: GroupSettings,
        invites: GroupInvites,
        sender_keys: SenderKeys,
        notifications: GroupNotifications,
    ) -> None:
        self._store = store
        self._people = people
        self._properties = properties
        self._groups = groups
        self._settings = settings
        self._invites = invites
        self._sender_keys = sender_keys
        self._notifications = notifications

    def make(
        self, subject: str, creator: str, numbers: Sequence[str], server: str
    ) -> tuple[Group, dict[str, RefusedMember]]:
        """Creates a group, without a notification; returns it, and who was refused."""
        group = self._groups.make(subject, creator, [], server)
        numbers = [number for number in numbers if number != creator]
        refused = self._refusals(group, numbers, creator)
        return self._groups.change(
            group, [one for one in numbers if one not in refused], []
        ), refused

    def add(self, group: Group, numbers: Sequence[str], by: str) -> dict[str, RefusedMember]:
        """Adds people; returns who was refused. Raises QueryError for a member who may add nobody."""
        if self._settings.value(group, ADD_MODE) == "admin_add":
            require_admin(group, by)
        refused = self._refusals(group, numbers, by)
        self.admit(group, [number for number in numbers if number not in refused], by)
        return refused

    def admit(
        self,
        group: Group,
        numbers: Sequence[str],
        by: str,
        reason: str = "",
        *,
        notify: bool = True,
    ) -> Group:
        """Adds people without a check, and notifies them and the other members, unless `notify` is false."""
        numbers = [number for number in numbers if number not in group.members]
        if not numbers:
            return group
        after = self._groups.change(group, numbers, [])
        for number in numbers:
            self._store.execute(
                "DELETE FROM group_departures WHERE group_id = ? AND number = ?", group.id, number
            )
            self._store.execute(
                "DELETE FROM group_requests WHERE group_id = ? AND number = ?", group.id, number
            )
        if notify:
            self._notifications.joined(after, numbers, by, reason)
        return after

    def remove(self, group: Group, numbers: Sequence[str], by: str) -> dict[str, RefusedMember]:
        """Removes members; returns who was refused. Raises QueryError unless an administrator does it."""
        require_admin(group, by)
        refused = self._unchangeable(group, numbers)
        self.dismiss(group, [number for number in numbers if number not in refused], by)
        return refused

    def dismiss(
        self, group: Group, numbers: Sequence[str], by: str, *, notify: bool = True
    ) -> Group:
        """Removes members without a check, also one who leaves (`by`), and notifies them and the others.

        Nobody is notified if `notify` is false.
        A former member cannot decrypt later messages: simulated senders renew their keys.
        """
        numbers = [number for number in numbers if number in group.members]
        if not numbers:
            return group
        after = self._groups.change(group, [], numbers)
        for number in numbers:
            self._store.execute(
                "INSERT OR REPLACE INTO group_departures (group_id, number, how) VALUES (?, ?, ?)",
                group.id,
                number,
                LEFT_REASON if number == by else REMOVED,
            )
        self._sender_keys.renew(group)
        if notify:
            self._notifications.changed(after, "remove", numbers, by, group.members)
        return after

    def promote(self, group: Group, numbers: Sequence[str], by: str) -> dict[str, RefusedMember]:
        """Makes members administrators; returns who was refused. Raises QueryError as `remove` does."""
        require_admin(group, by)
        self.rank(group, numbers, ADMIN, by)
        return {one: RefusedMember(404) for one in numbers if one not in group.members}

    def demote(self, group: Group, numbers: Sequence[str], by: str) -> dict[str, RefusedMember]:
        """Makes administrators members; returns who was refused. Raises QueryError as `remove` does."""
        require_admin(group, by)
        refused = self._unchangeable(group, numbers)
        self.rank(group, [number for number in numbers if number not in refused], "", by)
        return refused

    def rank(self, group: Group, numbers: Sequence[str], rank: str, by: str) -> Group:
        """Gives members a rank without a check, and notifies all of those who had another one."""
        numbers = [
            number
            for number in numbers
            if number in group.members and bool(group.members[number]) != bool(rank)
        ]
        if not numbers:
            return group
        after = self._groups.rank(group, numbers, rank)
        tag = "promote" if rank else "demote"
        self._notifications.changed(after, tag, numbers, by, after.members)
        return after

    def departed(self, group: Group, number: str) -> str | None:
        """Returns how a former member went, LEFT or REMOVED; None for others."""
        found = self._store.row(
            "SELECT how FROM group_departures WHERE group_id = ? AND number = ?", group.id, number
        )
        return None if found is None else str(found["how"])

    def _refusals(self, group: Group, numbers: Sequence[str], by: str) -> dict[str, RefusedMember]:
        """Returns who of the people cannot be added."""
        refused: dict[str, RefusedMember] = {}
        room = MAX_MEMBERS - len(group.members)
        for number in dict.fromkeys(numbers):
            code = self._refusal(group, number) or (None if room > 0 else 419)
            if code is None:
                room -= 1
            else:
                invite = self._invites.private(group, number, by) if code == 403 else None
                refused[number] = RefusedMember(code, invite)
        return refused

    def _refusal(self, group: Group, number: str) -> int | None:
        if not self._people.named(number).registered:
            return 404
        if number in group.members:
            return 409
        if self.departed(group, number) == LEFT_REASON:
            return 408
        return 403 if self._properties.value(number, "group_add", CONTACT) == "none" else None

    def _unchangeable(self, group: Group, numbers: Sequence[str]) -> dict[str, RefusedMember]:
        """Returns those who are not members (404), and the creator, who stays what they are (406)."""
        refused = {one: RefusedMember(404) for one in numbers if one not in group.members}
        creators = [one for one in numbers if group.members.get(one) == SUPERADMIN]
        return refused | {one: RefusedMember(406) for one in creators}


def require_admin(group: Group, number: str) -> None:
    """Raises QueryError for a member who is no administrator (401, whatsmeow `group.go` GetGroupInviteLink)."""
    if not group.members.get(number):
        raise QueryError(401, "not-authorized")
