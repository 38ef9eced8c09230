"""Settings in a `<group>` node, and those that a part of a notification changes."""

from __future__ import annotations

from typing import Any

import pytest

from actors.connection.abilities.administration import GroupSettings
from actors.connection.protocol.administration.group_settings import changed_settings, settings_of
from actors.connection.protocol.wire_format.nodes import Node


def approval(state: str) -> Node:
    return Node("membership_approval_mode", {}, (Node("group_join", {"state": state}),))


def test_a_group_that_names_nothing_has_all_off() -> None:
    assert settings_of(Node("group")) == GroupSettings(member_add_mode="admins")


def test_reads_all_settings() -> None:
    group = Node(
        "group",
        {"subject": "Us"},
        (
            Node("description", {"id": "A"}, (Node("body", {}, "Every Tuesday ☕".encode()),)),
            Node("announcement"),
            Node("locked"),
            Node("ephemeral", {"expiration": "604800"}),
            Node("member_add_mode", {}, b"all_member_add"),
            approval("on"),
        ),
    )
    assert settings_of(group) == GroupSettings(
        description="Every Tuesday ☕",
        announce=True,
        locked=True,
        ephemeral=604800,
        member_add_mode="all",
        approval=True,
    )


@pytest.mark.parametrize(
    ("part", "settings"),
    [
        (Node("subject", {"subject": "Them"}), {"subject": "Them"}),
        (Node("description", {}, (Node("body", {}, b"Now"),)), {"description": "Now"}),
        (Node("description", {}, (Node("delete"),)), {"description": ""}),
        (Node("announcement"), {"announce": True}),
        (Node("not_announcement"), {"announce": False}),
        (Node("locked"), {"locked": True}),
        (Node("unlocked"), {"locked": False}),
        (Node("ephemeral", {"expiration": "86400"}), {"ephemeral": 86400}),
        (Node("not_ephemeral"), {"ephemeral": 0}),
        (Node("member_add_mode", {}, b"all_member_add"), {"member_add_mode": "all"}),
        (Node("member_add_mode", {}, b"admin_add"), {"member_add_mode": "admins"}),
        (approval("on"), {"approval": True}),
        (approval("off"), {"approval": False}),
        (Node("membership_approval_mode"), {"approval": True}),
        (Node("add"), {}),
        (Node("invite", {"code": "A"}), {}),
    ],
)
def test_a_part_of_a_notification_has_its_setting(part: Node, settings: dict[str, Any]) -> None:
    assert changed_settings(part) == settings
