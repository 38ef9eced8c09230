"""Builds the stanza nodes of a group and of its members, for query answers and notifications."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.wire.protocol_library import LID_SERVER, PN_SERVER, Node

if TYPE_CHECKING:
    from simulator.contacts.people import People
    from simulator.server.groups.group import Group


def member_node(people: People, group: Group, number: str) -> Any:
    """Returns a member's node: the address of the group's kind, and the other one beside it."""
    person = people.named(number)
    attrs: dict[str, Any] = {"jid": person.address(group.server)}
    if group.server == LID_SERVER:
        attrs["phone_number"] = person.address(PN_SERVER)
    else:
        attrs["lid"] = person.address(LID_SERVER)
    if group.members.get(number):
        attrs["type"] = group.members[number]
    return Node("participant", attrs)


def group_node(people: People, group: Group, timer: int = 0) -> Any:
    """Returns a group's node with all its members; `timer`: when its messages disappear, in seconds."""
    creator = people.named(group.creator)
    attrs: dict[str, Any] = {
        "id": group.id,
        "subject": group.subject,
        "s_t": group.created_at,
        "s_o": creator.address(group.server),
        "creation": group.created_at,
        "creator": creator.address(group.server),
        "size": len(group.members),
        "addressing_mode": "lid" if group.server == LID_SERVER else "pn",
    }
    if group.server == LID_SERVER:
        attrs["creator_pn"] = attrs["s_o_pn"] = creator.address(PN_SERVER)
    content = [member_node(people, group, one) for one in group.members]
    if timer:
        content.append(Node("ephemeral", {"expiration": timer}))
    return Node("group", attrs, content)
