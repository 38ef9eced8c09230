"""Groups that the account creates and changes, over both engines; the simulator has the group as it is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.abilities.administration import (
    GroupChange,
    GroupSettings,
    JoinedGroup,
    MemberOutcome,
)
from actors.connection.abilities.app_state_changes import InboxAppState
from actors.connection.engine import NotConnected, SendError
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    Device,
    Simulator,
    chat,
    device,
    pair,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

ANN, BEN, CARA = CONTACT, "15550100003", "15550100004"
EVERYTHING = GroupChange(
    subject="All of us ☕",
    description="Every Tuesday",
    announce=True,
    locked=True,
    ephemeral=86400,
    member_add_mode="admins",
    approval=True,
)
NOTHING = GroupChange(
    description="",
    announce=False,
    locked=False,
    ephemeral=0,
    member_add_mode="all",
    approval=False,
)


async def code_of(asked: Awaitable[object]) -> str:
    """The code with which it is refused for good."""
    with pytest.raises(SendError) as caught:
        await asked
    assert caught.value.permanent, caught.value.code
    return caught.value.code


async def members(simulator: Simulator, group: str) -> dict[str, bool]:
    """The numbers of the members, and whether each is an admin."""
    found = await simulator.group_now(group)
    return {one["number"]: one["rank"] != "member" for one in found["participants"]}


async def news(phone: Device) -> list[tuple[str, Any]]:
    """The changes of groups that are stored, in order."""
    items = await phone.engine.pending("app_state", 1000)
    return [
        (one.setting.removeprefix("group:"), one.value)
        for one in items
        if isinstance(one, InboxAppState) and one.setting.startswith("group:")
    ]


async def settings_now(phone: Device, group: str) -> GroupSettings | None:
    return (await phone.engine.administration.groups.one(group)).settings


async def test_a_group_from_its_creation_to_the_end(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        groups = phone.engine.administration.groups
        await simulator.contact(CARA, group_add="none")
        made = await groups.create_group("Us", [chat(ANN), chat(CARA)])
        assert made.subject == "Us"
        assert made.participants == (
            MemberOutcome(chat(ANN), "done"),
            MemberOutcome(chat(CARA), "refused", "invite_needed"),
        )
        assert await members(simulator, made.chat) == {ACCOUNT: True, ANN: False}
        assert await groups.change_members(made.chat, "add", [chat(BEN), chat(ANN)]) == [
            MemberOutcome(chat(BEN), "done"),
            MemberOutcome(chat(ANN), "unchanged"),
        ]
        assert await groups.change_members(made.chat, "promote", [chat(BEN), chat(CARA)]) == [
            MemberOutcome(chat(BEN), "done"),
            MemberOutcome(chat(CARA), "refused", "not_in_group"),
        ]
        assert await members(simulator, made.chat) == {ACCOUNT: True, ANN: False, BEN: True}
        assert (await groups.change_members(made.chat, "demote", [chat(BEN)]))[0].outcome == "done"
        assert (await groups.change_members(made.chat, "remove", [chat(ANN)]))[0].outcome == "done"
        assert await members(simulator, made.chat) == {ACCOUNT: True, BEN: False}
        await phone.send(1, "welcome", to=made.chat)
        await until(partial(reads, simulator, BEN, "welcome"))
        await groups.leave_group(made.chat)
        assert ACCOUNT not in await members(simulator, made.chat)
        assert await code_of(groups.leave_group(made.chat)) == "unknown_group"
        assert await code_of(groups.one(made.chat)) == "unknown_group"


async def reads(simulator: Simulator, number: str, text: str) -> bool:
    return text in [one["text"] for one in await simulator.inbox(number)]


async def test_all_settings_on_and_off_again(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        groups = phone.engine.administration.groups
        group = (await groups.create_group("Us", [chat(ANN)])).chat
        for _ in range(2):  # a repetition changes nothing
            await groups.change_group(group, EVERYTHING)
        assert (await groups.one(group)).subject == "All of us ☕"
        assert await settings_now(phone, group) == GroupSettings(
            description="Every Tuesday",
            announce=True,
            locked=True,
            ephemeral=86400,
            member_add_mode="admins",
            approval=True,
        )
        now = await simulator.group_now(group)
        assert (now["subject"], now["description"]) == ("All of us ☕", "Every Tuesday")
        assert (now["announcement"], now["locked"], now["seconds"]) == (True, True, 86400)
        await groups.change_group(group, NOTHING)
        assert await settings_now(phone, group) == GroupSettings()
        assert (await simulator.group_now(group))["description"] == ""


async def test_invitations(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        groups = phone.engine.administration.groups
        own = (await groups.create_group("Us", [chat(ANN)])).chat
        first = await groups.invite_code(own, revoke=False)
        assert await groups.invite_code(own, revoke=False) == first
        assert (await groups.invite_code(own, revoke=True)) != first
        assert await code_of(groups.invited_group(first)) == "invite_revoked"
        theirs = await simulator.group(ANN, BEN)
        code = await simulator.invite(theirs)
        shown = await groups.invited_group(code)
        assert (shown.chat, shown.subject, shown.size) == (theirs, "Us", 2)
        for _ in range(2):
            assert await groups.join_group(code) == JoinedGroup(theirs, pending=False)
        assert ACCOUNT in await members(simulator, theirs)
        closed = await simulator.group(ANN, BEN)
        await simulator.change_group(closed, membership_approval=True)
        code = await simulator.invite(closed)
        assert await groups.join_group(code) == JoinedGroup(closed, pending=True)
        assert await code_of(groups.join_group("NoSuchInvitation123456")) == "unknown_invite"


async def test_refusals_have_codes(simulator: Simulator, tmp_path: Path) -> None:
    """The account is a plain member, and then none."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        groups = phone.engine.administration.groups
        group = await simulator.group(ANN, ACCOUNT, BEN)
        await simulator.change_group(group, locked=True)
        for asked in (
            groups.change_group(group, GroupChange(subject="Mine")),
            groups.change_group(group, GroupChange(announce=True)),
            groups.invite_code(group, revoke=True),
            groups.change_members(group, "remove", [chat(BEN)]),
        ):
            assert await code_of(asked) == "not_allowed"
        assert (await simulator.group_now(group))["subject"] == "Us"
        await simulator.members(group, remove=[ACCOUNT], by=ANN)
        await until(partial(has_news, phone, "removed"))
        for asked in (
            groups.change_group(group, GroupChange(subject="Mine")),
            groups.change_members(group, "add", [chat(CARA)]),
        ):
            assert await code_of(asked) == "unknown_group"


