"""Stores plaintexts of sent messages in the session file for a day, to answer retry receipts, and counts these."""

from __future__ import annotations

from typing import Literal

from actors.connection.session.session_part import Expired, SessionPart

SENT_SECONDS = 86_400.0
SENT_ROWS = 10_000
RETRY_SECONDS = 30 * 86_400.0

SENT_IDS_SECONDS = 90 * 86_400.0
"""Seconds for which it is known that this device sent a message, and not the account's phone."""


class SentMessages(SessionPart):
    """Plaintexts of the last day, at most `SENT_ROWS` of them, and counts of retry receipts."""

    def remember(
        self,
        chat: str,
        message_id: str,
        plaintext: bytes,
        at: float,
        *,
        wire: Literal["lid", "number"] | None = None,
    ) -> None:
        """Keep the plaintext for 24 hours; the oldest make room. A repeat replaces the first.

        `wire` is the kind of addresses under which it leaves.
        """
        number = self._file.insert(
            "INSERT OR REPLACE INTO sent (chat, message_id, plaintext, at, wire)"
            " VALUES (?, ?, ?, ?, ?)",
            (chat, message_id, plaintext, at, wire),
        )
        self._file.write("DELETE FROM sent WHERE number <= ?", (number - SENT_ROWS,))
        self._file.write(
            "INSERT OR IGNORE INTO sent_ids (chat, message_id, at) VALUES (?, ?, ?)",
            (chat, message_id, at),
        )

    def was_sent(self, chat: str, message_id: str) -> bool:
        """Whether this device, or the one of this account before it, sent the message."""
        row = self._file.row(
            "SELECT 1 FROM sent_ids WHERE chat = ? AND message_id = ?", (chat, message_id)
        )
        return row is not None

    def was_written_to(self, chat: str) -> bool:
        """Whether anything that this device sent to the chat is known."""
        row = self._file.row("SELECT 1 FROM sent_ids WHERE chat = ? LIMIT 1", (chat,))
        return row is not None

    def plaintext(self, chat: str, message_id: str) -> bytes | None:
        """The plaintext sent under this id within 24 hours."""
        row = self._file.row(
            "SELECT plaintext FROM sent WHERE chat = ? AND message_id = ? AND at >= ?",
            (chat, message_id, self._file.clock() - SENT_SECONDS),
        )
        return None if row is None else bytes(row[0])

    def wire(self, chat: str, message_id: str) -> Literal["lid", "number"] | None:
        """The kind of addresses under which the message left within 24 hours, where it did."""
        row = self._file.row(
            "SELECT wire FROM sent WHERE chat = ? AND message_id = ? AND at >= ?",
            (chat, message_id, self._file.clock() - SENT_SECONDS),
        )
        wire: Literal["lid", "number"] | None = None if row is None else row[0]
        return wire

    def count_retry(
        self, direction: Literal["asked", "answered"], chat: str, peer: str, message_id: str
    ) -> int:
        """Count one more retry receipt for a message and return how many there were with it.

        ``asked``: this device asked `peer` to encrypt again. ``answered``: it did so for `peer`.
        """
        self._file.write(
            "INSERT INTO retries (direction, chat, peer, message_id, count, at)"
            " VALUES (?, ?, ?, ?, 1, ?) ON CONFLICT DO UPDATE SET count = count + 1, at = excluded.at",
            (direction, chat, peer, message_id, self._file.clock()),
        )
        return self.retries(direction, chat, peer, message_id)

    def retries(
        self, direction: Literal["asked", "answered"], chat: str, peer: str, message_id: str
    ) -> int:
        """Number of retry receipts that were counted for the message."""
        row = self._file.row(
            "SELECT count FROM retries"
            " WHERE direction = ? AND chat = ? AND peer = ? AND message_id = ?",
            (direction, chat, peer, message_id),
        )
        return 0 if row is None else int(row[0])

    def move(self, old: str, new: str) -> None:
        """Move sent messages and their counts from the chat `old` to `new`."""
        for table in ("sent", "retries", "sent_ids"):
            self._file.write(f"UPDATE OR IGNORE {table} SET chat = ? WHERE chat = ?", (new, old))  # noqa: S608
            self._file.write(f"DELETE FROM {table} WHERE chat = ?", (old,))  # noqa: S608
        self._file.write("UPDATE OR IGNORE retries SET peer = ? WHERE peer = ?", (new, old))

    def expired(self, now: float) -> list[Expired]:
        """Plaintexts older than a day, retry counts after 30 days, ids after 90."""
        return [
            Expired("sent_ids", "at < ?", (now - SENT_IDS_SECONDS,)),
            Expired("sent", "at < ?", (now - SENT_SECONDS,)),
            Expired("retries", "at < ?", (now - RETRY_SECONDS,)),
        ]

    def forget_all(self) -> None:
        """Drop all plaintexts and counts. The ids stay: a message that was sent is stored, and not to be stored again."""
        self._file.write("DELETE FROM sent")
        self._file.write("DELETE FROM retries")
