"""Defines a group's member with the name and the LID that the session file has for the person."""

from __future__ import annotations

from dataclasses import dataclass

from actors.connection.abilities.administration import GroupMember


@dataclass(frozen=True, slots=True)
class NamedMember(GroupMember):
    """The names are as in `InboxMessage`."""

    sender_name: str | None = None
    sender_lid: str | None = None
