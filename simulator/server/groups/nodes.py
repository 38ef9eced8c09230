"""Builds the stanza nodes of a group and of its members, for query answers and notifications."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.server.groups.settings import setting_nodes
from simulator.wire.protocol_library import LID_SERVER, PN_SERVER, Node

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.contacts.people import People
    from simulator.server.groups.group import Group, GroupText
    from simulator.server.groups.settings import GroupSettings
    from simulator.server.groups.versions import GroupVersions
    from simulator.server.rules.chat_timers import ChatTimers


class GroupNodes:
    """Builds nodes by the addressing mode of their group."""

    def __init__(
        self,
        people: People,
        settings: GroupSettings,
        versions: GroupVersions,
        chat_timers: ChatTimers,
    ) -> None:
        self._people = people
        self._settings = settings
        self._versions = versions
        self._chat_timers = chat_timers

    def member(
        self,
        group: Group,
        number: str,
        attrs: dict[str, Any] | None = None,
        tag: str = "participant",
    ) -> Any:
        """Returns a person's node: the address of the group's kind, the other one beside it, and `attrs`."""
        person = self._people.named(number)
        shown: dict[str, Any] = {"jid": person.address(group.server)}
        if group.server == LID_SERVER:
            shown["phone_number"] = person.address(PN_SERVER)
        else:
            shown["lid"] = person.address(LID_SERVER)
        if group.members.get(number):
            shown["type"] = group.members[number]
        return Node(tag, shown | (attrs or {}))

    def group(self, group: Group, members: Iterable[str] | None = None) -> Any:
        """Returns a group's node with its texts, settings and timer, and all its members, or those of `members`."""
        creator = self._people.named(group.creator).address(group.server)
        attrs: dict[str, Any] = {
            "id": group.id,
            **self.subject(group),
            "creation": group.created_at,
            "creator": creator,
            "size": len(group.members),
            "addressing_mode": mode(group),
            "p_v_id": self._versions.members(group),
            "a_v_id": self._versions.announcement(group),
        }
        if group.server == LID_SERVER:
            attrs["creator_pn"] = self._people.named(group.creator).address(PN_SERVER)
        shown = group.members if members is None else members
        content = [self.member(group, one) for one in shown]
        if group.description is not None and group.description.text:
            described = group.description
            by = self._author(group, described, "participant")
            content.append(
                Node(
                    "description",
                    {"id": described.id, **by, "t": described.at},
                    [Node("body", {}, described.text.encode())],
                )
            )
        content += setting_nodes(self._settings.of(group))
        timer = self._chat_timers.timer(group.chat)
        if timer:
            content.append(Node("ephemeral", {"expiration": timer}))
        return Node("group", attrs, content)

    def subject(self, group: Group) -> dict[str, Any]:
        """Returns the attributes of a group's subject: text, author and time."""
        subject = group.subject
        return {"subject": subject.text, "s_t": subject.at, **self._author(group, subject, "s_o")}

    def _author(self, group: Group, text: GroupText, name: str) -> dict[str, Any]:
        person = self._people.named(text.author)
        by = {name: person.address(group.server)}
        if group.server == LID_SERVER:
            by[f"{name}_pn"] = person.address(PN_SERVER)
        return by


def mode(group: Group) -> str:
    """Returns the word for a group's addressing mode."""
    return "lid" if group.server == LID_SERVER else "pn"
