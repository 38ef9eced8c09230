"""Pairing of a client that has to prove itself by a passkey of the account.

Stanzas as in whatsmeow, pair-passkey.go. The server asks for a WebAuthn assertion.
"""

from __future__ import annotations

import base64
import json
import secrets
from typing import TYPE_CHECKING, Any, Final

from simulator.phones.scan_demands import notification
from simulator.wire.protocol import Node

if TYPE_CHECKING:
    from simulator.store import Store
    from simulator.wire.connection import Connection

RP_ID: Final = "web.whatsapp.com"
_TIMEOUT_MS: Final = 120_000
_OPTIONS: Final = "passkey_request_options"


class PasskeyPairing:
    """Clients that were asked for a passkey; each has its own challenge."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def ask(self, number: str, connection: Connection, secret: bytes) -> None:
        """Asks the client for an assertion by the passkey of the account of `number`."""
        del secret
        options = json.dumps(self._options(number)).encode()
        connection.push(notification("passkey_prologue_request", Node(_OPTIONS, {}, options)))

    def _options(self, number: str) -> dict[str, Any]:
        """The options of a WebAuthn request (PublicKeyCredentialRequestOptions, as JSON)."""
        credential = self._store.secret(f"passkey_id:{number}", lambda: secrets.token_bytes(32))
        return {
            "challenge": _written(secrets.token_bytes(32)),
            "timeout": _TIMEOUT_MS,
            "rpId": RP_ID,
            "allowCredentials": [
                {
                    "id": _written(credential),
                    "type": "public-key",
                    "transports": ["hybrid", "internal"],
                }
            ],
            "userVerification": "required",
            "extensions": {},
        }


def _written(value: bytes) -> str:
    """Base64 for URLs, without padding, as WebAuthn has it in JSON."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
