"""Stores groups in SQLite: members, their ranks, subject, description, addressing mode (phone number or LID)."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from simulator.wire.protocol_library import GROUP_SERVER, JID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from simulator.store import Store

MAX_MEMBERS: Final = 256
SUPERADMIN: Final = "superadmin"
ADMIN: Final = "admin"
SUBJECT: Final = "subject"
DESCRIPTION: Final = "description"
_SUFFIX: Final = f"@{GROUP_SERVER}"


class NoGroupError(Exception):
    """There is no such group, or the person is not in it."""


@dataclass(frozen=True)
class GroupText:
    """A group's subject or description: the text, its id, its author's number, and its time in seconds.

    The text of a description that was deleted is empty.
    """

    text: str
    id: str
    author: str
    at: int


@dataclass(frozen=True)
class Group:
    """A group. `server` is how members are addressed; `members` their ranks by their numbers."""

    id: str
    subject: GroupText
    description: GroupText | None
    creator: str
    created_at: int
    server: str
    members: dict[str, str]

    @property
    def address(self) -> Any:
        return JID(self.id, GROUP_SERVER)

    @property
    def chat(self) -> str:
        """The group's name in inboxes and requests."""
        return f"{self.id}{_SUFFIX}"

    @property
    def admins(self) -> list[str]:
        """The numbers of the members who are administrators."""
        return [number for number, rank in self.members.items() if rank]


class Groups:
    """All groups, also those without members. Changes run inside their callers' transactions."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache: dict[str, Group] = {}
        store.on_rollback(self._cache.clear)

    def make(self, subject: str, creator: str, members: Sequence[str], server: str) -> Group:
        """Creates a group of the creator, who is its first administrator, and the others."""
        group_id = f"120363{secrets.randbelow(10**12):012}"
        self._store.execute(
            "INSERT INTO groups (id, subject, creator, created_at, server) VALUES (?, ?, ?, ?, ?)",
            group_id,
            subject,
            creator,
            int(time.time()),
            server,
        )
        ranks = dict.fromkeys(members, "") | {creator: SUPERADMIN}
        for number, rank in ranks.items():
            self._store.execute(
                "INSERT INTO group_members (group_id, number, rank) VALUES (?, ?, ?)",
                group_id,
                number,
                rank,
            )
        return self.named(group_id)

    def named(self, name: str) -> Group:
        """Returns the group of an id or of a whole address. Raises NoGroupError."""
        group_id = name.removesuffix(_SUFFIX)
        if group_id not in self._cache:
            row = self._store.row("SELECT * FROM groups WHERE id = ?", group_id)
            if row is None:
                raise NoGroupError
            members = self._store.rows(
                "SELECT number, rank FROM group_members WHERE group_id = ? ORDER BY number",
                group_id,
            )
            texts = {
                one["name"]: GroupText(one["text"], one["id"], one["author"], one["at"])
                for one in self._store.rows(
                    "SELECT * FROM group_texts WHERE group_id = ?", group_id
                )
            }
            first = GroupText(row["subject"], "", row["creator"], row["created_at"])
            self._cache[group_id] = Group(
                row["id"],
                texts.get(SUBJECT, first),
                texts.get(DESCRIPTION),
                row["creator"],
                row["created_at"],
                row["server"],
                {one["number"]: one["rank"] for one in members},
            )
        return self._cache[group_id]

    def of(self, number: str) -> list[Group]:
        """The groups that the number is in."""
        rows = self._store.rows(
            "SELECT group_id FROM group_members WHERE number = ? ORDER BY group_id", number
        )
        return [self.named(row["group_id"]) for row in rows]

    def readdress(self, group: Group, server: str) -> Group:
        """Changes the addressing mode, without a notification; returns the group."""
        self._store.execute("UPDATE groups SET server = ? WHERE id = ?", server, group.id)
        return self._renewed(group)

    def write(self, group: Group, name: str, text: GroupText) -> Group:
        """Replaces the subject or the description; returns the group."""
        self._store.execute(
            "INSERT OR REPLACE INTO group_texts (group_id, name, text, id, author, at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            group.id,
            name,
            text.text,
            text.id,
            text.author,
            text.at,
        )
        return self._renewed(group)

    def rank(self, group: Group, numbers: Sequence[str], rank: str) -> Group:
        """Gives members another rank; returns the group."""
        for number in numbers:
            self._store.execute(
                "UPDATE group_members SET rank = ? WHERE group_id = ? AND number = ?",
                rank,
                group.id,
                number,
            )
        return self._renewed(group)

    def change(self, group: Group, added: Sequence[str], removed: Sequence[str]) -> Group:
        """Adds and removes members; returns the group."""
        for number in added:
            self._store.execute(
                "INSERT OR IGNORE INTO group_members (group_id, number) VALUES (?, ?)",
                group.id,
                number,
            )
        for number in removed:
            self._store.execute(
                "DELETE FROM group_members WHERE group_id = ? AND number = ?", group.id, number
            )
        return self._renewed(group)

    def _renewed(self, group: Group) -> Group:
        self._cache.pop(group.id, None)
        return self.named(group.id)


def is_group(name: str) -> bool:
    """Whether a chat's name is a group's."""
    return name.endswith(_SUFFIX)
