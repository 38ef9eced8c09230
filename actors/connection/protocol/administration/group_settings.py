"""Reads a group's settings from WhatsApp's `<group>` node, and changed ones from a part of a notification (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from actors.connection.abilities.administration import GroupSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.connection.protocol.wire_format.nodes import Node

ADD_MODES: Final = {"admins": "admin_add", "all": "all_member_add"}
"""WhatsApp's words for who adds members."""

GROUP_SWITCHES: Final[Mapping[str, tuple[str, bool]]] = {
    "announcement": ("announce", True),
    "not_announcement": ("announce", False),
    "locked": ("locked", True),
    "unlocked": ("locked", False),
}


def settings_of(group: Node) -> GroupSettings:
    """The settings in a ``<group>``; those that it does not name are off."""
    timer, mode = group.child("ephemeral"), group.child("member_add_mode")
    description = group.child("description")
    return GroupSettings(
        description="" if description is None else _text(description.bytes_of("body")),
        announce=group.child("announcement") is not None,
        locked=group.child("locked") is not None,
        ephemeral=0 if timer is None else timer.number("expiration") or 0,
        member_add_mode="all" if mode is not None and _adds_all(mode) else "admins",
        approval=(approval_mode := group.child("membership_approval_mode")) is not None
        and _approves(approval_mode),
    )


def changed_settings(change: Node) -> dict[str, Any]:
    """The settings that one part of a notification names, by the fields of `GroupChange`; empty for any other part."""
    if change.tag in GROUP_SWITCHES:
        name, on = GROUP_SWITCHES[change.tag]
        return {name: on}
    match change.tag:
        case "subject":
            return {"subject": change.attrs.get("subject", "")}
        case "description":
            return {"description": _text(change.bytes_of("body"))}
        case "ephemeral" | "not_ephemeral":
            return {"ephemeral": change.number("expiration") or 0}
        case "member_add_mode":
            return {"member_add_mode": "all" if _adds_all(change) else "admins"}
        case "membership_approval_mode":
            return {"approval": _approves(change)}
    return {}


def _adds_all(mode: Node) -> bool:
    return _text(mode.data) == ADD_MODES["all"]


def _approves(mode: Node) -> bool:
    """Whether an admin approves who joins; a node without a state says that one does."""
    join = mode.child("group_join")
    return join is None or join.attrs.get("state", "on") == "on"


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
