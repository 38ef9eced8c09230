"""The polls of an account's chats: what reading the votes of each takes."""

from __future__ import annotations

import json
from typing import NamedTuple

from actors.connection.session.file import SessionFile

POLL_SECONDS = 90 * 86_400.0


class PollKeys(NamedTuple):
    """A poll's secret and its options, in their order."""

    secret: bytes
    options: tuple[str, ...]


class Polls(SessionFile):
    """Kept for 90 days; a vote that comes later is there, and cannot be read."""

    def remember_poll(
        self, chat: str, sender: str, message_id: str, poll: PollKeys, author: str | None = None
    ) -> None:
        """Keep what a poll's votes are read with; a repeat changes its `author` alone.

        `sender` is canonical, `author` the same person as on the wire of the poll.
        """
        self._write(
            "INSERT INTO polls (chat, sender, message_id, secret, options, at, author)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET author = coalesce(excluded.author, author)",
            (
                chat,
                sender,
                message_id,
                poll.secret,
                json.dumps(poll.options),
                self._clock(),
                author,
            ),
        )

    def poll(self, chat: str, sender: str, message_id: str) -> PollKeys | None:
        """What the votes of this poll are read with."""
        row = self._row(
            "SELECT secret, options FROM polls WHERE chat = ? AND sender = ? AND message_id = ?",
            (chat, sender, message_id),
        )
        return None if row is None else PollKeys(bytes(row[0]), tuple(json.loads(row[1])))

    def poll_author(self, chat: str, sender: str, message_id: str) -> str | None:
        """The author's address on the wire of this poll, where it is known."""
        row = self._row(
            "SELECT author FROM polls WHERE chat = ? AND sender = ? AND message_id = ?",
            (chat, sender, message_id),
        )
        return None if row is None else row[0]

    def move_polls(self, old: str, new: str) -> None:
        """The polls of the chat `old` are in `new`."""
        self._write(
            "UPDATE OR IGNORE polls SET chat = ?1,"
            " sender = CASE sender WHEN ?2 THEN ?1 ELSE sender END WHERE chat = ?2",
            (new, old),
        )

    def prune_polls(self, now: float) -> None:
        """Drop those that are older than 90 days."""
        self._write("DELETE FROM polls WHERE at < ?", (now - POLL_SECONDS,))
