"""A group with its members in the order of their names."""

from __future__ import annotations

from dataclasses import asdict

from actors.connection.abilities.administration import Group, GroupSettings
from actors.connection.address_changes.named_member import NamedMember
from gateway.schemas.people import groups

CHAT, LID = "120363000000000001@g.us", "90000000000002@lid"


def test_members_have_names_and_stand_by_them() -> None:
    members = (
        NamedMember(LID, admin=False),
        NamedMember("15550100003@s.whatsapp.net", admin=True),
        NamedMember(
            "15550100002@s.whatsapp.net",
            admin=False,
            sender_name="Ana Pereira",
            sender_lid="90000000000009@lid",
        ),
    )
    shown = groups.group(asdict(Group(CHAT, "Chess club", members, GroupSettings())))
    assert (shown.chat, shown.name) == (CHAT, "Chess club")
    assert [(one.name, one.number, one.lid, one.admin) for one in shown.members] == [
        ("+15550100003", "15550100003", None, True),
        ("Ana Pereira", "15550100002", "90000000000009@lid", False),
        (None, None, LID, False),
    ]


def test_a_group_without_a_subject_has_no_name() -> None:
    assert groups.group(asdict(Group(CHAT, "", (), GroupSettings()))).name is None


def test_a_group_has_its_settings() -> None:
    settings = GroupSettings(
        "Every Tuesday", announce=True, ephemeral=86400, member_add_mode="admins"
    )
    shown = groups.group(asdict(Group(CHAT, "Us", (), settings)))
    assert (shown.description, shown.announce, shown.locked) == ("Every Tuesday", True, False)
    assert (shown.ephemeral_seconds, shown.member_add_mode, shown.approval) == (
        *(86400, "admins"),
        False,
    )
