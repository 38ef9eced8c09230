"""Creates secrets and signature headers of webhooks by Standard Webhooks (https://www.standardwebhooks.com, pure)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

KEY_MARK = "whsec_"
SECRET_SIZE = 32


def new_secret() -> str:
    """A secret of 256 random bits, as its owner gets to see it."""
    return KEY_MARK + base64.b64encode(secrets.token_bytes(SECRET_SIZE)).decode()


def headers(
    signing: Sequence[str], identity: str, timestamp: int, body: Iterable[bytes]
) -> list[tuple[str, str]]:
    """The three headers of one attempt; a signature for each secret. `timestamp` in seconds.

    `body` is given in pieces, and read once.
    """
    start = b"%b.%d." % (identity.encode(), timestamp)
    digests = [hmac.new(_key(secret), start, hashlib.sha256) for secret in signing]
    for piece in body:
        for digest in digests:
            digest.update(piece)
    return [
        ("webhook-id", identity),
        ("webhook-timestamp", str(timestamp)),
        ("webhook-signature", " ".join(map(_signature, digests))),
    ]


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(KEY_MARK))


def _signature(digest: hmac.HMAC) -> str:
    return "v1," + base64.b64encode(digest.digest()).decode()
