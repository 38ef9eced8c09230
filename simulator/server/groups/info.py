"""Changes a group's subject, description, settings and message timer in SQLite, and notifies the members.

Rules after whatsmeow `group.go` (SetGroupName, SetGroupTopic), its issue 917, and whatsapp-rust pull request 1097.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from simulator.server.groups.group import DESCRIPTION, SUBJECT, GroupText
from simulator.server.groups.membership import require_admin
from simulator.server.groups.settings import ANNOUNCEMENT, LOCKED_TAG, are_valid, setting_node
from simulator.server.query_errors import QueryError
from simulator.wire.protocol_library import Node

if TYPE_CHECKING:
    from simulator.server.groups.group import Group, Groups
    from simulator.server.groups.nodes import GroupNodes
    from simulator.server.groups.notifications import GroupNotifications
    from simulator.server.groups.settings import GroupSettings
    from simulator.server.groups.versions import GroupVersions
    from simulator.server.rules.chat_timers import ChatTimers

MAX_SUBJECT: Final = 100
MAX_DESCRIPTION: Final = 2048
NO_DESCRIPTION_ID: Final = "undefined"
"""Id of a description that was set without one; the server accepts no change of it (WAHA issue 1014)."""


class GroupInfo:
    """Changes within its caller's transaction. `by` is the member who does it."""

    def __init__(
        self,
        *,
        groups: Groups,
        settings: GroupSettings,
        versions: GroupVersions,
        chat_timers: ChatTimers,
        nodes: GroupNodes,
        notifications: GroupNotifications,
    ) -> None:
        self._groups = groups
        self._settings = settings
        self._versions = versions
        self._chat_timers = chat_timers
        self._nodes = nodes
        self._notifications = notifications

    def rename(self, group: Group, subject: str, by: str) -> Group:
        """Changes the subject. Raises QueryError: 401 without the right, 406 for an empty or a long one."""
        self.require_right(group, by)
        require_subject(subject)
        after = self._groups.write(group, SUBJECT, GroupText(subject, "", by, int(time.time())))
        self._notifications.notify(
            after, Node("subject", self._nodes.subject(after)), by, after.members
        )
        return after

    def describe(
        self, group: Group, text: str, by: str, *, text_id: str = "", previous: str = ""
    ) -> Group:
        """Changes the description; an empty one is deleted.

        Raises QueryError: 401 without the right, 406 for a long one, 409 unless `previous` is the id of the
        one that it replaces.
        """
        self.require_right(group, by)
        if len(text) > MAX_DESCRIPTION:
            raise QueryError(406, "not-acceptable")
        now = group.description
        current = "" if now is None else now.id
        free = now is None or not now.text
        if current == NO_DESCRIPTION_ID or (previous != current and not (free and not previous)):
            raise QueryError(409, "conflict")
        chosen = text_id or (NO_DESCRIPTION_ID if text else secrets.token_hex(4).upper())
        after = self._groups.write(
            group, DESCRIPTION, GroupText(text, chosen, by, int(time.time()))
        )
        body = Node("body", {}, text.encode()) if text else Node("delete")
        changed = Node("description", {"id": chosen}, [body])
        self._notifications.notify(after, changed, by, after.members)
        return after

    def set(self, group: Group, changes: dict[str, Any], by: str) -> None:
        """Changes settings. Raises QueryError: 401 without the right, 400 for an unknown value."""
        require_admin(group, by)
        if not are_valid(changes):
            raise QueryError(400, "bad-request")
        for name, value in self._settings.change(group, changes).items():
            version = self._versions.announcement_changed(group) if name == ANNOUNCEMENT else ""
            self._notifications.notify(group, setting_node(name, value, version), by, group.members)

    def set_timer(self, group: Group, seconds: int, by: str) -> None:
        """Sets the timer of messages in seconds, 0 for never. Raises QueryError (401) without the right."""
        self.require_right(group, by)
        self._chat_timers.set(seconds, group.chat)
        self._notifications.timer(group, seconds, by)

    def require_right(self, group: Group, by: str) -> None:
        """Raises QueryError for strangers, and for a member who may not edit the group, which is locked."""
        if by not in group.members:
            raise QueryError(403, "forbidden")
        if self._settings.value(group, LOCKED_TAG):
            require_admin(group, by)


def require_subject(subject: str) -> None:
    """Raises QueryError for a subject without characters or with too many (whatsmeow `group.go` ReqCreateGroup)."""
    if not 0 < len(subject) <= MAX_SUBJECT:
        raise QueryError(406, "not-acceptable")
