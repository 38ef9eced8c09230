"""Queues the notifications about a group (`w:gp2`) to the linked devices of its members.

Shapes after whatsmeow `group.go` (parseGroupCreate, parseGroupChange) and whatsapp-rust
`wacore/src/stanza/groups.rs` (parse_action). The author's own devices get them, too.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

from simulator.server.groups.nodes import mode
from simulator.wire.protocol_library import LID_SERVER, PN_SERVER, Node

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from simulator.contacts.people import People
    from simulator.server.companions import Companions
    from simulator.server.delivery.stanza_router import StanzaRouter
    from simulator.server.groups.group import Group
    from simulator.server.groups.nodes import GroupNodes
    from simulator.server.groups.versions import GroupVersions


class GroupNotifications:
    """Queues notifications like messages. Every method runs inside its caller's transaction, after the change."""

    def __init__(
        self,
        people: People,
        companions: Companions,
        nodes: GroupNodes,
        versions: GroupVersions,
        switchboard: StanzaRouter,
    ) -> None:
        self._people = people
        self._companions = companions
        self._nodes = nodes
        self._versions = versions
        self._switchboard = switchboard

    def made(self, group: Group, key: str = "") -> None:
        """Notifies the members of their new group; `key`: the one of the query that created it."""
        create = Node(
            "create",
            {"type": "new", "key": key or secrets.token_hex(8)},
            [self._nodes.group(group)],
        )
        self.notify(group, create, group.creator, group.members)

    def joined(self, group: Group, numbers: Sequence[str], by: str, reason: str = "") -> None:
        """Notifies those who joined of the whole group, and the other members of them.

        A reason is `invite` for those who came by a code (whatsmeow `types/events` JoinedGroup).
        """
        why = {"reason": reason} if reason else {}
        others = [one for one in group.members if one not in numbers]
        versions = self._versions.members_changed(group)
        added = [self._nodes.member(group, one) for one in numbers]
        self.notify(group, Node("add", {**versions, **why}, added), by, others)
        self.notify(group, Node("create", why, [self._nodes.group(group)]), by, numbers)

    def changed(
        self, group: Group, tag: str, numbers: Sequence[str], by: str, recipients: Iterable[str]
    ) -> None:
        """Notifies of members who were removed (`remove`) or whose rank is another (`promote`, `demote`)."""
        members = [self._nodes.member(group, one) for one in numbers]
        self.notify(
            group, Node(tag, self._versions.members_changed(group), members), by, recipients
        )

    def timer(self, group: Group, seconds: int, by: str) -> None:
        """Notifies all members of the group's timer in seconds, 0 for never."""
        content = Node("ephemeral", {"expiration": seconds}) if seconds else Node("not_ephemeral")
        self.notify(group, content, by, group.members)

    def notify(self, group: Group, content: Any, by: str, recipients: Iterable[str]) -> None:
        """Notifies the people `recipients` of a change by the person `by`."""
        actor = self._people.named(by)
        attrs = {
            "from": group.address,
            "type": "w:gp2",
            "id": str(secrets.randbelow(1 << 31)),
            "participant": actor.address(group.server),
            "notify": actor.name,
            "t": int(time.time()),
            "addressing_mode": mode(group),
        }
        if group.server == LID_SERVER:
            attrs["participant_pn"] = actor.address(PN_SERVER)
        for number in sorted(recipients):
            for companion in self._companions.of(number):
                self._switchboard.deliver(companion.key, Node("notification", attrs, [content]))
