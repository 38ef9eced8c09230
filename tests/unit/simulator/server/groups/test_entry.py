"""People join groups by a link or a private invite, at once or once an administrator let them in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.server.groups import invites
from simulator.server.groups.settings import APPROVAL
from simulator.wire.protocol_library import Node
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
    from collections.abc import Awaitable, Callable

    import httpx

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device


@pytest.fixture
async def stranger(paired: Callable[[str], Awaitable[Device]]) -> Asker:
    return Asker(await paired(STRANGER))


def by_code(code: str) -> Any:
    return Node("invite", {"code": code})


async def link(asker: Asker, group: Any, kind: str = "get") -> str:
    return str((await asker.ask(group, kind, Node("invite"))).attrs["code"])


async def test_administrators_alone_have_the_link(
    owner: Asker, member: Asker, stranger: Asker, group: Any
) -> None:
    assert await member.ask(group, "get", Node("invite")) == "401"
    assert await stranger.ask(group, "get", Node("invite")) == "403"
    code = await link(owner, group)
    assert await link(owner, group) == code
    assert await member.ask(group, "set", Node("invite")) == "401"
    renewed = await link(owner, group, "set")
    assert (await member.notification()).get_child("invite").attrs["code"] == renewed
    assert await stranger.ask(ALL_GROUPS, "get", by_code(code)) == "410"
    assert await stranger.ask(ALL_GROUPS, "set", by_code(code)) == "410"
    assert await stranger.ask(ALL_GROUPS, "get", by_code("nonsense")) == "406"
    assert (await stranger.ask(ALL_GROUPS, "get", by_code(renewed))).attrs["id"] == group.user
    await owner.ask(group, "set", Node("member_link_mode", {}, b"all_member_link"))
    assert await link(member, group) == renewed


async def test_a_stranger_joins_by_the_link(
    world: ServerState, owner: Asker, stranger: Asker, group: Any
) -> None:
    code = await link(owner, group)
    seen = await stranger.ask(ALL_GROUPS, "get", by_code(code))
    assert (seen.attrs["size"], set(errors(world, seen))) == ("3", {OWNER})
    joined = await stranger.ask(ALL_GROUPS, "set", by_code(code))
    assert (joined.tag, joined.attrs["jid"]) == ("group", group)
    added = (await owner.notification()).get_child("add")
    assert (added.attrs["reason"], errors(world, added)) == ("invite", {STRANGER: None})
    made = (await stranger.notification()).get_child("create")
    assert (made.attrs["reason"], made.get_child("group").attrs["size"]) == ("invite", "4")
    assert await stranger.ask(ALL_GROUPS, "set", by_code(code)) == "409"


async def test_one_who_was_removed_does_not_join_by_the_link(
    world: ServerState, server: str, owner: Asker, member: Asker, group: Any
) -> None:
    code = await link(owner, group)
    await owner.ask(group, "set", Node("remove", {}, participants(world, server, MEMBER)))
    assert await member.ask(ALL_GROUPS, "set", by_code(code)) == "405"


async def test_one_who_left_joins_by_the_link(owner: Asker, member: Asker, group: Any) -> None:
    code = await link(owner, group)
    await member.ask(ALL_GROUPS, "set", Node("leave", {}, [Node("group", {"id": group})]))
    assert (await member.ask(ALL_GROUPS, "set", by_code(code))).attrs["jid"] == group


async def test_an_administrator_lets_people_in(
    server: str, owner: Asker, member: Asker, stranger: Asker, group: Any
) -> None:
    world = owner.device.world
    with world.store.transaction():
        world.group_management.settings.change(world.groups.named(group.user), {APPROVAL: True})
    code = await link(owner, group)
    waits = await stranger.ask(ALL_GROUPS, "set", by_code(code))
    assert (waits.tag, waits.attrs["jid"]) == ("membership_approval_request", group)
    created = (await owner.notification()).get_child("created_membership_requests")
    assert created.attrs["request_method"] == "invite_link"
    assert [one.attrs["jid"] for one in created.get_children("requested_user")] == [
        stranger.person.address(server)
    ]
    assert (await stranger.notification()).get_child("membership_approval_request") is not None
    assert await member.ask(group, "get", Node("membership_approval_requests")) == "401"
    listed = await owner.ask(group, "get", Node("membership_approval_requests"))
    (request,) = listed.get_children("membership_approval_request")
    assert request.attrs["jid"] == stranger.person.address(server)
    people = participants(world, server, STRANGER, FRIEND)
    for decision, expected in (("reject", False), ("approve", True)):
        asked = Node("membership_requests_action", {}, [Node(decision, {}, people)])
        assert await member.ask(group, "set", asked) == "401"
        answer = (await owner.ask(group, "set", asked)).get_child(decision)
        assert errors(world, answer) == {STRANGER: None, FRIEND: "404"}
        assert (STRANGER in world.groups.named(group.user).members) == expected
        tag = "create" if expected else "revoked_membership_requests"
        assert (await stranger.notification()).get_child(tag) is not None
        if not expected:
            await stranger.ask(ALL_GROUPS, "set", by_code(code))
            await stranger.notification()
    assert [one.tag for one in member.heard] == []


async def test_a_stranger_takes_a_request_back(
    world: ServerState, server: str, owner: Asker, stranger: Asker, group: Any
) -> None:
    known = world.groups.named(group.user)
    with world.store.transaction():
        world.group_management.settings.change(known, {APPROVAL: True})
    await stranger.ask(ALL_GROUPS, "set", by_code(await link(owner, group)))
    for number, error in ((FRIEND, "403"), (STRANGER, None), (STRANGER, "404")):
        asked = Node("cancel_membership_requests", {}, participants(world, server, number))
        answer = await stranger.ask(group, "set", asked)
        assert (answer if number == FRIEND else errors(world, answer)[STRANGER]) == error
    assert world.group_management.entry.requests(known) == []


async def invited(world: ServerState, server: str, owner: Asker, group: Any) -> dict[str, Any]:
    """The private invite that the server gives out for a person who lets nobody add them."""
    world.properties.put(STRANGER, "group_add", "none")
    asked = Node("add", {}, participants(world, server, STRANGER))
    (refused,) = (await owner.ask(group, "set", asked)).get_children("participant")
    assert refused.attrs["error"] == "403"
    return dict(refused.get_child("add_request").attrs) | {"admin": owner.person.address(server)}


async def test_a_private_invite_is_for_one_person_once(
    server: str, owner: Asker, member: Asker, stranger: Asker, group: Any
) -> None:
    world = owner.device.world
    invite = await invited(world, server, owner, group)
    asked = Node("query", {}, [Node("add_request", invite)])
    assert await member.ask(group, "get", asked) == "406"
    assert (await stranger.ask(group, "get", asked)).attrs["subject"] == "Us"
    assert await stranger.ask(ALL_GROUPS, "set", by_code(invite["code"])) == "406"
    accept = Node("accept", invite)
    assert await member.ask(group, "set", accept) == "406"
    assert (await stranger.ask(group, "set", accept)).attrs["jid"] == group
    assert (await owner.notification()).attrs["participant"] == owner.person.address(server)
    await stranger.ask(ALL_GROUPS, "set", Node("leave", {}, [Node("group", {"id": group})]))
    assert await stranger.ask(group, "set", accept) == "410"


async def test_a_private_invite_ends(
    server: str, owner: Asker, stranger: Asker, group: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = owner.device.world
    monkeypatch.setattr(invites, "PRIVATE_SECONDS", -1)
    accept = Node("accept", await invited(world, server, owner, group))
    assert await stranger.ask(group, "set", accept) == "410"
    monkeypatch.undo()
    accept = Node("accept", await invited(world, server, owner, group))
    revoke = Node("revoke", {}, participants(world, server, STRANGER, FRIEND))
    answer = await owner.ask(group, "set", revoke)
    assert errors(world, answer) == {STRANGER: None, FRIEND: "404"}
    assert await stranger.ask(group, "set", accept) == "410"


async def test_a_contact_joins_over_the_control_port(
    http: httpx.AsyncClient, owner: Asker, member: Asker, group: Any
) -> None:
    url = f"/groups/{group}"
    code = (await http.post(f"{url}/invite", json={})).json()["code"]
    assert code == await link(owner, group)
    assert (await http.post(f"{url}/invite", json={"by": MEMBER})).json()["code"] == "refused"
    joined = (await http.post(f"{url}/join", json={"number": STRANGER, "code": code})).json()
    assert joined["joined"]
    assert (await owner.notification()).get_child("add").attrs["reason"] == "invite"
    await http.post(url, json={APPROVAL: True})
    other = {"number": "15550100005", "code": code}
    assert not (await http.post(f"{url}/join", json=other)).json()["joined"]
    assert (await http.get(url)).json()["requests"] == ["15550100005"]
    answer = (await http.post(f"{url}/requests", json={"approve": ["15550100005"]})).json()
    assert (answer["requests"], len(answer["participants"])) == ([], 5)
    private = (await http.post(f"{url}/invite", json={"number": "15550100006"})).json()
    last = {"number": "15550100006", "code": private["code"]}
    assert (await http.post(f"{url}/join", json=last)).json()["joined"]
    assert (await http.post(f"{url}/join", json=last)).json()["code"] == "refused"
