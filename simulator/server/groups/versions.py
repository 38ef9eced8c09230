"""Stores in SQLite the versions of a group's members and of its announcement setting, for nodes and notifications."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from simulator.server.groups.group import Group
    from simulator.server.rules.properties import Properties

_MEMBERS: Final = "members_version"
_ANNOUNCEMENT: Final = "announcement_version"


class GroupVersions:
    """Versions are times in microseconds, as in whatsapp-rust `wacore/src/stanza/groups.rs`; they only grow."""

    def __init__(self, properties: Properties) -> None:
        self._properties = properties

    def members(self, group: Group) -> str:
        return self._of(group, _MEMBERS)

    def announcement(self, group: Group) -> str:
        return self._of(group, _ANNOUNCEMENT)

    def members_changed(self, group: Group) -> dict[str, str]:
        """Returns the attributes of a change of members: the version after it and the one before."""
        before = self._of(group, _MEMBERS)
        return {"v_id": self._next(group, _MEMBERS), "prev_v_id": before}

    def announcement_changed(self, group: Group) -> str:
        """Returns the version after a change of the setting."""
        return self._next(group, _ANNOUNCEMENT)

    def _of(self, group: Group, name: str) -> str:
        return self._properties.get(group.chat, name) or str(group.created_at * 1_000_000)

    def _next(self, group: Group, name: str) -> str:
        version = max(time.time_ns() // 1000, int(self._of(group, name)) + 1)
        self._properties.put(group.chat, name, str(version))
        return str(version)
