"""Answers companions' `w:g2` queries, which read, create, change, join and leave groups.

Shapes after whatsmeow `group.go`, Baileys `Socket/groups.ts` and whatsapp-rust `wacore/src/iq/groups.rs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.server.groups.group import NoGroupError
from simulator.server.groups.info import require_subject
from simulator.server.groups.membership import RefusedMember, require_admin
from simulator.server.groups.settings import are_valid, setting_in
from simulator.server.query_errors import MAX_USERS, QueryError
from simulator.wire.protocol_library import (
    GROUP_SERVER,
    JID,
    LID_SERVER,
    PN_SERVER,
    Node,
    jid_of,
    namespace,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulator.contacts.people import People
    from simulator.server.companions import Companion
    from simulator.server.groups.entry import GroupEntry
    from simulator.server.groups.group import Group, Groups
    from simulator.server.groups.info import GroupInfo
    from simulator.server.groups.membership import Membership
    from simulator.server.groups.nodes import GroupNodes
    from simulator.server.groups.notifications import GroupNotifications
    from simulator.server.groups.settings import GroupSettings
    from simulator.server.rules.chat_timers import ChatTimers
    from simulator.server.rules.lid_migrations import Migrations


class GroupQueries:
    """Answers `w:g2` queries within their caller's transaction."""

    def __init__(
        self,
        *,
        people: People,
        migrations: Migrations,
        groups: Groups,
        settings: GroupSettings,
        chat_timers: ChatTimers,
        info: GroupInfo,
        membership: Membership,
        entry: GroupEntry,
        nodes: GroupNodes,
        notifications: GroupNotifications,
    ) -> None:
        self._people = people
        self._migrations = migrations
        self._groups = groups
        self._settings = settings
        self._chat_timers = chat_timers
        self._info = info
        self._membership = membership
        self._entry = entry
        self._nodes = nodes
        self._notifications = notifications
        # queries of type `set` to a group, by the tag of their content
        self._changes: dict[str, Callable[[Group, Any, str], list[Any]]] = {
            "subject": self._rename,
            "description": self._describe,
            "ephemeral": self._set_timer,
            "not_ephemeral": self._set_timer,
            "add": self._change_members,
            "remove": self._change_members,
            "promote": self._change_members,
            "demote": self._change_members,
            "revoke": self._change_members,
            "invite": lambda group, _, by: self._link(group, by, renew=True),
            "membership_requests_action": self._decide,
        }

    def answer(self, companion: Companion, query: Any) -> list[Any]:
        """The content of the answer. Raises QueryError."""
        to, children = jid_of(query, "to"), query.get_children()
        if not isinstance(query.attrs.get("to"), JID) or to.server != GROUP_SERVER or not children:
            # whatsmeow `types.GroupServerJID`, whatsapp-rust `Jid::new("", Server::Group)`
            raise QueryError(400, "bad-request")
        change = text_of(query, "type") == "set"
        node, number = children[0], companion.number
        if not to.user:
            return self._about_all(number, node, change=change)
        group = self._named(to.user)
        by_invite = node.get_child("add_request") if node.tag == "query" else None
        if by_invite is not None:
            self._entry.by_invite(group, text_of(by_invite, "code"), number)
            return [self._nodes.group(group)]
        if change and node.tag == "accept":
            after = self._entry.admit(group, text_of(node, "code"), number)
            return [Node("group", {"jid": after.address})]
        if change and node.tag == "cancel_membership_requests":
            return self._cancel(group, node, number)
        if number not in group.members:
            raise QueryError(403, "forbidden")
        return self._change(group, node, number) if change else self._read(group, node, number)

    def _about_all(self, number: str, query: Any, *, change: bool) -> list[Any]:
        """Answers a query that names no group, or names it by an invite code."""
        if query.tag == "participating":
            shown = [self._nodes.group(group) for group in self._groups.of(number)]
            return [Node("groups", {}, shown)]
        if query.tag == "leave":
            left = [text_of(one, "id") for one in query.get_children("group")]
            return [Node("leave", {}, [self._left(number, name) for name in left])]
        if change and query.tag == "create":
            return [self._create(number, query)]
        if query.tag != "invite":
            raise QueryError(501, "feature-not-implemented")
        code = text_of(query, "code")
        if not change:
            # a stranger sees how many are in the group, and who made it
            group = self._entry.by_link(code)
            return [
                self._nodes.group(group, [one for one in [group.creator] if one in group.members])
            ]
        group, joined = self._entry.join(code, number)
        tag = "group" if joined else "membership_approval_request"
        return [Node(tag, {"jid": group.address})]

    def _read(self, group: Group, query: Any, number: str) -> list[Any]:
        if query.tag == "query":
            return [self._nodes.group(group)]
        if query.tag == "invite":
            return self._link(group, number, renew=False)
        if query.tag == "membership_approval_requests":
            require_admin(group, number)
            waiting = [
                self._nodes.member(
                    group,
                    one["number"],
                    {"request_method": one["method"], "request_time": one["at"]},
                    "membership_approval_request",
                )
                for one in self._entry.requests(group)
            ]
            return [Node(query.tag, {}, waiting)]
        raise QueryError(501, "feature-not-implemented")

    def _change(self, group: Group, query: Any, number: str) -> list[Any]:
        setting = setting_in(query)
        if setting is not None:
            self._info.set(group, dict([setting]), number)
            return []
        if query.tag not in self._changes:
            raise QueryError(501, "feature-not-implemented")
        return self._changes[query.tag](group, query, number)

    def _create(self, number: str, query: Any) -> Any:
        subject = text_of(query, "subject")
        require_subject(subject)
        if query.get_child("parent") is not None or query.get_child("linked_parent") is not None:
            raise QueryError(501, "feature-not-implemented")
        people = self._people_in(query, needed=False)
        timer = query.get_child("ephemeral")
        seconds = 0 if timer is None or text_of(timer, "expiration") == "0" else _seconds(timer)
        server = LID_SERVER if self._migrations.done(number) else PN_SERVER
        members = [one for one in people.values() if one is not None]
        settings = dict(filter(None, map(setting_in, query.get_children())))
        if not are_valid(settings):
            raise QueryError(400, "bad-request")
        group, refused = self._membership.make(subject, number, members, server)
        self._settings.change(group, settings)
        self._chat_timers.set(seconds, group.chat)
        self._notifications.made(group, text_of(query, "key"))
        node = self._nodes.group(group)
        others = {jid: one for jid, one in people.items() if one is None or one in refused}
        return Node("group", node.attrs, [*node.content, *self._results(group, others, refused)])

    def _rename(self, group: Group, query: Any, by: str) -> list[Any]:
        self._info.rename(group, _text(query), by)
        return []

    def _describe(self, group: Group, query: Any, by: str) -> list[Any]:
        body = query.get_child("body")
        text = "" if body is None else _text(body)
        if not text and text_of(query, "delete") != "true":
            raise QueryError(400, "bad-request")
        self._info.describe(
            group, text, by, text_id=text_of(query, "id"), previous=text_of(query, "prev")
        )
        return []

    def _set_timer(self, group: Group, query: Any, by: str) -> list[Any]:
        self._info.set_timer(group, _seconds(query), by)
        return []

    def _link(self, group: Group, by: str, *, renew: bool) -> list[Any]:
        return [Node("invite", {"code": self._entry.code(group, by, renew=renew)})]

    def _change_members(self, group: Group, query: Any, by: str) -> list[Any]:
        change = {
            "add": self._membership.add,
            "remove": self._membership.remove,
            "promote": self._membership.promote,
            "demote": self._membership.demote,
            "revoke": self._entry.revoke,
        }[query.tag]
        people = self._people_in(query)
        refused = change(group, [one for one in people.values() if one is not None], by)
        return [Node(query.tag, {}, self._results(group, people, refused))]

    def _decide(self, group: Group, query: Any, by: str) -> list[Any]:
        decision = query.get_child("approve") or query.get_child("reject")
        if decision is None:
            raise QueryError(400, "bad-request")
        people = self._people_in(decision)
        members = [one for one in people.values() if one is not None]
        refused = self._entry.decide(group, members, by, approve=decision.tag == "approve")
        decided = Node(decision.tag, {}, self._results(group, people, refused))
        return [Node(query.tag, {}, [decided])]

    def _cancel(self, group: Group, query: Any, by: str) -> list[Any]:
        people = self._people_in(query)
        if set(people.values()) != {by}:
            raise QueryError(403, "forbidden")
        return [Node(query.tag, {}, self._results(group, people, self._entry.cancel(group, by)))]

    def _people_in(self, query: Any, *, needed: bool = True) -> dict[Any, str | None]:
        """Returns the numbers of the people in a query by their JIDs there, None for an unknown LID."""
        jids = [jid_of(one, "jid") for one in query.get_children("participant")]
        if (needed and not jids) or any(namespace(jid) is None for jid in jids):
            raise QueryError(400, "bad-request")
        if len(jids) > MAX_USERS:
            raise QueryError(429, "rate-overlimit")
        found = {jid: self._people.at(jid) for jid in jids}
        return {jid: None if person is None else person.number for jid, person in found.items()}

    def _results(
        self, group: Group, people: Mapping[Any, str | None], refused: Mapping[str, RefusedMember]
    ) -> list[Any]:
        """Returns the person's node for each of the people, with the error of those who were refused."""
        group = self._groups.named(group.id)
        results = []
        for jid, number in people.items():
            refusal = RefusedMember(404) if number is None else refused.get(number)
            error = {} if refusal is None else {"error": refusal.code}
            if number is None:
                results.append(Node("participant", {"jid": jid, **error}))
                continue
            node = self._nodes.member(group, number, error)
            if refusal is not None and refusal.invite is not None:
                invite = refusal.invite
                given = {"code": invite.code, "expiration": invite.expires}
                node = Node(node.tag, node.attrs, [Node("add_request", given)])
            results.append(node)
        return results

    def _left(self, number: str, name: str) -> Any:
        group = self._named(name)
        if number not in group.members:
            raise QueryError(403, "forbidden")
        self._membership.dismiss(group, [number], number)
        return Node("group", {"id": group.address})

    def _named(self, name: str) -> Group:
        try:
            return self._groups.named(name)
        except NoGroupError as error:
            raise QueryError(404, "item-not-found") from error


def _text(node: Any) -> str:
    """Returns the content of a node as a text. Raises QueryError."""
    try:
        return str(node.content_bytes().decode())
    except UnicodeDecodeError as error:
        raise QueryError(400, "bad-request") from error


def _seconds(timer: Any) -> int:
    """Returns the seconds in a request to change the timer; 0 removes it. Raises QueryError."""
    if timer.tag == "not_ephemeral":
        return 0
    given = text_of(timer, "expiration")
    if not (given.isascii() and given.isdecimal() and 0 < int(given) < 1 << 32):
        raise QueryError(400, "bad-request")
    return int(given)
