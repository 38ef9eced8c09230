"""Stores, in the simulator's SQLite, messages that simulated people received, with delivery counts, for tests to check."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from simulator.server.groups.group import is_group

if TYPE_CHECKING:
    from simulator.server.companions import DeviceKey
    from simulator.store import Store


@dataclass(frozen=True)
class InboxPage:
    """The items after an index, at most `limit` of them; -1 for no limit."""

    after: int = 0
    limit: int = -1


EVERYTHING: Final = InboxPage()


class ContactInboxes:
    """Messages in the order of their first arrival, one for each sender and id over all devices."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def again(self, device: DeviceKey, sender: str, message_id: str, ciphertext: bytes) -> bool:
        """Counts a delivery of the same ciphertext to a device again."""
        return (
            self._store.execute(
                "UPDATE decrypted SET deliveries = deliveries + 1 WHERE number = ? AND device = ?"
                " AND sender = ? AND id = ? AND ciphertext = ?",
                *device,
                sender,
                message_id,
                ciphertext,
            ).rowcount
            > 0
        )

    def add(
        self,
        device: DeviceKey,
        sender: str,
        message_id: str,
        *,
        chat: str,
        kind: str,
        text: str | None,
        fields: dict[str, Any] | None = None,
        content: bytes = b"",
        ciphertext: bytes = b"",
        name: str = "",
    ) -> bool:
        """Stores a message of a device; returns whether no device of the person had it before.

        `fields` are those that the inbox shows beside the text, `name` is the sender's name in the
        stanza. Another ciphertext with the same id counts as another delivery to the device.
        """
        number, its_device = device
        first = self._store.execute(
            "INSERT INTO inbox (number, sender, id, chat, kind, text, fields, content, at, name)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            number,
            sender,
            message_id,
            chat,
            kind,
            text,
            json.dumps(fields or {}, separators=(",", ":")),
            content,
            time.time(),
            name,
        ).rowcount
        self._store.execute(
            "INSERT INTO decrypted (number, sender, id, device, ciphertext) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET deliveries = deliveries + 1,"
            " ciphertext = excluded.ciphertext",
            number,
            sender,
            message_id,
            its_device,
            ciphertext,
        )
        return first > 0

    def received(self, number: str, page: InboxPage = EVERYTHING) -> list[dict[str, Any]]:
        """Returns messages that others sent to this number."""
        return self._items(number, page, own=False)

    def copies(self, number: str, page: InboxPage = EVERYTHING) -> list[dict[str, Any]]:
        """Returns messages of the companions, as their account's phone received them."""
        return self._items(number, page, own=True)

    def _items(self, number: str, page: InboxPage, *, own: bool) -> list[dict[str, Any]]:
        rows = self._store.rows(
            "SELECT inbox.*, max(deliveries) AS deliveries, group_concat(device) AS devices"
            " FROM inbox JOIN decrypted USING (number, sender, id)"
            " WHERE inbox.number = ? AND seq > ? AND (inbox.sender = inbox.number) = ?"
            " GROUP BY seq ORDER BY seq LIMIT ?",
            number,
            page.after,
            own,
            page.limit,
        )
        return [
            {
                "index": row["seq"],
                "id": row["id"],
                "from": row["sender"],
                "name": row["name"],
                "to": row["chat"],
                "group": row["chat"] if is_group(row["chat"]) else None,
                "type": row["kind"],
                "text": row["text"],
                "content": json.loads(row["fields"]),
                "deliveries": row["deliveries"],
                "devices": sorted(int(device) for device in row["devices"].split(",")),
                "at": row["at"],
            }
            for row in rows
        ]
