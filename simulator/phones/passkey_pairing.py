"""Pairs a client by passkey, as server and phone: demands a WebAuthn assertion before the phone links the client.

Stanzas and their order as in whatsmeow, pair-passkey.go, and whatsapp-rust, src/passkey/flow.rs: the
server asks for a WebAuthn assertion; the client answers with it and with an ephemeral key; the phone's
key follows, both derive a code for a person to compare, and the client sends a new secret under what
the two agreed. The further steps are those after a scan.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from simulator.phones import passkey_keys
from simulator.phones.passkey_keys import Passkey
from simulator.phones.scan_demands import notification
from simulator.server.query_errors import QueryError
from simulator.wire.proto_schema import (
    CompanionEphemeralIdentity,
    PrimaryEphemeralIdentity,
    ProloguePayload,
)
from simulator.wire.protocol_library import SERVER, Node, bytes_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simulator.server.companions import Companion
    from simulator.store import Store
    from simulator.wire.connection import Connection

log = structlog.get_logger()

_TIMEOUT_MS: Final = 120_000
_OPTIONS: Final = "passkey_request_options"
_STEPS: Final = (
    "ref",
    _OPTIONS,
    "passkey_prologue",
    "companion_nonce",
    "encrypted_pairing_request",
)


@dataclass
class _Ceremony:
    """The state of one client that was asked for the account's passkey.

    `step` is `asked`, `proved` (the assertion is right), `compared` (the code is shown), `linked`, or
    the code of a `ScanError`.
    """

    number: str
    secret: bytes
    challenge: bytes = b""
    ref: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    step: str = "asked"
    handed_over: bool = False
    key: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)
    nonce: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    identity: bytes = b""
    commitment: bytes = b""
    code: str = ""


class PasskeyPairing:
    """The clients that were asked for a passkey. A stanza out of order is refused (400)."""

    def __init__(
        self,
        store: Store,
        link: Callable[[str, Connection, bytes], Awaitable[Companion]],
    ) -> None:
        self._store = store
        self._link = link
        self._ceremonies: dict[Connection, _Ceremony] = {}
        self._last: dict[str, _Ceremony] = {}
        self._linking: set[asyncio.Task[None]] = set()

    def request(self, number: str, connection: Connection, secret: bytes) -> None:
        """Asks the client, which showed `secret` in its QR, for an assertion by the passkey."""
        self._ceremonies[connection] = self._last[number] = ceremony = _Ceremony(number, secret)
        connection.push(notification("passkey_prologue_request", self._options(ceremony)))

    def left(self, connection: Connection) -> None:
        """Drops the state of a client whose socket closed; it has to be scanned again."""
        self._ceremonies.pop(connection, None)

    def is_step(self, connection: Connection, query: Any) -> bool:
        """Returns whether a query is a step of this pairing, by a client that was asked for a passkey."""
        running = connection in self._ceremonies
        return running and any(query.get_child(step) is not None for step in _STEPS)

    def answer(self, connection: Connection, query: Any) -> None:
        """Answers a step within the caller's transaction."""
        attrs = {"from": SERVER, "id": query.attrs.get("id", "")}
        ceremony = self._ceremonies[connection]
        try:
            content, more = self._content(ceremony, connection, query)
        except (QueryError, ValueError) as error:
            refused = error if isinstance(error, QueryError) else QueryError(400, "bad-request")
            log.info("passkey_refused", action="passkey_refused", code=refused.code)
            refusal = Node("error", {"code": refused.code, "text": refused.text})
            connection.send(Node("iq", {**attrs, "type": "error"}, [refusal]))
            return
        connection.send(Node("iq", {**attrs, "type": "result"}, content or None))
        if more is not None:
            connection.send(more)

    def assertion(self, number: str, challenge: str) -> dict[str, Any]:
        """Answer of the authenticator of the account's owner. Raises ValueError for no challenge."""
        return Passkey(self._store, number).assertion(passkey_keys.read(challenge))

    def described(self, number: str) -> dict[str, Any]:
        """The last ceremony of the account: its step, and the code that the phone shows."""
        last = self._last.get(number)
        if last is None:
            return {"step": None, "code": None, "handed_over": False}
        return {"step": last.step, "code": last.code or None, "handed_over": last.handed_over}

    def _content(
        self, ceremony: _Ceremony, connection: Connection, query: Any
    ) -> tuple[list[Any], Any]:
        """The content of the answer, and a notification that follows it."""
        if query.get_child("ref") is not None:
            return [Node("ref", {}, ceremony.ref.encode())], None
        if query.get_child(_OPTIONS) is not None:
            return [self._options(ceremony)], None
        if (prologue := query.get_child("passkey_prologue")) is not None:
            return [], self._prologue(ceremony, prologue)
        if query.get_child("companion_nonce") is not None:
            self._compare(ceremony, bytes_of(query, "companion_nonce"))
            return [], None
        secret = self._secret(ceremony, connection, bytes_of(query, "encrypted_pairing_request"))
        linking = asyncio.create_task(self._finish(ceremony, connection, secret))
        self._linking.add(linking)
        linking.add_done_callback(self._linking.discard)
        return [], None

    def _options(self, ceremony: _Ceremony) -> Any:
        """The options of a WebAuthn request, with a challenge of their own."""
        ceremony.challenge = secrets.token_bytes(32)
        passkey = Passkey(self._store, ceremony.number)
        allowed = {
            "id": passkey_keys.written(passkey.credential),
            "type": "public-key",
            "transports": ["hybrid", "internal"],
        }
        options = {
            "challenge": passkey_keys.written(ceremony.challenge),
            "timeout": _TIMEOUT_MS,
            "rpId": passkey_keys.RP_ID,
            "allowCredentials": [allowed],
            "userVerification": "required",
            "extensions": {},
        }
        return Node(_OPTIONS, {}, json.dumps(options).encode())

    def _prologue(self, ceremony: _Ceremony, prologue: Any) -> Any:
        """Checks the assertion and the client's ephemeral key; the phone's key in a notification."""
        passkey = Passkey(self._store, ceremony.number)
        payload = bytes_of(prologue, "prologue_payload")
        assertion = bytes_of(prologue, "webauthn_assertion")
        if (
            ceremony.step != "asked"
            or bytes_of(prologue, "credential_id") != passkey.credential
            or not passkey.proves(assertion, ceremony.challenge)
        ):
            raise QueryError(403, "forbidden")
        if prologue.get_child("pairing_handoff_proof") is not None:
            proof = passkey_keys.handoff_proof(ceremony.secret, payload)
            if bytes_of(prologue, "pairing_handoff_proof") != proof:
                raise QueryError(403, "forbidden")
            ceremony.handed_over = True
        parsed = _parsed(ProloguePayload, payload)
        ceremony.identity = parsed.companion_ephemeral_identity
        ceremony.commitment = parsed.commitment.hash
        identity = _parsed(CompanionEphemeralIdentity, ceremony.identity)
        if identity.ref != ceremony.ref or len(identity.public_key) != 32:
            raise QueryError(400, "bad-request")
        ceremony.step = "proved"
        mine = PrimaryEphemeralIdentity(
            public_key=ceremony.key.public_key().public_bytes_raw(), nonce=ceremony.nonce
        )
        content = Node("primary_ephemeral_identity", {}, mine.SerializeToString())
        return notification("crsc_continuation", content)

    def _compare(self, ceremony: _Ceremony, nonce: bytes) -> None:
        """Shows the code on the phone, once the client revealed the nonce of its commitment."""
        if (
            ceremony.step != "proved"
            or passkey_keys.commitment(ceremony.identity, nonce) != ceremony.commitment
        ):
            raise QueryError(400, "bad-request")
        public = ceremony.key.public_key().public_bytes_raw()
        ceremony.code = passkey_keys.code_of(nonce, public, ceremony.nonce)
        ceremony.step = "compared"

    def _secret(self, ceremony: _Ceremony, connection: Connection, sealed: bytes) -> bytes:
        """Accepts the client's new secret, after a check that the keys beside it are the client's."""
        if ceremony.step != "compared":
            raise QueryError(400, "bad-request")
        identity = _parsed(CompanionEphemeralIdentity, ceremony.identity)
        key = passkey_keys.pairing_key(
            ceremony.key, identity.public_key, identity.device_type, ceremony.ref
        )
        request = passkey_keys.opened(key, sealed)
        keys = (request.companion_public_key, request.companion_identity_key)
        if (
            keys != (connection.client_static, bytes(connection.registration.e_ident))
            or len(request.adv_secret) != 32
        ):
            raise QueryError(400, "bad-request")
        ceremony.step = "linking"
        return bytes(request.adv_secret)

    async def _finish(self, ceremony: _Ceremony, connection: Connection, secret: bytes) -> None:
        try:
            await self._link(ceremony.number, connection, secret)
        except Exception as error:  # noqa: BLE001 - `GET /phones/{number}/passkey` shows it
            ceremony.step = str(getattr(error, "code", "failed"))
        else:
            ceremony.step = "linked"


def _parsed(kind: Any, data: bytes) -> Any:
    """Parses a message. Raises ValueError for malformed bytes."""
    try:
        return kind.FromString(data)
    except Exception as error:
        raise ValueError("malformed") from error
