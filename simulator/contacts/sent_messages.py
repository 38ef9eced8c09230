"""Stores in SQLite messages that simulated people sent, with receipts and retries, for resends and the control API."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from simulator.contacts import message_content
from simulator.contacts.inbox import EVERYTHING, InboxPage
from simulator.wire.proto_schema import Message

if TYPE_CHECKING:
    from simulator.server.companions import DeviceKey
    from simulator.store import Store


OWN_DEVICES: Final = ""
"""The recipient of protocol messages from a phone to its companions."""


class SentMessages:
    """Messages of simulated people, in the table `said`. Each method runs inside its caller's transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, number: str, device: int, to: str, content: Any, server: str) -> str:
        """Stores a message to a person or a group; returns its new id."""
        message_id = f"3EB0{secrets.token_hex(9).upper()}"
        self._store.execute(
            "INSERT INTO said (number, device, recipient, id, text, content, addressing, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            number,
            device,
            to,
            message_id,
            message_content.described(content)[1] or "",
            content.SerializeToString(),
            server,
            time.time(),
        )
        return message_id

    def find(self, number: str, message_id: str, device: int) -> Any:
        """Returns the row of a message that this very device sent, or None."""
        return self._store.row(
            "SELECT * FROM said WHERE number = ? AND id = ? AND device = ?",
            number,
            message_id,
            device,
        )

    def count_request(self, number: str, message_id: str, peer: DeviceKey) -> int:
        """Counts a retry request of a peer; returns the number of its requests."""
        return self._store.number(
            "INSERT INTO asked (number, id, peer, peer_device, count) VALUES (?, ?, ?, ?, 1)"
            " ON CONFLICT DO UPDATE SET count = count + 1 RETURNING count",
            number,
            message_id,
            *peer,
        )

    def count_retry(self, number: str, message_id: str) -> None:
        """Counts a repeated encryption of the message."""
        self._store.execute(
            "UPDATE said SET retries = retries + 1 WHERE number = ? AND id = ?", number, message_id
        )

    def of(self, number: str, page: InboxPage = EVERYTHING) -> list[dict[str, Any]]:
        """Returns the messages of a person, oldest first, with their receipts and retries."""
        now = time.time()
        return [
            {
                "index": row["seq"],
                "id": row["id"],
                "device": row["device"],
                "to": row["recipient"],
                **_shown(sent_content(row)),
                "at": row["at"],
                "received": 0 < row["received"] <= now,
                "delivered": 0 < row["delivered"] <= now,
                "read": 0 < row["read"] <= now,
                "retries": row["retries"],
            }
            for row in self._store.rows(
                "SELECT * FROM said WHERE number = ? AND recipient != ? AND seq > ?"
                " ORDER BY seq LIMIT ?",
                number,
                OWN_DEVICES,
                page.after,
                page.limit,
            )
        ]

    def mark(self, number: str, message_ids: list[str], column: str, at: float) -> None:
        """Marks messages of this person as `received`, `delivered` or `read`, and since when (seconds).

        The first time counts.
        """
        assert column in ("received", "delivered", "read")
        for message_id in message_ids:
            self._store.execute(
                f"UPDATE said SET {column} = ?1"  # noqa: S608
                f" WHERE number = ?2 AND id = ?3 AND ({column} = 0 OR {column} > ?1)",
                at,
                number,
                message_id,
            )


def sent_content(row: Any) -> Any:
    """Returns the message of a row of `said`; a row of the first versions is a text."""
    content = bytes(row["content"])
    return Message.FromString(content) if content else message_content.text(row["text"])


def _shown(message: Any) -> dict[str, Any]:
    kind, text, fields = message_content.described(message)
    return {"type": kind or "protocol", "text": text, "content": fields}
