"""Defines the value of a group's member as events report it: with the person's name and LID, from the session file."""

from __future__ import annotations

from dataclasses import dataclass

from actors.connection.abilities.administration import GroupMember


@dataclass(frozen=True, slots=True)
class NamedMember(GroupMember):
    """The names are as in `InboxMessage`."""

    sender_name: str | None = None
    sender_lid: str | None = None
