"""Stores groups in SQLite: members, members' ranks, and the addressing mode (phone number or LID)."""

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
_SUFFIX: Final = f"@{GROUP_SERVER}"


class NoGroupError(Exception):
    """There is no such group, or the person is not in it."""


@dataclass(frozen=True)
class Group:
    """A group. `server` is how members are addressed; `members` their ranks by their numbers."""

    id: str
    subject: str
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
        ranks = dict.fromkeys(members, "") | {creator: "superadmin"}
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
            self._cache[group_id] = Group(
                row["id"],
                row["subject"],
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
        self._cache.pop(group.id, None)
        return self.named(group.id)

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
        self._cache.pop(group.id, None)
        return self.named(group.id)


def is_group(name: str) -> bool:
    """Whether a chat's name is a group's."""
    return name.endswith(_SUFFIX)
