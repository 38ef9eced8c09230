"""Answers clients' placeholder-resend requests as the phone: sends messages that arrived without ciphertext.

After whatsmeow `message.go` (handlePlaceholderResendResponse) and `send.go`
(BuildUnavailableMessageRequest), and whatsapp-rust `pdo.rs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simulator.contacts.sent_messages import sent_content
from simulator.server.groups.group import is_group
from simulator.wire.proto_schema import Message, WebMessageInfo

if TYPE_CHECKING:
    from simulator.contacts.contact_behaviour import ContactBehaviour
    from simulator.contacts.people import People
    from simulator.server.companions import Companion
    from simulator.server.groups.group import Groups
    from simulator.server.rules.properties import Properties
    from simulator.store import Store

UNAVAILABLE: Final[dict[str, list[dict[str, str]]]] = {
    "plain": [{}],
    "view_once": [{"type": "view_once"}],
    "hosted": [{"hosted": "true"}],
    "absent": [],
}
"""Attributes of each `<unavailable>` of a message, by its kind.

After whatsapp-rust `message/receive.rs`; `absent`, a message without any content, after Baileys
`Utils/decode-wa-message.ts` (NO_MESSAGE_FOUND_ERROR_TEXT).
"""

_PROPERTY: Final = "resends"
_RESPONSE: Final = 17
_PLACEHOLDER_RESEND: Final = 4


class PlaceholderResend:
    """Answers for the phone of each account, which has all messages unless a property says otherwise."""

    def __init__(
        self,
        *,
        store: Store,
        people: People,
        groups: Groups,
        properties: Properties,
        contact_behaviour: ContactBehaviour,
    ) -> None:
        self._store = store
        self._people = people
        self._groups = groups
        self._properties = properties
        self._contact_behaviour = contact_behaviour

    def resends(self, number: str) -> bool:
        """Returns whether the account's phone has requested messages."""
        return self._properties.get(number, _PROPERTY) is None

    def change(self, number: str, *, resends: bool) -> None:
        """Changes whether the phone answers such requests."""
        self._properties.put(number, _PROPERTY, None if resends else "no")

    def answer(self, companion: Companion, request_id: str, message: Any) -> None:
        """Answers a companion's message that is a resend request; runs in the caller's transaction.

        One result for each requested message, empty for those that the phone does not have.
        """
        request = message.protocol_message.peer_data_operation_request_message
        if request.peer_data_operation_request_type != _PLACEHOLDER_RESEND:
            return
        answer = Message()
        answer.protocol_message.type = _RESPONSE
        response = answer.protocol_message.peer_data_operation_request_response_message
        response.peer_data_operation_request_type = _PLACEHOLDER_RESEND
        response.stanza_id = request_id
        for placeholder in request.placeholder_message_resend_request:
            result = response.peer_data_operation_result.add()
            info = self._info(companion.number, placeholder.message_key)
            if info is not None:
                part = result.placeholder_message_resend_response
                part.web_message_info_bytes = info.SerializeToString()
        self._store.count(companion.number, "placeholder_resends")
        self._contact_behaviour.to_companion(companion, answer)

    def _info(self, number: str, key: Any) -> Any:
        """Returns the message of a key, None where the account's phone does not have it."""
        row = self._store.row("SELECT * FROM said WHERE id = ?", key.id)
        if row is None or not self.resends(number) or not self._is_in_chats(number, row):
            return None
        info = WebMessageInfo(message_timestamp=int(row["at"]))
        info.key.CopyFrom(key)
        info.message.CopyFrom(sent_content(row))
        info.push_name = self._people.named(row["number"]).name
        if key.HasField("participant"):
            info.participant = key.participant
        return info

    def _is_in_chats(self, number: str, row: Any) -> bool:
        """Returns whether the message of this row of `said` is in a chat of the account."""
        if is_group(row["recipient"]):
            return number in self._groups.named(row["recipient"]).members
        return number in (row["number"], row["recipient"])
