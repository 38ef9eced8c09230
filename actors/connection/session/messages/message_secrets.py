"""Stores in the session file the secrets of messages, under which poll votes and edits are encrypted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

from actors.connection.session.session_part import Expired, SessionPart
from actors.messages.content import Edit, Poll

if TYPE_CHECKING:
    from actors.messages.content import Content

POLL_SECONDS: Final = 90 * 86_400.0
SECRET_SECONDS: Final = 30 * 86_400.0
"""Seconds for which the secret of a poll is kept, and that of another message.

A message is edited within 20 minutes; WhatsApp holds back what a device did not fetch for 30 days.
"""

SECRET_BYTES: Final = 32


class MessageSecret(NamedTuple):
    """The secret of a message; of a poll its options too, in their order."""

    secret: bytes
    options: tuple[str, ...] = ()


class MessageSecrets(SessionPart):
    """Secrets are kept for 90 days (polls) or 30; a vote or an edit that comes later cannot be read."""

    def remember(
        self,
        chat: str,
        sender: str,
        message_id: str,
        found: MessageSecret,
        author: str | None = None,
    ) -> None:
        """Keep the secret of a message; a repeat changes its `author` alone.

        `sender` is canonical, `author` the same person as on the wire of the message. A secret of another
        length than WhatsApp's is kept of polls alone.
        """
        if not found.options and len(found.secret) != SECRET_BYTES:
            return
        self._file.write(
            "INSERT INTO message_secrets (chat, sender, message_id, secret, options, at, author)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET author = coalesce(excluded.author, author)",
            (
                chat,
                sender,
                message_id,
                found.secret,
                json.dumps(found.options),
                self._file.clock(),
                author,
            ),
        )

    def learn(
        self,
        chat: str,
        sender: str,
        message_id: str,
        *,
        content: Content,
        secret: bytes | None,
        author: str | None = None,
    ) -> None:
        """As `remember`, for what came with a message; that of an edit is its target's from now on."""
        if secret is None:
            return
        if not isinstance(content, Edit):
            options = content.options if isinstance(content, Poll) else ()
            found = MessageSecret(secret, options)
            self.remember(chat, sender, message_id, found, author)
        elif len(secret) == SECRET_BYTES:
            self._file.write(
                "UPDATE message_secrets SET secret = ?"
                " WHERE chat = ? AND sender = ? AND message_id = ?",
                (secret, chat, sender, content.target.message_id),
            )

    def find(self, chat: str, sender: str, message_id: str) -> MessageSecret | None:
        """The secret of a message, where it is known."""
        row = self._file.row(
            "SELECT secret, options FROM message_secrets"
            " WHERE chat = ? AND sender = ? AND message_id = ?",
            (chat, sender, message_id),
        )
        return None if row is None else MessageSecret(bytes(row[0]), tuple(json.loads(row[1])))

    def poll_author(self, chat: str, sender: str, message_id: str) -> str | None:
        """The author's address on the wire of this poll, where it is known."""
        row = self._file.row(
            "SELECT author FROM message_secrets WHERE chat = ? AND sender = ? AND message_id = ?",
            (chat, sender, message_id),
        )
        return None if row is None else row[0]

    def move(self, old: str, new: str) -> None:
        """Messages of the person `old` (a LID), in their chat and in groups, are of `new`."""
        self._file.write(
            "UPDATE OR IGNORE message_secrets SET chat = ?1,"
            " sender = CASE sender WHEN ?2 THEN ?1 ELSE sender END WHERE chat = ?2",
            (new, old),
        )
        self._file.write(
            "UPDATE OR IGNORE message_secrets SET sender = ? WHERE sender = ?"
            " AND sender GLOB '*@lid'",
            (new, old),
        )

    def expired(self, now: float) -> list[Expired]:
        """Those whose time is over."""
        return [
            Expired(
                "message_secrets",
                "at < ? AND (options = '[]' OR at < ?)",
                (now - SECRET_SECONDS, now - POLL_SECONDS),
            )
        ]
