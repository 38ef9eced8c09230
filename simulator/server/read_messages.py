"""Stores in SQLite which messages a simulated account read, on a client or the phone; the control API shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from simulator.store import Store

READ_RECEIPTS: Final = ("read", "played")
OWN_RECEIPTS: Final = ("read-self", "played-self")
"""Types of receipts that only the account's own devices get (whatsmeow `types/presence.go`)."""


class ReadMessages:
    """Messages that accounts read (table `read_messages`). Every method runs inside its caller's transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def note(self, number: str, chat: str, message_ids: list[str], kind: str) -> None:
        """Notes that an account read messages of a chat: a person's number, or a group."""
        for message_id in message_ids:
            self._store.execute(
                "INSERT INTO read_messages (number, chat, id, type) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                number,
                chat,
                message_id,
                kind,
            )

    def of(self, number: str) -> list[dict[str, str]]:
        """The messages that the account read, by chat."""
        rows = self._store.rows(
            "SELECT chat, id, type FROM read_messages WHERE number = ? ORDER BY chat, id", number
        )
        return [dict(row) for row in rows]