async def has_news(phone: Device, change: str) -> bool:
    return change in [value.get("change") for _, value in await news(phone)]


async def test_changes_by_others_are_news(simulator: Simulator, tmp_path: Path) -> None:
    """Each is stored before its notification is acknowledged, with who did it."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        group = await simulator.group(ANN, ACCOUNT, BEN)
        await until(partial(has_news, phone, "added"))
        ours = await news(phone)
        assert ("subject", "Us") in [(name, value.get("value")) for name, value in ours]
        told = next(value for name, value in ours if name == "members")
        assert [one["address"] for one in told["people"]] == [chat(ACCOUNT)]
        await simulator.members(group, add=[CARA], by=ANN)
        await simulator.members(group, promote=[BEN], by=ANN)
        await simulator.change_group(
            group,
            by=ANN,
            subject="Them",
            description="Now",
            announcement=True,
            locked=True,
            membership_approval=True,
            member_add_mode="admin_add",
        )
        await simulator.change_group(group, by=ANN, membership_approval=False)
        await simulator.members(group, demote=[BEN], by=ANN)
        await simulator.members(group, remove=[CARA], by=ANN)
        await until(partial(has_news, phone, "removed"))
        later = (await news(phone))[len(ours) :]
        changes = [
            (value["change"], [one["address"] for one in value["people"]])
            for name, value in later
            if name == "members"
        ]
        assert changes == [
            ("added", [chat(CARA)]),
            ("promoted", [chat(BEN)]),
            ("demoted", [chat(BEN)]),
            ("removed", [chat(CARA)]),
        ]
        settings = [(name, value["value"]) for name, value in later if name != "members"]
        assert sorted(settings[:-1]) == [
            ("announce", True),
            ("approval", True),
            ("description", "Now"),
            ("locked", True),
            ("member_add_mode", "admins"),
            ("subject", "Them"),
        ]
        assert settings[-1] == ("approval", False)
        assert {value["by"]["address"] for _, value in later} == {chat(ANN)}
        assert await settings_now(phone, group) == GroupSettings(
            description="Now", announce=True, locked=True, member_add_mode="admins"
        )


async def test_nothing_is_asked_while_no_socket_is_open(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with device(simulator, tmp_path) as phone:
        with pytest.raises(NotConnected):
            await phone.engine.administration.groups.create_group("Us", [chat(ANN)])
