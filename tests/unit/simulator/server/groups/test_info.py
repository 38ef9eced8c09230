"""Subject, description, settings and timer of a group change as clients ask for it, and all members hear of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.wire.protocol_library import JID, LID_SERVER, PN_SERVER, Node
from tests.unit.simulator.server.groups.conftest import FRIEND, MEMBER, Asker

if TYPE_CHECKING:
    import httpx

    from simulator.server_state import ServerState


async def shown(asker: Asker, group: Any) -> Any:
    return await asker.ask(group, "get", Node("query", {"request": "interactive"}))


async def test_the_subject(server: str, owner: Asker, member: Asker, group: Any) -> None:
    assert await member.ask(group, "set", Node("subject", {}, "Wé".encode())) is None
    for asker in (member, owner):
        subject = (await asker.notification()).get_child("subject")
        assert (subject.attrs["subject"], subject.attrs["s_o"]) == (
            "Wé",
            member.person.address(server),
        )
    node = await shown(owner, group)
    assert (node.attrs["subject"], node.attrs["s_o"]) == ("Wé", member.person.address(server))
    assert node.attrs["s_t"] == subject.attrs["s_t"]
    if server == LID_SERVER:
        assert node.attrs["s_o_pn"] == member.person.address(PN_SERVER)
    assert await owner.ask(group, "set", Node("subject", {}, b"")) == "406"
    assert await owner.ask(group, "set", Node("subject", {}, b"\xff")) == "400"


def described(text: str, **attrs: str) -> Any:
    content = [Node("body", {}, text.encode())] if text else None
    return Node("description", attrs, content)


async def test_the_description_replaces_the_one_that_it_names(
    owner: Asker, member: Asker, group: Any
) -> None:
    assert await owner.ask(group, "set", described("first", id="D1")) is None
    node = (await shown(member, group)).get_child("description")
    assert (node.attrs["id"], node.get_child("body").content) == ("D1", b"first")
    told = (await member.notification()).get_child("description")
    assert (told.attrs["id"], told.get_child("body").content) == ("D1", b"first")
    for stale in (described("second", id="D2"), described("second", id="D2", prev="D0")):
        assert await owner.ask(group, "set", stale) == "409"
    assert await owner.ask(group, "set", described("second", id="D2", prev="D1")) is None
    assert await owner.ask(group, "set", described("", delete="true", prev="D2")) is None
    assert (await shown(owner, group)).get_child("description") is None
    await member.notification()
    assert (await member.notification()).get_child("description").get_child("delete") is not None
    assert await owner.ask(group, "set", described("third", id="D3")) is None
    assert await owner.ask(group, "set", described("x" * 2049, id="D4", prev="D3")) == "406"
    assert await owner.ask(group, "set", described("", id="D4", prev="D3")) == "400"


async def test_a_description_without_an_id_stays_for_good(owner: Asker, group: Any) -> None:
    assert await owner.ask(group, "set", described("first")) is None
    assert (await shown(owner, group)).get_child("description").attrs["id"] == "undefined"
    for change in (described("second", id="D2", prev="undefined"), described("second", id="D2")):
        assert await owner.ask(group, "set", change) == "409"


APPROVAL = Node("membership_approval_mode", {}, [Node("group_join", {"state": "on"})])


@pytest.mark.parametrize(
    ("setting", "reverse"),
    [
        (Node("announcement"), Node("not_announcement")),
        (Node("locked"), Node("unlocked")),
        (Node("member_add_mode", {}, b"admin_add"), Node("member_add_mode", {}, b"all_member_add")),
        (Node("member_link_mode", {}, b"all_member_link"), None),
        (APPROVAL, None),
    ],
)
async def test_settings_are_changed_by_administrators_alone(
    owner: Asker, member: Asker, group: Any, setting: Any, reverse: Any
) -> None:
    assert await member.ask(group, "set", setting) == "401"
    assert await owner.ask(group, "set", setting) is None
    told = (await member.notification()).get_child(setting.tag)
    assert (told.content, "v_id" in told.attrs) == (setting.content, setting.tag == "announcement")
    node = (await shown(member, group)).get_child(setting.tag)
    assert node.content == setting.content
    assert await owner.ask(group, "set", setting) is None
    if reverse is None:
        return
    assert await owner.ask(group, "set", reverse) is None
    told = (await member.notification()).get_child(reverse.tag)
    assert told is not None, "and not the same setting twice"
    node = (await shown(member, group)).get_child(setting.tag)
    assert (None if node is None else node.content) == reverse.content


async def test_a_setting_that_there_is_not(owner: Asker, group: Any) -> None:
    assert await owner.ask(group, "set", Node("member_add_mode", {}, b"nobody")) == "400"
    assert await owner.ask(group, "set", Node("no_frequently_forwarded")) == "501"


async def test_a_locked_group_is_edited_by_administrators_alone(
    owner: Asker, member: Asker, group: Any
) -> None:
    assert await member.ask(group, "set", Node("ephemeral", {"expiration": 86400})) is None
    await owner.ask(group, "set", Node("locked"))
    for change in (Node("subject", {}, b"Mine"), described("mine", id="D1"), Node("not_ephemeral")):
        assert await member.ask(group, "set", change) == "401"
    assert (await shown(member, group)).get_child("ephemeral").attrs["expiration"] == "86400"
    assert await owner.ask(group, "set", Node("not_ephemeral")) is None


async def test_only_administrators_write_where_messages_are_announcements(
    server: str, owner: Asker, member: Asker, group: Any
) -> None:
    async def writes(asker: Asker) -> str | None:
        attrs = {"to": group, "id": "M1", "type": "text"}
        await asker.device.send(
            Node("message", attrs, [Node("enc", {"v": "2", "type": "skmsg"}, b"x")])
        )
        return (await asker.device.next("ack")).attrs.get("error")

    await owner.ask(group, "set", Node("announcement"))
    assert await writes(member) == "403"
    assert await writes(owner) is None


async def test_a_stranger_changes_nothing(world: ServerState, owner: Asker, group: Any) -> None:
    with world.store.transaction():
        other = world.groups.make("Them", FRIEND, [], LID_SERVER)
    assert await owner.ask(other.address, "set", Node("subject", {}, b"Mine")) == "403"
    assert await owner.ask(JID("120363000000000000", "g.us"), "set", Node("locked")) == "404"


async def test_a_contact_changes_the_group_over_the_control_port(
    http: httpx.AsyncClient, owner: Asker, member: Asker, group: Any
) -> None:
    changes: dict[str, Any] = {"subject": "Ours", "description": "all of us", "announcement": True}
    url = f"/groups/{group}"
    answer = (await http.post(url, json={**changes, "by": MEMBER})).json()
    assert answer["code"] == "refused", "no administrator may do that"
    assert (await http.get(url)).json()["subject"] == "Us"
    await http.post(f"{url}/participants", json={"promote": [MEMBER]})
    answer = (await http.post(url, json={**changes, "by": MEMBER})).json()
    assert {name: answer[name] for name in changes} == changes
    await http.post(url, json={"description": "none"})
    tags = [(await owner.notification()).content[0].tag for _ in range(5)]
    assert tags == ["promote", "subject", "description", "announcement", "description"]
    answer = (await http.post(url, json={"subject": "x", "by": "15550100009"})).json()
    assert answer["code"] == "refused"
