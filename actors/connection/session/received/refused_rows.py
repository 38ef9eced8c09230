"""Marks inbox rows of the session file that the state store refuses as set aside; lists, restores or deletes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from actors.connection.refused_items.port import REFUSED_EXCERPT, RefusedItem
from actors.connection.session.session_part import SessionPart

if TYPE_CHECKING:
    from collections.abc import Sequence

REFUSED_ITEM: Final = "refused"
"""The kind of a row that is set aside."""

MAX_REFUSED_ROWS: Final = 1000
"""Rows that a session sets aside at most."""

MAX_REFUSED_BYTES: Final = 32 * 2**20
"""Bytes of all of them together, at most; the first may have more."""


class RefusedRows(SessionPart):
    """A row that is set aside is in no list of pending ones, and keeps its place and its tombstone."""

    def set_aside(self, key: int, *, bounded: bool = True) -> bool:
        """Take the row out of the pending ones. One that is not there, or is set aside already, stays so.

        False, and it stays pending, where that would be more than `MAX_REFUSED_ROWS` or `MAX_REFUSED_BYTES`.
        """
        if bounded and not self._has_room_aside(key):
            return False
        self._file.write(
            "INSERT INTO refused (inbox, kind, at)"
            " SELECT key, kind, ? FROM inbox WHERE key = ? AND kind <> ?",
            (self._file.clock(), key, REFUSED_ITEM),
        )
        self._file.write("UPDATE inbox SET kind = ? WHERE key = ?", (REFUSED_ITEM, key))
        return True

    def _has_room_aside(self, key: int) -> bool:
        count = self.count()
        if not count:
            return True
        size = "coalesce(length(CAST({} AS BLOB)), 0)"
        sizes = " + ".join(size.format(each) for each in ("text", "content", "body"))
        row = self._file.row(
            f"SELECT coalesce(sum({sizes}), 0) FROM inbox WHERE key = ?"  # noqa: S608 - no value
            " OR key IN (SELECT inbox FROM refused)",
            (key,),
        )
        assert row is not None
        return count < MAX_REFUSED_ROWS and int(row[0]) <= MAX_REFUSED_BYTES

    def count(self) -> int:
        """The number of rows that are set aside."""
        row = self._file.row("SELECT count(*) FROM refused")
        return 0 if row is None else int(row[0])

    def items(self, limit: int, after: int) -> list[RefusedItem]:
        """Those behind the key `after`, in the order of their arrival."""
        rows = self._file.rows(
            "SELECT inbox.key, refused.kind, chat, sender, message_id, type, inbox.at, refused.at,"
            " coalesce(length(CAST(text AS BLOB)), 0) + coalesce(length(CAST(content AS BLOB)), 0),"
            " substr(text, 1, ?)"
            " FROM refused JOIN inbox ON inbox.key = refused.inbox"
            " WHERE refused.inbox > ? ORDER BY refused.inbox LIMIT ?",
            (REFUSED_EXCERPT, after, limit),
        )
        return [RefusedItem(*row) for row in rows]

    def unsettled(self, chat: str, sender: str, message_id: str) -> int | None:
        """The key of the message's item; None once it is stored elsewhere or set aside, or was never there."""
        row = self._file.row(
            "SELECT inbox FROM tombstones WHERE chat = ? AND sender = ? AND message_id = ?"
            " AND inbox NOT IN (SELECT inbox FROM refused)",
            (chat, sender, message_id),
        )
        return None if row is None else row[0]

    def retry(self, key: int) -> bool:
        """Make the row pending again; False where it is not set aside."""
        self._file.write(
            "UPDATE inbox SET kind = (SELECT kind FROM refused WHERE inbox = ?1)"
            " WHERE key = ?1 AND kind = ?2",
            (key, REFUSED_ITEM),
        )
        return self._file.write("DELETE FROM refused WHERE inbox = ?", (key,)) == 1

    def discard(self, key: int) -> bool:
        """Forget the row, not its tombstone: the message does not come again. False as above."""
        if self._file.row("SELECT 1 FROM refused WHERE inbox = ?", (key,)) is None:
            return False
        self._file.write("DELETE FROM inbox WHERE key = ?", (key,))
        self._file.write(
            "UPDATE tombstones SET inbox = NULL, at = ? WHERE inbox = ?", (self._file.clock(), key)
        )
        return True

    def rows(self) -> list[tuple[Any, ...]]:
        """All of them whole, for `adopt` of another file."""
        return self._file.rows(
            "SELECT refused.kind, refused.at, chat, sender, message_id, inbox.at, type, text, from_me,"
            " push_name, source, body, content, received_at, place"
            " FROM refused JOIN inbox ON inbox.key = refused.inbox ORDER BY inbox.key"
        )

    def adopt(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Put rows of another file in, set aside as they were; one that is there already stays."""
        for kind, refused_at, *row in rows:
            self._file.write(
                "INSERT INTO inbox (kind, chat, sender, message_id, at, type, text, from_me, push_name,"
                " source, body, content, received_at, place)"
                " SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE NOT EXISTS"
                " (SELECT 1 FROM inbox WHERE kind = ?1 AND chat = ?2 AND sender = ?3"
                " AND message_id = ?4 AND at = ?5 AND type = ?6)",
                (REFUSED_ITEM, *row),
            )
            self._file.write(
                "INSERT INTO refused (inbox, kind, at) SELECT key, ?, ? FROM inbox WHERE kind = ?"
                " AND key NOT IN (SELECT inbox FROM refused)",
                (kind, refused_at, REFUSED_ITEM),
            )
