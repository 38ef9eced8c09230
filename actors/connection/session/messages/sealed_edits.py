"""Stores encrypted edits in the session file until the secret of the edited message arrives."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from actors.connection.session.messages.placeholders import PLACEHOLDER_SECONDS
from actors.connection.session.session_part import Expired, SessionPart

EDIT_WAIT_SECONDS: Final = PLACEHOLDER_SECONDS
"""Seconds for which an edit waits, as long as the phone is asked for its message."""

LONGEST_EDIT: Final = 64 * 1024
ALL_EDITS: Final = 1024 * 1024
"""Bytes of one edit, and of all that wait: the oldest make room."""

EDITS_OF_ONE: Final = 16
"""Edits of one message that wait at most, the newest: each is tried with each secret."""


class SealedEdit(NamedTuple):
    """An edit of the message `target`, which `sender` wrote in `chat`; both are canonical addresses.

    `at` is WhatsApp's time in seconds, `plaintext` the decrypted message, in which the edit is still sealed.
    """

    chat: str
    sender: str
    message_id: str
    target: str
    at: int
    from_me: bool
    push_name: str | None
    source: Literal["live", "offline", "history"]
    plaintext: bytes


class SealedEdits(SessionPart):
    """Each edit is kept until it is opened, for 14 days and within bounds of size.

    One that is dropped goes on being shown as a placeholder.
    """

    def add(self, edit: SealedEdit) -> None:
        """Keep an edit that nothing opens yet; a repeat changes nothing."""
        if len(edit.plaintext) > LONGEST_EDIT:
            return
        self._file.write(
            "INSERT INTO sealed_edits (chat, sender, message_id, target, sent_at, from_me, push_name,"
            " source, plaintext, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (*edit, self._file.clock()),
        )
        self._file.write(
            "DELETE FROM sealed_edits WHERE number IN (SELECT number FROM sealed_edits"
            " WHERE chat = ? AND sender = ? AND target = ? ORDER BY number DESC LIMIT -1 OFFSET ?)",
            (edit.chat, edit.sender, edit.target, EDITS_OF_ONE),
        )
        self._file.write(
            "DELETE FROM sealed_edits WHERE number IN (SELECT number FROM (SELECT number,"
            " sum(length(plaintext)) OVER (ORDER BY number DESC) AS total FROM sealed_edits)"
            " WHERE total > ?)",
            (ALL_EDITS,),
        )

    def of_message(self, chat: str, sender: str, target: str) -> list[SealedEdit]:
        """The edits that wait for the secret of this message, in the order in which they came."""
        rows = self._file.rows(
            "SELECT message_id, sent_at, from_me, push_name, source, plaintext FROM sealed_edits"
            " WHERE chat = ? AND sender = ? AND target = ? ORDER BY number",
            (chat, sender, target),
        )
        return [
            SealedEdit(chat, sender, message_id, target, at, bool(from_me), name, source, plaintext)
            for message_id, at, from_me, name, source, plaintext in rows
        ]

    def edited_by(self, person: str) -> list[tuple[str, str, str]]:
        """Chat, sender and id of each message for which edits of the person's wait, in their chat or a group's.

        In the order of arrival.
        """
        return self._file.rows(
            "SELECT chat, sender, target FROM sealed_edits WHERE chat = ?1 OR sender = ?1"
            " GROUP BY chat, sender, target ORDER BY min(number)",
            (person,),
        )

    def forget(self, edit: SealedEdit) -> None:
        """Drop an edit that is opened, or never will be."""
        self._file.write(
            "DELETE FROM sealed_edits WHERE chat = ? AND sender = ? AND message_id = ?", edit[:3]
        )

    def move(self, old: str, new: str) -> None:
        """Move edits of the person `old`, in their chat and in groups, to the address `new`."""
        self._file.write(
            "UPDATE OR IGNORE sealed_edits SET chat = CASE chat WHEN ?2 THEN ?1 ELSE chat END,"
            " sender = CASE sender WHEN ?2 THEN ?1 ELSE sender END WHERE chat = ?2 OR sender = ?2",
            (new, old),
        )

    def expired(self, now: float) -> list[Expired]:
        """Those that are older than 14 days."""
        return [Expired("sealed_edits", "at < ?", (now - EDIT_WAIT_SECONDS,))]
