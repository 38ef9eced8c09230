"""Stores, in the session file, receipts for messages that the phone sent, until the message itself is stored elsewhere.

A receipt may come before the copy of the message that it is about. It waits for it here, on disk,
and is handed out only once the message is stored elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.engine import InboxStatus
from actors.connection.session.session_part import Expired, SessionPart

if TYPE_CHECKING:
    from typing import Literal

STATUS_ROW = "status"
EARLY = "early"
"""The kind of a row whose message has not come; `STATUS_ROW` is that of one whose message has."""

EARLY_ROWS = 1000
EARLY_SECONDS = 7 * 86_400
"""So many receipts wait for their message at most, and so long: most are for nothing of ours."""


class PhoneMessageReceipts(SessionPart):
    """Receipts for what the account's phone sent, each on disk before it is acknowledged (G5)."""

    def add(
        self,
        *,
        chat: str,
        sender: str,
        message_id: str,
        status: Literal["delivered", "read"],
        at: int,
    ) -> None:
        """Put the receipt for one message of `sender`, the account's canonical address, in.

        One that comes twice is there twice: noting it is idempotent.
        """
        phone_message = self._file.row(
            "SELECT 1 FROM tombstones WHERE chat = ? AND sender = ? AND message_id = ?",
            (chat, sender, message_id),
        )
        key = self._file.insert(
            "INSERT INTO inbox (kind, chat, sender, message_id, at, type, from_me, source)"
            " VALUES (?, ?, ?, ?, ?, ?, 1, 'live')",
            (STATUS_ROW if phone_message else EARLY, chat, sender, message_id, at, status),
        )
        if not phone_message:
            self._file.write(
                "DELETE FROM inbox WHERE kind = ? AND key < ? AND key <= (SELECT key FROM inbox"
                " WHERE kind = ? ORDER BY key DESC LIMIT 1 OFFSET ?)",
                (EARLY, key, EARLY, EARLY_ROWS),
            )

    def due(self, limit: int) -> list[InboxStatus]:
        """The oldest ones whose message is settled, oldest first."""
        rows = self._file.rows(
            "SELECT inbox.key, inbox.chat, inbox.sender, inbox.message_id, inbox.type, inbox.at"
            " FROM inbox JOIN tombstones USING (chat, sender, message_id)"
            " WHERE inbox.kind = ? AND tombstones.inbox IS NULL ORDER BY inbox.key LIMIT ?",
            (STATUS_ROW, limit),
        )
        return [InboxStatus(*row) for row in rows]

    def expired(self, now: float) -> list[Expired]:
        """Receipts whose message has not come for a week."""
        return [Expired("inbox", "kind = ? AND at < ?", (EARLY, now - EARLY_SECONDS))]

    def expect(self, chat: str, sender: str, message_id: str) -> None:
        """The message came: early receipts are not early any more."""
        self._file.write(
            "UPDATE inbox SET kind = ? WHERE kind = ?"
            " AND chat = ? AND sender = ? AND message_id = ?",
            (STATUS_ROW, EARLY, chat, sender, message_id),
        )

    def expect_moved(self, chat: str) -> None:
        """As `expect`, for every message of a chat that others were merged into."""
        self._file.write(
            "UPDATE inbox SET kind = ? WHERE kind = ? AND chat = ? AND EXISTS (SELECT 1 FROM"
            " tombstones WHERE tombstones.chat = inbox.chat AND tombstones.sender = inbox.sender"
            " AND tombstones.message_id = inbox.message_id)",
            (STATUS_ROW, EARLY, chat),
        )
