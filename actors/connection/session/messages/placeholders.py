"""Stores placeholders of messages without content in the session file, with the times of their resend requests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

from actors.connection.session.session_part import Expired, SessionPart

if TYPE_CHECKING:
    from collections.abc import Mapping

PLACEHOLDER_SECONDS: Final = 14 * 86_400.0
"""Seconds for which the phone is asked for a message at most (WhatsApp Web; whatsapp-rust, pdo.rs)."""

_SELECT: Final = "SELECT chat, sender, message_id, stanza, asked, request FROM placeholders WHERE "


class Placeholder(NamedTuple):
    """A message without its content, by canonical addresses.

    `stanza` has the attributes of the stanza that it came in; `requests` is how often the phone was asked,
    `request` the id of the last request.
    """

    chat: str
    sender: str
    message_id: str
    stanza: dict[str, str]
    requests: int = 0
    request: str | None = None


class Placeholders(SessionPart):
    """Each is kept until its content is here, 14 days at most.

    A message commits with the row that has it asked for, and each request is on disk before it leaves: after a
    crash it is asked for again, not for ever.
    """

    def note(
        self,
        chat: str,
        sender: str,
        message_id: str,
        *,
        stanza: Mapping[str, str],
        ask_at: float | None,
    ) -> None:
        """Note a message without its content; the phone is to be asked at that time, or (None) on demand.

        A repeat changes nothing.
        """
        self._file.write(
            "INSERT INTO placeholders (chat, sender, message_id, stanza, asked, ask_at, at)"
            " VALUES (?, ?, ?, ?, 0, ?, ?) ON CONFLICT DO NOTHING",
            (chat, sender, message_id, json.dumps(dict(stanza)), ask_at, self._file.clock()),
        )

    def find(self, chat: str, sender: str, message_id: str) -> Placeholder | None:
        """The placeholder of this message, where there is one."""
        found = self._placeholders(
            "chat = ? AND sender = ? AND message_id = ?", chat, sender, message_id
        )
        return found[0] if found else None

    def due(self, now: float) -> Placeholder | None:
        """The message for which the phone is to be asked now, the longest due first."""
        found = self._placeholders("ask_at <= ? ORDER BY ask_at LIMIT 1", now)
        return found[0] if found else None

    def next_at(self) -> float | None:
        """The time at which the phone is to be asked next."""
        row = self._file.row("SELECT min(ask_at) FROM placeholders WHERE ask_at IS NOT NULL")
        return None if row is None else row[0]

    def of_request(self, request: str, message_id: str) -> list[Placeholder]:
        """The placeholder that this request asked for; any of that id where a later one asked since."""
        return self._placeholders("request = ? AND message_id = ?", request, message_id) or (
            self._placeholders("message_id = ?", message_id)
        )

    def note_request(self, placeholder: Placeholder, request: str, again_at: float | None) -> bool:
        """Note that the phone is asked; False where the content came meanwhile."""
        return (
            self._file.write(
                "UPDATE placeholders SET asked = asked + 1, request = ?, ask_at = ?"
                " WHERE chat = ? AND sender = ? AND message_id = ?",
                (request, again_at, *placeholder[:3]),
            )
            == 1
        )

    def reschedule(self, request: str, at: float | None) -> None:
        """Have the phone be asked again at that time, or (None) never, for what the request did not bring.

        An answer is final: the acknowledgement of its request, where that comes later, changes nothing.
        """
        self._file.write(
            "UPDATE placeholders SET ask_at = ? WHERE request = ? AND ask_at IS NOT NULL",
            (at, request),
        )

    def forget(self, chat: str, sender: str, message_id: str) -> None:
        """The message has its content."""
        self._file.write(
            "DELETE FROM placeholders WHERE chat = ? AND sender = ? AND message_id = ?",
            (chat, sender, message_id),
        )

    def forget_all(self) -> None:
        """The account, and so its phone, is another from now on."""
        self._file.write("DELETE FROM placeholders")

    def move(self, old: str, new: str) -> None:
        """Messages of the person `old` (a LID), in their chat and in groups, are of `new`."""
        self._file.write(
            "UPDATE OR IGNORE placeholders SET chat = CASE chat WHEN ?2 THEN ?1 ELSE chat END,"
            " sender = CASE sender WHEN ?2 THEN ?1 ELSE sender END WHERE chat = ?2 OR sender = ?2",
            (new, old),
        )

    def expired(self, now: float) -> list[Expired]:
        """Those that are older than 14 days."""
        return [Expired("placeholders", "at < ?", (now - PLACEHOLDER_SECONDS,))]

    def _placeholders(self, where: str, *parameters: object) -> list[Placeholder]:
        return [
            Placeholder(chat, sender, message_id, json.loads(stanza), placeholder, request)
            for chat, sender, message_id, stanza, placeholder, request in self._file.rows(
                _SELECT + where, parameters
            )
        ]
