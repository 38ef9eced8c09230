"""Declares a group's settings, stored in SQLite: who may write, edit, add and invite, and whether members are approved.

Shapes after whatsmeow `group.go` (SetGroupAnnounce, parseGroupNode) and whatsapp-rust `wacore/src/iq/groups.rs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simulator.server.rules.properties import Property
from simulator.wire.protocol_library import Node

if TYPE_CHECKING:
    from simulator.server.groups.group import Group
    from simulator.server.rules.properties import Properties

ANNOUNCEMENT: Final = "announcement"
LOCKED_TAG: Final = "locked"
APPROVAL: Final = "membership_approval"
ADD_MODE: Final = "member_add_mode"
LINK_MODE: Final = "member_link_mode"
SETTINGS: Final = {
    ANNOUNCEMENT: Property(False),
    LOCKED_TAG: Property(False),
    APPROVAL: Property(False),
    ADD_MODE: Property("all_member_add", ("all_member_add", "admin_add")),
    LINK_MODE: Property("admin_link", ("admin_link", "all_member_link")),
}
_SWITCHES: Final = {
    "announcement": (ANNOUNCEMENT, True),
    "not_announcement": (ANNOUNCEMENT, False),
    "locked": (LOCKED_TAG, True),
    "unlocked": (LOCKED_TAG, False),
}
_APPROVAL_TAG: Final = "membership_approval_mode"


class GroupSettings:
    """Settings of all groups; they survive a restart."""

    def __init__(self, properties: Properties) -> None:
        self._properties = properties

    def of(self, group: Group) -> dict[str, Any]:
        """Returns all settings by their names."""
        return self._properties.described(group.chat, SETTINGS)

    def value(self, group: Group, name: str) -> Any:
        """Returns the value of a setting; its default where nobody changed it."""
        return self._properties.value(group.chat, name, SETTINGS)

    def change(self, group: Group, changes: dict[str, Any]) -> dict[str, Any]:
        """Changes settings; returns those that had another value. Raises PropertyError: see `are_valid`."""
        before = self.of(group)
        self._properties.change(group.chat, changes, SETTINGS)
        return {name: value for name, value in changes.items() if before[name] != value}


def are_valid(changes: dict[str, Any]) -> bool:
    """Returns whether settings have values that can be set."""
    return all(name in SETTINGS and SETTINGS[name].taken(value) for name, value in changes.items())


def setting_in(node: Any) -> tuple[str, Any] | None:
    """Returns the name and the value of the setting in a query; None for other nodes."""
    if node.tag in _SWITCHES:
        return _SWITCHES[node.tag]
    if node.tag in (ADD_MODE, LINK_MODE):
        return node.tag, node.content_bytes().decode("utf-8", "replace")
    if node.tag == _APPROVAL_TAG:
        join = node.get_child("group_join")
        return APPROVAL, join is not None and join.attrs.get("state") == "on"
    return None


def setting_node(name: str, value: Any, version: str) -> Any:
    """Builds the node of a changed setting; `version`: its id, which those about writing have."""
    if name == APPROVAL:
        join = Node("group_join", {"state": "on" if value else "off"})
        return Node(_APPROVAL_TAG, {}, [join])
    if name in (ADD_MODE, LINK_MODE):
        return Node(name, {}, str(value).encode())
    tag = next(tag for tag, switch in _SWITCHES.items() if switch == (name, value))
    return Node(tag, {"v_id": version} if name == ANNOUNCEMENT else {})


def setting_nodes(settings: dict[str, Any]) -> list[Any]:
    """Builds the settings in a group's node, where switches that are off are absent."""
    shown = [(name, value) for name, value in settings.items() if value is not False]
    return [setting_node(name, value, "") for name, value in shown]
