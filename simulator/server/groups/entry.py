"""Lets people into groups by a link's code or a private invite, at once or once an administrator approved them.

Shapes and codes after whatsmeow `group.go` (JoinGroupWithLink, JoinGroupWithInvite, GetGroupRequestParticipants)
and whatsapp-rust `wacore/src/iq/groups.rs` (GroupJoinError, InviteInfoError).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from simulator.server.groups.group import MAX_MEMBERS
from simulator.server.groups.membership import REMOVED, RefusedMember, require_admin
from simulator.server.groups.settings import APPROVAL, LINK_MODE
from simulator.server.query_errors import QueryError
from simulator.wire.protocol_library import Node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.server.groups.group import Group, Groups
    from simulator.server.groups.invites import GroupInvites, InviteCode
    from simulator.server.groups.membership import Membership
    from simulator.server.groups.nodes import GroupNodes
    from simulator.server.groups.notifications import GroupNotifications
    from simulator.server.groups.settings import GroupSettings
    from simulator.store import Store

_BY_LINK: Final = {"request_method": "invite_link"}
_REASON: Final = "invite"


class GroupEntry:
    """Invites and requests of all groups. Every method runs inside its caller's transaction."""

    def __init__(
        self,
        *,
        store: Store,
        groups: Groups,
        settings: GroupSettings,
        invites: GroupInvites,
        membership: Membership,
        nodes: GroupNodes,
        notifications: GroupNotifications,
    ) -> None:
        self._store = store
        self._groups = groups
        self._settings = settings
        self._invites = invites
        self._membership = membership
        self._nodes = nodes
        self._notifications = notifications

    def code(self, group: Group, by: str, *, renew: bool = False) -> str:
        """Returns the code of the group's link; with `renew` of another one, of which the members are notified.

        Raises QueryError for a member who is no administrator, unless all may hand the link on.
        """
        if renew or self._settings.value(group, LINK_MODE) == "admin_link":
            require_admin(group, by)
        if not renew:
            return self._invites.link(group)
        code = self._invites.renew_link(group)
        self._notifications.notify(group, Node("invite", {"code": code}), by, group.members)
        return code

    def by_link(self, code: str) -> Group:
        """Returns the group of a link's code. Raises QueryError: 406 for an unknown code, 410 for a revoked one."""
        invite = self._invites.find(code)
        if invite is None or invite.number:
            raise QueryError(406, "not-acceptable")
        if not invite.valid():
            raise QueryError(410, "gone")
        return self._groups.named(invite.group_id)

    def join(self, code: str, number: str) -> tuple[Group, bool]:
        """Returns the group of a link, and whether the person is in it now or waits for approval.

        Raises QueryError as `by_link`, for members (409), after a removal (405), and for a full group (419).
        """
        group = self.by_link(code)
        if number in group.members:
            raise QueryError(409, "conflict")
        if self._membership.departed(group, number) == REMOVED:
            raise QueryError(405, "not-allowed")
        if self._settings.value(group, APPROVAL):
            self._request(group, number)
            return group, False
        return self._enter(group, number), True

    def by_invite(self, group: Group, code: str, number: str) -> InviteCode:
        """Returns a person's private invite to the group. Raises QueryError: 406, or 410 where it is invalid now."""
        invite = self._invites.find(code)
        if invite is None or (invite.group_id, invite.number) != (group.id, number):
            raise QueryError(406, "not-acceptable")
        if not invite.valid():
            raise QueryError(410, "gone")
        return invite

    def admit(self, group: Group, code: str, number: str) -> Group:
        """Lets in a person by their private invite, which is used up. Raises QueryError as `by_invite` and `join`."""
        invite = self.by_invite(group, code, number)
        if number in group.members:
            raise QueryError(409, "conflict")
        after = self._enter(group, number, invite.author)
        self._invites.revoke(group, number)
        return after

    def revoke(self, group: Group, numbers: Sequence[str], by: str) -> dict[str, RefusedMember]:
        """Revokes private invites; returns whose there were none. Raises QueryError unless an administrator does it."""
        require_admin(group, by)
        return {one: RefusedMember(404) for one in numbers if not self._invites.revoke(group, one)}

    def requests(self, group: Group) -> list[dict[str, Any]]:
        """Returns those who wait for approval: `number`, `method` and `at`, in seconds."""
        rows = self._store.rows(
            "SELECT number, method, at FROM group_requests WHERE group_id = ? ORDER BY at, number",
            group.id,
        )
        return [dict(row) for row in rows]

    def decide(
        self, group: Group, numbers: Sequence[str], by: str, *, approve: bool
    ) -> dict[str, RefusedMember]:
        """Approves or rejects people; returns who did not wait for it (404), or finds the group full (419)."""
        require_admin(group, by)
        waiting = [one["number"] for one in self.requests(group)]
        chosen = [number for number in numbers if number in waiting]
        refused = {number: RefusedMember(404) for number in numbers if number not in waiting}
        if not approve:
            self._withdraw(group, chosen, by)
            return refused
        room = max(MAX_MEMBERS - len(group.members), 0)
        self._membership.admit(group, chosen[:room], by, _REASON)
        return refused | {number: RefusedMember(419) for number in chosen[room:]}

    def cancel(self, group: Group, number: str) -> dict[str, RefusedMember]:
        """Ends a person's own wait; returns them where they did not wait."""
        if number not in [one["number"] for one in self.requests(group)]:
            return {number: RefusedMember(404)}
        self._withdraw(group, [number], number)
        return {}

    def _enter(self, group: Group, number: str, by: str = "") -> Group:
        if len(group.members) >= MAX_MEMBERS:
            raise QueryError(419, "resource-limit")
        return self._membership.admit(group, [number], by or number, _REASON)

    def _request(self, group: Group, number: str) -> None:
        self._store.execute(
            "INSERT OR REPLACE INTO group_requests (group_id, number, method, at)"
            " VALUES (?, ?, ?, ?)",
            group.id,
            number,
            _BY_LINK["request_method"],
            int(time.time()),
        )
        user = self._nodes.member(group, number, tag="requested_user")
        created = Node("created_membership_requests", _BY_LINK, [user])
        self._notifications.notify(group, created, number, group.admins)
        request = Node("membership_approval_request", _BY_LINK)
        self._notifications.notify(group, request, number, [number])

    def _withdraw(self, group: Group, numbers: Sequence[str], by: str) -> None:
        for number in numbers:
            self._store.execute(
                "DELETE FROM group_requests WHERE group_id = ? AND number = ?", group.id, number
            )
        if numbers:
            people = [self._nodes.member(group, number) for number in numbers]
            revoked = Node("revoked_membership_requests", {}, people)
            self._notifications.notify(group, revoked, by, {*group.admins, *numbers})
