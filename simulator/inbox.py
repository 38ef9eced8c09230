"""What arrived at the people whom the simulator plays: the oracle that tests judge by."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from simulator.store import Store

Device = tuple[str, int]


@dataclass(frozen=True)
class Page:
    """The items after an index, at most `limit` of them; -1 for no limit."""

    after: int = 0
    limit: int = -1


EVERYTHING: Final = Page()


def content_of(message: Any, *, own_copy: bool) -> tuple[str | None, str | None]:
    """The kind of a decrypted message and its text; (None, None) for what no person would see.

    The account's own phone sees what its companions sent only inside a `deviceSentMessage`.
    """
    if own_copy:
        if not message.HasField("device_sent_message"):
            return None, None
        return content_of(message.device_sent_message.message, own_copy=False)
    if message.conversation:
        return "text", message.conversation
    if message.extended_text_message.text:
        return "text", message.extended_text_message.text
    for kind in ("image", "video", "audio", "document", "sticker", "reaction"):
        if message.HasField(f"{kind}_message"):
            part = getattr(message, f"{kind}_message")
            return kind, getattr(part, "caption", "") or getattr(part, "text", "") or None
    if message.HasField("protocol_message") or message.HasField("sender_key_distribution_message"):
        return None, None
    return "unknown", None


class Inbox:
    """Messages in order of first arrival, one per sender and id, whichever devices got them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def again(self, device: Device, sender: str, message_id: str, ciphertext: bytes) -> bool:
        """Counts a message that comes to a device again with the very same ciphertext."""
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

    def keep(
        self,
        device: Device,
        sender: str,
        message_id: str,
        *,
        chat: str,
        kind: str,
        text: str | None,
        ciphertext: bytes = b"",
    ) -> bool:
        """Keeps a message that a device got; whether it is the person's first sight of it.

        The same id encrypted anew counts as another delivery to that device.
        """
        number, its_device = device
        first = self._store.execute(
            "INSERT INTO inbox (number, sender, id, chat, kind, text, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            number,
            sender,
            message_id,
            chat,
            kind,
            text,
            time.time(),
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

    def received(self, number: str, page: Page = EVERYTHING) -> list[dict[str, Any]]:
        """What others sent to this number."""
        return self._items(number, page, own=False)

    def copies(self, number: str, page: Page = EVERYTHING) -> list[dict[str, Any]]:
        """What the account's own phone saw its companions send."""
        return self._items(number, page, own=True)

    def _items(self, number: str, page: Page, *, own: bool) -> list[dict[str, Any]]:
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
                "to": row["chat"],
                "type": row["kind"],
                "text": row["text"],
                "deliveries": row["deliveries"],
                "devices": sorted(int(device) for device in row["devices"].split(",")),
                "at": row["at"],
            }
            for row in rows
        ]
