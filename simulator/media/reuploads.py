"""Answers media retry receipts of clients: the account's phone uploads a deleted file again.

After whatsmeow `mediaretry.go`: a receipt of type `server-error` to the own phone, answered by a
notification, both sealed under the file's media key.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from simulator.contacts import message_content
from simulator.wire.proto_schema import MediaRetryNotification, Message, ServerErrorReceipt
from simulator.wire.protocol_library import PN_SERVER, Node, bytes_of, jid_of, namespace, text_of

if TYPE_CHECKING:
    from simulator.contacts.people import People
    from simulator.media.store import MediaStore
    from simulator.server.companions import Companion
    from simulator.server.delivery.stanza_router import StanzaRouter
    from simulator.store import Store

_SUCCESS: Final = 1
_NOT_FOUND: Final = 2
# error for a message that the phone does not have, so that no media key can seal the answer
_NOT_ON_PHONE: Final = 2


class Reuploads:
    """Answers requests to upload a file again, each within its caller's transaction."""

    def __init__(
        self,
        *,
        store: Store,
        people: People,
        media: MediaStore,
        switchboard: StanzaRouter,
    ) -> None:
        self._store = store
        self._people = people
        self._media = media
        self._switchboard = switchboard

    def answer(self, companion: Companion, receipt: Any) -> None:
        """Uploads the file of a retry receipt again, unless the phone lost it, too."""
        message_id = text_of(receipt, "id")
        found = self._store.row(
            "SELECT content FROM said WHERE id = ?1 UNION ALL"
            " SELECT content FROM inbox WHERE id = ?1",
            message_id,
        )
        message = Message.FromString(bytes(found["content"]) if found is not None else b"")
        media = message_content.media_in(message)
        if media is None or not _is_sealed(receipt, message_id, media[1].media_key):
            self._notify(companion, receipt, [Node("error", {"code": _NOT_ON_PHONE})])
            return
        path = self._media.again(media[1].direct_path)
        result = MediaRetryNotification(
            stanza_id=message_id, result=_NOT_FOUND if path is None else _SUCCESS
        )
        if path is not None:
            result.direct_path = path
        nonce = secrets.token_bytes(12)
        cipher = _cipher(media[1].media_key)
        sealed = cipher.encrypt(nonce, result.SerializeToString(), message_id.encode())
        parts = [Node("enc_p", {}, sealed), Node("enc_iv", {}, nonce)]
        self._notify(companion, receipt, [Node("encrypt", {}, parts)])

    def _notify(self, companion: Companion, receipt: Any, content: list[Any]) -> None:
        to = jid_of(receipt, "to")
        server = namespace(to) or PN_SERVER
        person = self._people.named(companion.number)
        about = [Node(rmr.tag, rmr.attrs) for rmr in receipt.get_children("rmr")]
        self._switchboard.deliver(
            companion.key,
            Node(
                "notification",
                {
                    "from": person.address(server),
                    "type": "mediaretry",
                    "id": text_of(receipt, "id"),
                    "t": int(time.time()),
                },
                [*about, *content],
            ),
        )


def _is_sealed(receipt: Any, message_id: str, media_key: bytes) -> bool:
    """Returns whether the request is sealed by the media key of the message."""
    try:
        sealed, nonce = (bytes_of(receipt, "encrypt", name) for name in ("enc_p", "enc_iv"))
        plaintext = _cipher(media_key).decrypt(nonce, sealed, message_id.encode())
    except (ValueError, InvalidTag):
        return False
    return bool(ServerErrorReceipt.FromString(plaintext).stanza_id == message_id)


def _cipher(media_key: bytes) -> AESGCM:
    info = b"WhatsApp Media Retry Notification"
    return AESGCM(HKDF(SHA256(), 32, None, info).derive(media_key))
