"""Moves inbox messages of a session to the current address of chat or sender; queues chat merges for the state store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.session.files.pending_downloads import FILE_ITEM, PAST_FILE
from actors.connection.session.session_part import SessionPart

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.connection.session.file import SessionFile
    from actors.connection.session.files.pending_downloads import Downloads
    from actors.connection.session.received.inbox import Inbox
    from actors.connection.session.received.phone_message_receipts import PhoneMessageReceipts


class InboxMoves(SessionPart):
    """A message is in the inbox once after a move, however many of its addresses it was stored under (G5)."""

    def __init__(
        self,
        file: SessionFile,
        inbox: Inbox,
        *,
        phone_statuses: PhoneMessageReceipts,
        downloads: Downloads,
    ) -> None:
        super().__init__(file)
        self._inbox, self._phone_statuses, self._downloads = inbox, phone_statuses, downloads

    def move_chat(self, old: str, new: str, *, stored: bool = False) -> None:
        """Move the messages of the chat `old` to `new`; one that is in both is there once.

        Where any of it may be `stored` elsewhere, or on its way there, an `InboxMerge` is put in.
        """
        moved = self._file.rows(
            "SELECT sender, message_id, readable, inbox, at FROM tombstones WHERE chat = ?", (old,)
        )
        if moved or stored:
            self.merge_chats([(old, new)])
        for sender, message_id, readable, inbox, at in moved:
            target = new if sender == old else sender
            tombstone = self._inbox.tombstone(new, target, message_id)
            if tombstone is not None:
                # The one that can be read stays; of two alike, the one that is there.
                double = inbox if tombstone[0] >= readable else tombstone[1]
                self._file.write("DELETE FROM inbox WHERE key = ?", (double,))
            if tombstone is None or tombstone[0] < readable:
                self._file.write(
                    "INSERT OR REPLACE INTO tombstones"
                    " (chat, sender, message_id, readable, inbox, at) VALUES (?, ?, ?, ?, ?, ?)",
                    (new, target, message_id, readable, inbox, at),
                )
        self._file.write("DELETE FROM tombstones WHERE chat = ?", (old,))
        # Where no message of the chat ever came there are receipts at most: of a group's members
        # hundreds may become known at once, and thousands of messages wait.
        receipts = "" if moved else " AND kind IN ('receipt', 'early')"
        self._file.write(
            "UPDATE inbox SET chat = ?1, sender = CASE sender WHEN ?2 THEN ?1 ELSE sender END"  # noqa: S608
            f" WHERE chat = ?2{receipts}",
            (new, old),
        )
        self._downloads.move(old, new)
        self._phone_statuses.expect_moved(new)

    def merge_chats(self, chats: Iterable[tuple[str, str]]) -> None:
        """Put an `InboxMerge` in for each pair of an old and a new chat that has none yet."""
        for old, new in chats:
            self._file.write(
                "INSERT INTO inbox (kind, chat, sender, message_id, at, type, from_me, source)"
                " SELECT 'merge', ?1, ?2, '', ?3, 'merge', 0, 'live' WHERE NOT EXISTS"
                " (SELECT 1 FROM inbox WHERE kind = 'merge' AND chat = ?1 AND sender = ?2)",
                (new, old, int(self._file.clock())),
            )

    def move_sender(self, lid: str, pn: str) -> None:
        """Move a member's messages in groups from the LID to the number, or repeats would count as new."""
        moved = self._file.rows(
            "SELECT chat, message_id, readable, inbox, at FROM tombstones WHERE sender = ?"
            " AND sender GLOB '*@lid' AND chat GLOB '*@g.us'",
            (lid,),
        )
        for chat, message_id, readable, inbox, at in moved:
            self._file.write(
                "INSERT OR IGNORE INTO tombstones (chat, sender, message_id, readable, inbox, at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (chat, pn, message_id, readable, inbox, at),
            )
            if inbox is not None:
                # A message that is stored already stays under the LID, and so does the outcome of its file.
                self._file.write("UPDATE inbox SET sender = ? WHERE key = ?", (pn, inbox))
                self._file.write(
                    "UPDATE inbox SET sender = ?"
                    " WHERE kind IN (?, ?) AND chat = ? AND sender = ? AND message_id = ?",
                    (pn, FILE_ITEM, PAST_FILE, chat, lid, message_id),
                )
                self._file.write(
                    "UPDATE OR IGNORE transfers SET sender = ?"
                    " WHERE chat = ? AND sender = ? AND message_id = ?",
                    (pn, chat, lid, message_id),
                )
            self._file.write(
                "DELETE FROM tombstones WHERE chat = ? AND sender = ? AND message_id = ?",
                (chat, lid, message_id),
            )
