"""Answers companions' `w:g2` queries: returns groups and members, removes a leaving member, sets the message timer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.server.groups.group import NoGroupError
from simulator.server.groups.nodes import group_node
from simulator.server.query_errors import QueryError
from simulator.wire.protocol_library import GROUP_SERVER, JID, Node, jid_of, text_of

if TYPE_CHECKING:
    from simulator.contacts.people import People
    from simulator.server.companions import Companion
    from simulator.server.groups.group import Group, Groups
    from simulator.server.groups.membership import Membership
    from simulator.server.notifications import Notifications
    from simulator.server.rules.chat_timers import ChatTimers


class GroupQueries:
    """Answers `w:g2` queries within their caller's transaction."""

    def __init__(
        self,
        people: People,
        groups: Groups,
        membership: Membership,
        chat_timers: ChatTimers,
        notifications: Notifications,
    ) -> None:
        self._people = people
        self._groups = groups
        self._membership = membership
        self._chat_timers = chat_timers
        self._notifications = notifications

    def answer(self, companion: Companion, query: Any) -> list[Any]:
        """The content of the answer. Raises QueryError."""
        to = jid_of(query, "to")
        if not isinstance(query.attrs.get("to"), JID):
            # whatsmeow `types.GroupServerJID`, whatsapp-rust `Jid::new("", Server::Group)`
            raise QueryError(400, "bad-request")
        if query.get_child("participating") is not None:
            groups = self._groups.of(companion.number)
            return [Node("groups", {}, [self._node(group) for group in groups])]
        leave = query.get_child("leave")
        if leave is not None:
            left = [text_of(one, "id") for one in leave.get_children("group")]
            return [Node("leave", {}, [self._left(companion, name) for name in left])]
        if to is None or to.server != GROUP_SERVER or not to.user:
            raise QueryError(400, "bad-request")
        group = self._group(companion, to.user)
        if query.get_child("query") is not None:
            return [self._node(group)]
        timer = query.get_child("ephemeral") or query.get_child("not_ephemeral")
        if timer is None:
            raise QueryError(501, "feature-not-implemented")
        self.set_timer(group, _seconds(timer), companion.number)
        return []

    def set_timer(self, group: Group, seconds: int, by: str) -> None:
        """Sets the group's timer in seconds, 0 for never, and notifies its members."""
        self._chat_timers.set(seconds, group.chat)
        self._notifications.timer(group, seconds, by)

    def _node(self, group: Group) -> Any:
        return group_node(self._people, group, self._chat_timers.timer(group.chat))

    def _left(self, companion: Companion, name: str) -> Any:
        group = self._group(companion, name)
        self._membership.change(group, [], [companion.number], companion.number)
        return Node("group", {"id": group.address})

    def _group(self, companion: Companion, name: str) -> Group:
        try:
            group = self._groups.named(name)
        except NoGroupError as error:
            raise QueryError(404, "item-not-found") from error
        if companion.number not in group.members:
            raise QueryError(403, "forbidden")
        return group


def _seconds(timer: Any) -> int:
    """Returns the seconds in a request to change the timer; 0 removes it. Raises QueryError."""
    if timer.tag == "not_ephemeral":
        return 0
    given = text_of(timer, "expiration")
    if not (given.isascii() and given.isdecimal() and 0 < int(given) < 1 << 32):
        raise QueryError(400, "bad-request")
    return int(given)
