"""Stores in SQLite the codes by which people join groups: a group's link, and private invites of one person each."""

from __future__ import annotations

import secrets
import string
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from simulator.server.groups.group import Group
    from simulator.store import Store

LINK_PREFIX: Final = "https://chat.whatsapp.com/"
PRIVATE_SECONDS: Final = 3 * 86400
"""Validity of a private invite."""
_LETTERS: Final = string.ascii_letters + string.digits
_LINK, _PRIVATE = 22, 16


@dataclass(frozen=True)
class InviteCode:
    """A code of a group. `number` is the person it is for, empty for a link; `expires` in seconds, 0 for never."""

    code: str
    group_id: str
    number: str
    author: str
    expires: int
    revoked: bool

    def valid(self) -> bool:
        """Returns whether the code was neither replaced nor used up, and has not expired."""
        return not self.revoked and (not self.expires or time.time() < self.expires)


class GroupInvites:
    """Invites of all groups. Changes run inside their callers' transactions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def link(self, group: Group) -> str:
        """Returns the code of the group's link, created at first use."""
        found = self._of(group, "")
        return found.code if found is not None else self.renew_link(group)

    def renew_link(self, group: Group) -> str:
        """Revokes the group's link; returns the code of another one."""
        return self._issue(group, "", "", 0, _LINK).code

    def private(self, group: Group, number: str, author: str) -> InviteCode:
        """Issues a private invite, which revokes an earlier one of the person."""
        return self._issue(group, number, author, int(time.time()) + PRIVATE_SECONDS, _PRIVATE)

    def revoke(self, group: Group, number: str) -> bool:
        """Revokes the private invite of a person; returns whether there was one."""
        before = self._of(group, number)
        self._store.execute(
            "UPDATE group_invites SET revoked = 1 WHERE group_id = ? AND number = ?",
            group.id,
            number,
        )
        return before is not None

    def find(self, code: str) -> InviteCode | None:
        """Returns the invite of a code, also one that is not valid any more; None for an unknown one."""
        row = self._store.row("SELECT * FROM group_invites WHERE code = ?", code)
        if row is None:
            return None
        return InviteCode(
            row["code"],
            row["group_id"],
            row["number"],
            row["author"],
            row["expires"],
            bool(row["revoked"]),
        )

    def _of(self, group: Group, number: str) -> InviteCode | None:
        row = self._store.row(
            "SELECT code FROM group_invites WHERE group_id = ? AND number = ? AND revoked = 0",
            group.id,
            number,
        )
        return None if row is None else self.find(row["code"])

    def _issue(
        self, group: Group, number: str, author: str, expires: int, length: int
    ) -> InviteCode:
        self.revoke(group, number)
        invite = InviteCode(
            "".join(secrets.choice(_LETTERS) for _ in range(length)),
            group.id,
            number,
            author,
            expires,
            revoked=False,
        )
        self._store.execute(
            "INSERT INTO group_invites (code, group_id, number, author, expires)"
            " VALUES (?, ?, ?, ?, ?)",
            invite.code,
            invite.group_id,
            invite.number,
            invite.author,
            invite.expires,
        )
        return invite
