"""Sends linked devices malformed messages (no author, no protobuf), unknown tags, and contacts' status updates.

Shapes after whatsmeow `message.go` (handleUnencryptedMessage, decryptMessages) and whatsapp-rust
`client/node_io.rs` (nack_unrecognized_stanza).
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from simulator.contacts import message_content
from simulator.server import stanzas
from simulator.wire.protocol_library import GROUP_SERVER, JID, LID_SERVER, PN_SERVER, SERVER, Node

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.contacts.people import People
    from simulator.contacts.signal_endpoints import SignalEndpoints
    from simulator.server.companions import Companion, Companions
    from simulator.server.delivery.stanza_router import StanzaRouter
    from simulator.server.prekeys import Prekeys
    from simulator.server.rules.switches import Switches

UNKNOWN_TAG: Final = "novelty"
STATUS: Final = JID("status", "broadcast")
_SPEAKER: Final = "15550100099"
_UNKNOWN_ENC: Final = "msmsg"
"""A kind of ciphertext under a secret that the device does not have (Baileys `messages-recv.ts` refuses it with 495,
whatsmeow `message.go` too; one of a name that it does not know whatsmeow leaves out of the message)."""
_NO_PROTOBUF: Final = b"\xff" * 24


class MalformedStanzas:
    """Queues malformed stanzas like all others. Each method runs inside its caller's transaction."""

    def __init__(
        self,
        *,
        people: People,
        endpoints: SignalEndpoints,
        companions: Companions,
        prekeys: Prekeys,
        switchboard: StanzaRouter,
        switches: Switches,
    ) -> None:
        self._people = people
        self._endpoints = endpoints
        self._companions = companions
        self._prekeys = prekeys
        self._switchboard = switchboard
        self._switches = switches

    def send(self, kind: str, account: str, *, device: int | None, contact: str | None) -> int:
        """Sends one of FAULTS to the account's devices; returns their number."""
        companions = [one for one in self._companions.of(account) if device in (None, one.device)]
        for companion in companions:
            FAULTS[kind](self, companion, contact or _SPEAKER)
        return len(companions)

    def status(self, number: str, account: str, text: str) -> str:
        """Sends the account a status of a person; returns its id."""
        person, message_id = self._people.named(number), _message_id()
        content = message_content.text(text).SerializeToString()
        for companion in self._companions.of(account):
            attrs = {
                "from": STATUS,
                "participant": person.address(PN_SERVER),
                "participant_lid": person.address(LID_SERVER),
                "type": "text",
                "id": message_id,
                "t": int(time.time()),
                "notify": person.name,
            }
            sealed = self._sealed(number, companion, content)
            self._switchboard.deliver(companion.key, Node("status", attrs, [sealed]))
        return message_id

    def _unparsable(self, companion: Companion, _: str) -> None:
        """Builds a group message without its author."""
        attrs = {
            "from": JID(f"120363{secrets.randbelow(10**12):012}", GROUP_SERVER),
            "type": "text",
            "id": _message_id(),
            "t": int(time.time()),
        }
        enc = stanzas.enc("skmsg", secrets.token_bytes(64))
        self._switchboard.deliver(companion.key, Node("message", attrs, [enc]))

    def _no_protobuf(self, companion: Companion, contact: str) -> None:
        """Builds a message that decrypts to bytes that are no protobuf."""
        self._from(contact, companion, [self._sealed(contact, companion, _NO_PROTOBUF)])

    def _unknown_enc(self, companion: Companion, contact: str) -> None:
        """Builds a message whose only part is of a kind that the device does not read."""
        self._from(contact, companion, [self._unreadable()])

    def _extra_enc(self, companion: Companion, contact: str) -> None:
        """Builds a readable text with such a part beside it."""
        content = message_content.text("readable").SerializeToString()
        self._from(
            contact, companion, [self._sealed(contact, companion, content), self._unreadable()]
        )

    def _from(self, contact: str, companion: Companion, content: list[Any]) -> None:
        person = self._people.named(contact)
        stanza = stanzas.message(
            person, 0, _message_id(), content, server=PN_SERVER, now=time.time()
        )
        self._switchboard.deliver(companion.key, stanza)

    def _unreadable(self) -> Any:
        return stanzas.enc(_UNKNOWN_ENC, secrets.token_bytes(64))

    def _unknown_tag(self, companion: Companion, _: str) -> None:
        """Builds a stanza with an unknown tag; it needs an answer under the rule `unknown_tags`."""
        attrs = {"from": SERVER, "id": _message_id(), "t": int(time.time())}
        stanza = Node(UNKNOWN_TAG, attrs)
        if self._switches.on("unknown_tags", companion.number):
            self._switchboard.deliver(companion.key, stanza)
            return
        connection = self._switchboard.live(companion.key)
        if connection is not None:
            connection.send(stanza)

    def _sealed(self, number: str, companion: Companion, plaintext: bytes) -> Any:
        phone = self._endpoints.phone(number)
        fresh = not phone.has_session(companion.key)
        bundle = self._prekeys.take(companion) if fresh else None
        return stanzas.enc(*phone.encrypt(companion.key, plaintext, bundle))


FAULTS: Final[dict[str, Callable[[MalformedStanzas, Companion, str], None]]] = {
    "unparsable": MalformedStanzas._unparsable,  # noqa: SLF001
    "no_protobuf": MalformedStanzas._no_protobuf,  # noqa: SLF001
    "unknown_tag": MalformedStanzas._unknown_tag,  # noqa: SLF001
    "unknown_enc": MalformedStanzas._unknown_enc,  # noqa: SLF001
    "extra_enc": MalformedStanzas._extra_enc,  # noqa: SLF001
}
"""By the name of the fault."""


def _message_id() -> str:
    return f"3EB0{secrets.token_hex(9).upper()}"
