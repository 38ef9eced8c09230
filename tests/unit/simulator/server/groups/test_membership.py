"""Groups are created, and members added, removed, promoted and demoted, as clients ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.server.groups import membership
from simulator.wire.protocol_library import JID, LID_SERVER, PN_SERVER, Node
from tests.unit.simulator.server.groups.conftest import (
    ALL_GROUPS,
    FRIEND,
    MEMBER,
    OWNER,
    STRANGER,
    Asker,
    errors,
    participants,
)

if TYPE_CHECKING:
    from simulator.server_state import ServerState

CLOSED, NOBODY = "15550100005", "15550100006"


async def create(asker: Asker, world: ServerState, *numbers: str, subject: str = "We") -> Any:
    attrs = {"subject": subject, "key": "K1"}
    asked = [
        *participants(world, PN_SERVER, *numbers),
        Node("locked"),
        Node("member_add_mode", {}, b"admin_add"),
    ]
    return await asker.ask(ALL_GROUPS, "set", Node("create", attrs, asked))


async def test_a_group_is_created_and_all_hear_of_it(
    world: ServerState, owner: Asker, member: Asker
) -> None:
    world.properties.put(CLOSED, "group_add", "none")
    world.people.change(NOBODY, {"registered": False})
    group = await create(owner, world, MEMBER, FRIEND, CLOSED, NOBODY)
    assert (owner.heard, group.tag, group.attrs["subject"]) == ([], "group", "We")
    assert group.attrs["creator"] == owner.person.address(LID_SERVER)
    assert group.attrs["creator_pn"] == owner.person.address(PN_SERVER)
    expected = {OWNER: None, MEMBER: None, FRIEND: None, CLOSED: "403", NOBODY: "404"}
    assert errors(world, group) == expected
    assert group.get_child("locked") is not None
    assert group.get_child("member_add_mode").content == b"admin_add"
    private = group.get_children("participant")[-2].get_child("add_request")
    assert len(private.attrs["code"]) == 16
    assert set(world.groups.named(group.attrs["id"]).members) == {OWNER, MEMBER, FRIEND}
    for asker in (owner, member):
        stanza = await asker.notification()
        made = stanza.get_child("create")
        assert (made.attrs["type"], made.attrs["key"]) == ("new", "K1")
        assert stanza.attrs["participant"] == owner.person.address(LID_SERVER)
        assert set(errors(world, made.get_child("group"))) == {OWNER, MEMBER, FRIEND}


@pytest.mark.parametrize(
    ("subject", "more", "code"),
    [("", [], "406"), ("x" * 101, [], "406"), ("We", [Node("parent")], "501")],
)
async def test_a_group_that_is_not_created(
    world: ServerState, owner: Asker, subject: str, more: list[Any], code: str
) -> None:
    asked = Node("create", {"subject": subject}, more)
    assert await owner.ask(ALL_GROUPS, "set", asked) == code
    assert world.groups.of(OWNER) == []


async def test_an_account_that_has_not_migrated_creates_groups_by_number(
    world: ServerState, owner: Asker
) -> None:
    world.migrations.change(OWNER, done=False)
    group = await create(owner, world, FRIEND)
    assert group.attrs["addressing_mode"] == "pn"
    assert group.attrs["creator"] == owner.person.address(PN_SERVER)


async def test_members_are_added_each_with_an_answer(
    world: ServerState, server: str, owner: Asker, member: Asker, group: Any
) -> None:
    world.properties.put(CLOSED, "group_add", "none")
    world.people.change(NOBODY, {"registered": False})
    asked = participants(world, server, STRANGER, FRIEND, CLOSED, NOBODY)
    asked.append(Node("participant", {"jid": JID("100000000000001", LID_SERVER)}))
    answer = await member.ask(group, "set", Node("add", {}, asked))
    unknown = answer.get_children("participant").pop()
    assert unknown.attrs["error"] == "404"
    answer.content.pop()
    assert errors(world, answer) == {STRANGER: None, FRIEND: "409", CLOSED: "403", NOBODY: "404"}
    added = (await owner.notification()).get_child("add")
    assert errors(world, added) == {STRANGER: None}
    assert int(added.attrs["v_id"]) > int(added.attrs["prev_v_id"])
    assert STRANGER in world.groups.named(group.user).members


async def test_one_who_is_added_hears_of_the_whole_group(
    world: ServerState, server: str, owner: Asker, member: Asker
) -> None:
    with world.store.transaction():
        group = world.groups.make("Us", OWNER, [FRIEND], server)
    await owner.ask(group.address, "set", Node("add", {}, participants(world, server, MEMBER)))
    create = (await member.notification()).get_child("create")
    assert "type" not in create.attrs
    assert set(errors(world, create.get_child("group"))) == {OWNER, MEMBER, FRIEND}
    assert errors(world, (await owner.notification()).get_child("add")) == {MEMBER: None}


async def test_members_are_removed_and_ranked_by_administrators_alone(
    world: ServerState, server: str, owner: Asker, member: Asker, group: Any
) -> None:
    for tag in ("remove", "promote", "demote"):
        asked = Node(tag, {}, participants(world, server, FRIEND))
        assert await member.ask(group, "set", asked) == "401"
    asked = Node("promote", {}, participants(world, server, MEMBER, STRANGER))
    assert errors(world, await owner.ask(group, "set", asked)) == {MEMBER: None, STRANGER: "404"}
    for asker in (owner, member):
        promoted = (await asker.notification()).get_child("promote").get_children("participant")
        assert [one.attrs["type"] for one in promoted] == ["admin"]
    asked = Node("remove", {}, participants(world, server, FRIEND, OWNER))
    assert errors(world, await member.ask(group, "set", asked)) == {FRIEND: None, OWNER: "406"}
    assert errors(world, (await owner.notification()).get_child("remove")) == {FRIEND: None}
    assert errors(world, (await member.notification()).get_child("remove")) == {FRIEND: None}
    asked = Node("demote", {}, participants(world, server, MEMBER, OWNER))
    assert errors(world, await owner.ask(group, "set", asked)) == {MEMBER: None, OWNER: "406"}
    assert errors(world, (await member.notification()).get_child("demote")) == {MEMBER: None}
    assert world.groups.named(group.user).members == {OWNER: "superadmin", MEMBER: ""}


async def test_the_removed_hear_of_it_and_may_be_added_again(
    world: ServerState, server: str, owner: Asker, member: Asker, group: Any
) -> None:
    asked = participants(world, server, MEMBER)
    await owner.ask(group, "set", Node("remove", {}, asked))
    assert (await member.notification()).get_child("remove") is not None
    assert await member.ask(group, "get", Node("query")) == "403"
    answer = await owner.ask(group, "set", Node("add", {}, asked))
    assert errors(world, answer) == {MEMBER: None}


async def test_one_who_left_cannot_be_added(
    world: ServerState, server: str, owner: Asker, member: Asker, group: Any
) -> None:
    left = Node("leave", {}, [Node("group", {"id": group})])
    assert (await member.ask(ALL_GROUPS, "set", left)).tag == "leave"
    asked = Node("add", {}, participants(world, server, MEMBER))
    assert errors(world, await owner.ask(group, "set", asked)) == {MEMBER: "408"}


async def test_a_full_group(
    world: ServerState, server: str, owner: Asker, group: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "MAX_MEMBERS", 4)
    asked = Node("add", {}, participants(world, server, STRANGER, "15550100007"))
    answer = await owner.ask(group, "set", asked)
    assert errors(world, answer) == {STRANGER: None, "15550100007": "419"}


@pytest.mark.parametrize("content", [[], [Node("participant", {"jid": "nobody"})]])
async def test_a_query_without_people(owner: Asker, group: Any, content: list[Any]) -> None:
    assert await owner.ask(group, "set", Node("add", {}, content)) == "400"
