"""Stores on the server (SQLite) the stanzas for each companion until it acknowledges them by an ack or a receipt.

A stanza stays until the device acknowledges it, also when it was sent before. A message is
acknowledged by an `ack` of class message (also by one with an error, a permanent refusal), or by a
receipt of a type that means receipt by the device: delivered (no type), `inactive`, `sender`,
`peer_msg` or `hist_sync`. A `read` receipt says something about a person, not about this device's
copy, and removes nothing. Receipts and notifications are removed by an `ack` of their class, id,
type and sender (whatsmeow `receipt.go`, `retry.go`; Baileys `messages-recv.ts`).

A `retry` receipt asks for a message anew and removes nothing: an `ack` does that, before it or after
it. Each resend waits beside what it replaces, so that a late ack of the old ciphertext leaves the
new one (whatsapp-rust 647). So does each further request of a device for the same message: an ack
names no count, and the one of the first request may come when the second one is queued already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from simulator.server.delivery.answer_validation import RECEIVED
from simulator.server.stanzas import retry_count
from simulator.wire.protocol_library import GROUP_SERVER, JID, decode, jid_of, text_of

if TYPE_CHECKING:
    from simulator.server.companions import DeviceKey
    from simulator.store import Store


_MESSAGES: Final = ("message", "status")


@dataclass(frozen=True)
class QueuedStanza:
    """A stanza of the queue, in the order in which it was put."""

    seq: int
    stanza: Any


class OfflineQueue:
    """One ordered queue per companion, on disk."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, device: DeviceKey, stanza: Any, encoded: bytes) -> int:
        """Stores the stanza, whose bytes are `encoded`; returns its sequence number.

        A message that names the retry request which it answers is queued beside the one that it
        replaces, a retry request beside the one before it, any other stanza in its place.
        """
        message = stanza.tag in _MESSAGES
        return self._store.number(
            "INSERT INTO queue (number, device, class, id, type, peer, stanza)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET stanza = excluded.stanza RETURNING seq",
            *device,
            stanza.tag,
            text_of(stanza, "id"),
            _resend(stanza) if message else _type(stanza),
            "" if message else _peer(stanza.attrs.get("from", ""), stanza),
            encoded,
        )

    def waiting(self, device: DeviceKey) -> list[QueuedStanza]:
        """Returns the stanzas that the companion did not acknowledge, in their order."""
        rows = self._store.rows(
            "SELECT seq, stanza FROM queue WHERE number = ? AND device = ? ORDER BY seq", *device
        )
        return [QueuedStanza(row["seq"], decode(bytes(row["stanza"]))) for row in rows]

    def holds_type(self, device: DeviceKey, kind: str, type_: str) -> bool:
        """Returns whether a stanza of that class and type is queued."""
        found = self._store.row(
            "SELECT 1 FROM queue WHERE number = ? AND device = ? AND class = ? AND type = ?",
            *device,
            kind,
            type_,
        )
        return found is not None

    def holds(self, seq: int) -> bool:
        """Whether the stanza waits for its acknowledgement still."""
        return self._store.row("SELECT 1 FROM queue WHERE seq = ?", seq) is not None

    def acknowledge(self, device: DeviceKey, ack: Any) -> list[int]:
        """Removes the stanza of a client's `ack`; returns the sequence numbers."""
        kind, to = text_of(ack, "class"), jid_of(ack, "to")
        if kind in _MESSAGES:
            return self._remove_message(device, kind, text_of(ack, "id"), oldest=True)
        # WhatsApp Web leaves the type out when it acknowledges a new identity, and so does
        # whatsapp-rust (`is_encrypt_identity_notification`); whatsmeow repeats it.
        untyped = "encrypt" if kind == "notification" else ""
        return self._remove(
            device,
            kind,
            text_of(ack, "id"),
            text_of(ack, "type") or untyped,
            None if to is None else _peer(to, ack),
        )

    def receive(self, device: DeviceKey, kind: str, message_id: str) -> list[int]:
        """Removes the message of a receipt, if its type `kind` means that the device has it.

        Returns the sequence numbers, those of resends included.
        """
        if kind not in RECEIVED:
            return []
        return self._remove_message(device, "message", message_id, oldest=False)

    def note_retry(self, device: DeviceKey, message_id: str, count: int) -> None:
        """Notes the `count`th retry request of the device for a message.

        Each copy that was sent by then is removed by an ack.
        """
        self._store.execute(
            "UPDATE queue SET asked = 1 WHERE number = ? AND device = ? AND class = 'message'"
            " AND id = ? AND CAST(type AS INTEGER) < ?",
            *device,
            message_id,
            count,
        )

    def counts(self, device: DeviceKey) -> dict[str, int]:
        """Returns the number of queued stanzas, by class."""
        rows = self._store.rows(
            "SELECT class, count(*) AS n FROM queue WHERE number = ? AND device = ? GROUP BY class",
            *device,
        )
        return {row["class"]: row["n"] for row in rows}

    def _remove_message(
        self, device: DeviceKey, kind: str, message_id: str, *, oldest: bool
    ) -> list[int]:
        """Removes the message and its resends, or the oldest one of requested resends."""
        removed = self._store.rows(
            "DELETE FROM queue WHERE number = ?1 AND device = ?2 AND class = ?3 AND id = ?4"
            " AND (NOT ?5 OR seq = coalesce((SELECT min(seq) FROM queue AS asked WHERE number = ?1"
            " AND device = ?2 AND class = ?3 AND id = ?4 AND asked.asked), seq)) RETURNING seq",
            *device,
            kind,
            message_id,
            oldest,
        )
        return [row["seq"] for row in removed]

    def _remove(
        self,
        device: DeviceKey,
        kind: str,
        stanza_id: str,
        type_: str,
        peer: str | None = None,
    ) -> list[int]:
        """Removes a stanza; of retry requests for one message the oldest."""
        removed = self._store.rows(
            "DELETE FROM queue WHERE seq = (SELECT min(seq) FROM queue WHERE number = ?1"
            " AND device = ?2 AND class = ?3 AND id = ?4"
            " AND (type = ?5 OR substr(type, 1, length(?5) + 1) = ?5 || ' ')"
            " AND (?6 IS NULL OR peer IN ('', ?6))) RETURNING seq",
            *device,
            kind,
            stanza_id,
            type_,
            peer,
        )
        return [row["seq"] for row in removed]


def _peer(address: Any, stanza: Any) -> str:
    """The sender of a stanza: in a group a member."""
    member = stanza.attrs.get("participant")
    receipt = "receipt" in (stanza.tag, stanza.attrs.get("class"))
    in_group = isinstance(address, JID) and address.server == GROUP_SERVER
    return f"{address}/{member}" if receipt and in_group and member else str(address)


def _type(stanza: Any) -> str:
    """The type of a stanza; of a device's further requests for one message with their count."""
    kind = text_of(stanza, "type")
    count = retry_count(stanza) if (stanza.tag, kind) == ("receipt", "retry") else 0
    return f"{kind} {count}" if count > 1 else kind


def _resend(message: Any) -> str:
    """The request for the message that its ciphertext answers, empty for none."""
    counts = [text_of(enc, "count") for enc in message.get_children("enc")]
    return max((one for one in counts if one.isdecimal()), key=int, default="").lstrip("0")


def receipt_ids(receipt: Any) -> list[str]:
    """The message ids of a receipt: its own, and those of its list."""
    ids = [text_of(receipt, "id")]
    for listed in receipt.get_children("list"):
        ids += [text_of(item, "id") for item in listed.get_children("item")]
    return ids
