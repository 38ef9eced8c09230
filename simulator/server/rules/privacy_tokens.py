"""Issues, stores (SQLite) and verifies privacy tokens, which some contacts demand of accounts that write to them.

Shapes after whatsmeow `tctoken.go`, `cstoken.go` and `notification.go` (handlePrivacyTokenNotification). A
person's client asks the server to issue a token to somebody, who gets it in a notification (or in a
history) and sends it with each message; a token is valid for four weeks from the begin of the seven-day
bucket of its issue. Without one, a client may derive a token from a salt, which its phone has in app state
and sends in its first history.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from simulator.server.rules.properties import CONTACT
from simulator.wire.protocol_library import LID_SERVER, PN_SERVER, Node, jid_of

if TYPE_CHECKING:
    from simulator.contacts.people import People
    from simulator.server.companions import Companion, Companions
    from simulator.server.delivery.stanza_router import StanzaRouter
    from simulator.server.rules.properties import Properties
    from simulator.store import Store

TOKEN_WEEK_SECONDS: Final = 7 * 86400
BUCKETS: Final = 4
_KIND: Final = "trusted_contact"
_PROPERTY: Final = "privacy_token"
_ISSUED: Final = "token:"
_SALT: Final = "nct_salt:"


class PrivacyTokens:
    """The last token of each issuer and holder; it survives a restart."""

    def __init__(
        self,
        store: Store,
        properties: Properties,
        people: People,
        companions: Companions,
        switchboard: StanzaRouter,
    ) -> None:
        self._store = store
        self._properties = properties
        self._people = people
        self._companions = companions
        self._switchboard = switchboard

    def admits(self, account: str, contact: str, message: Any) -> bool:
        """Returns whether the contact demands no token of the account, or the message has a valid one."""
        if not self._properties.value(contact, "token_needed", CONTACT):
            return True
        issued = self.issued(contact, account)
        shown = message.get_child("tctoken")
        if issued is not None and shown is not None and _is_current(issued[1]):
            return hmac.compare_digest(shown.content_bytes(), issued[0])
        derived, salt = message.get_child("cstoken"), self.salt(account)
        if derived is None or not salt:
            return False
        lid = str(self._people.named(contact).address(LID_SERVER)).encode()
        expected = hmac.digest(salt, lid, hashlib.sha256)
        return hmac.compare_digest(derived.content_bytes(), expected)

    def issue(self, issuer: str, holder: str, at: float | None = None) -> None:
        """Issues a new token, as of `at` (seconds since the epoch), and notifies the holder's devices."""
        token, moment = secrets.token_bytes(16), int(time.time() if at is None else at)
        self._properties.put(f"{issuer}/{holder}", _PROPERTY, f"{token.hex()} {moment}")
        self._store.count(issuer, f"{_ISSUED}{holder}")
        person, own = self._people.named(issuer), self._people.named(holder)
        for companion in self._companions.of(holder):
            shown = {"type": _KIND, "t": moment, "jid": own.address(PN_SERVER, companion.device)}
            attrs = {
                "from": person.address(person.addressing or PN_SERVER),
                "sender_lid": person.address(LID_SERVER),
                "type": "privacy_token",
                "id": secrets.token_hex(8),
                "t": int(time.time()),
            }
            tokens = Node("tokens", {}, [Node("token", shown, token)])
            self._switchboard.deliver(companion.key, Node("notification", attrs, [tokens]))

    def issue_if_demanded(self, speaker: str, to: str) -> None:
        """Issues a token to the recipient of a person who demands tokens, once in each bucket."""
        if self._properties.value(speaker, "token_needed", CONTACT):
            issued = self.issued(speaker, to)
            if (
                issued is None
                or issued[1] // TOKEN_WEEK_SECONDS < int(time.time()) // TOKEN_WEEK_SECONDS
            ):
                self.issue(speaker, to)

    def answer(self, companion: Companion, tokens: Any) -> list[Any]:
        """Issues the tokens that a client requests; the answer has none."""
        for token in tokens.get_children("token"):
            person = self._people.at(jid_of(token, "jid"))
            if token.attrs.get("type") == _KIND and person is not None:
                self.issue(companion.number, person.number)
        return [Node("tokens", {}, [])]

    def issued(self, issuer: str, holder: str) -> tuple[bytes, int] | None:
        """Returns the last token and its time of issue, in seconds since the epoch."""
        word = self._properties.get(f"{issuer}/{holder}", _PROPERTY)
        if word is None:
            return None
        token, moment = word.split()
        return bytes.fromhex(token), int(moment)

    def counts(self, issuer: str) -> dict[str, int]:
        """Returns the number of tokens that the account issued, by the holder's number."""
        return self._store.counted_by(issuer, _ISSUED)

    def salt(self, account: str) -> bytes:
        """Returns the salt that the account's phone shares with its devices; empty once it was removed."""
        return self._store.secret(f"{_SALT}{account}", new_salt)

    def salted(self, account: str, salt: bytes) -> None:
        """Replaces the salt, within the caller's transaction; an empty one derives no valid token."""
        self._store.replace_secret(f"{_SALT}{account}", salt)


def new_salt() -> bytes:
    """Returns a random salt, from which clients derive tokens."""
    return secrets.token_bytes(32)


def _is_current(moment: int) -> bool:
    """Returns whether a token with this time of issue is valid now."""
    return moment // TOKEN_WEEK_SECONDS > int(time.time()) // TOKEN_WEEK_SECONDS - BUCKETS
