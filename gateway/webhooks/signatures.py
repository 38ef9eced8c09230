"""Creates secrets and signature headers of webhooks by Standard Webhooks (https://www.standardwebhooks.com, pure)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX = "whsec_"
BYTES = 32


def new_secret() -> str:
    """A secret of 256 random bits, as its owner gets to see it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(BYTES)).decode()


def headers(
    signing: Sequence[str], identity: str, timestamp: int, body: bytes
) -> list[tuple[str, str]]:
    """The three headers of one attempt; a signature for each secret. `timestamp` in seconds."""
    signed = b"%b.%d.%b" % (identity.encode(), timestamp, body)
    return [
        ("webhook-id", identity),
        ("webhook-timestamp", str(timestamp)),
        ("webhook-signature", " ".join(_signature(secret, signed) for secret in signing)),
    ]


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
