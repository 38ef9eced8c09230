"""What clients ask about groups, and how they leave them (whatsmeow `group.go`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.server.groups.group import Group, NoGroupError
from simulator.server.prekeys import QueryError
from simulator.wire.protocol import GROUP_SERVER, LID_SERVER, PN_SERVER, Node, jid_of, text_of

if TYPE_CHECKING:
    from simulator.contacts.people import People
    from simulator.server.companions import Companion
    from simulator.server_state import World


class GroupQueries:
    """Answers `w:g2` queries within their caller's transaction."""

    def __init__(self, world: World) -> None:
        self._world = world

    def answer(self, companion: Companion, query: Any) -> list[Any]:
        """The content of the answer. Raises QueryError."""
        to = jid_of(query, "to")
        people = self._world.people
        if query.get_child("participating") is not None:
            groups = self._world.groups.of(companion.number)
            return [Node("groups", {}, [group_node(people, group) for group in groups])]
        leave = query.get_child("leave")
        if leave is not None:
            left = [text_of(one, "id") for one in leave.get_children("group")]
            return [Node("leave", {}, [self._left(companion, name) for name in left])]
        if to is None or to.server != GROUP_SERVER or not to.user:
            raise QueryError(400, "bad-request")
        group = self._group(companion, to.user)
        if query.get_child("query") is None:
            raise QueryError(501, "feature-not-implemented")
        return [group_node(people, group)]

    def _left(self, companion: Companion, name: str) -> Any:
        group = self._group(companion, name)
        self._world.group_speech.change(group, [], [companion.number], companion.number)
        return Node("group", {"id": group.address})

    def _group(self, companion: Companion, name: str) -> Group:
        try:
            group = self._world.groups.named(name)
        except NoGroupError as error:
            raise QueryError(404, "item-not-found") from error
        if companion.number not in group.members:
            raise QueryError(403, "forbidden")
        return group


def member_node(people: People, group: Group, number: str) -> Any:
    """A member by the group's kind of address, with the other one beside it."""
    person = people.named(number)
    attrs: dict[str, Any] = {"jid": person.address(group.server)}
    if group.server == LID_SERVER:
        attrs["phone_number"] = person.address(PN_SERVER)
    else:
        attrs["lid"] = person.address(LID_SERVER)
    if group.members.get(number):
        attrs["type"] = group.members[number]
    return Node("participant", attrs)


def group_node(people: People, group: Group) -> Any:
    """A group with all its members."""
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
    return Node("group", attrs, [member_node(people, group, one) for one in group.members])
