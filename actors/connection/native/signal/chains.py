"""Derives message keys along an HMAC chain, for the double ratchet and for sender keys."""

from __future__ import annotations

import hmac
from typing import Final

MAX_JUMP: Final = 400
"""Steps that a message may be ahead of its chain.

libsignal's MAX_FORWARD_JUMPS is 25 000. A step costs an HMAC before the MAC of the message can be
checked, so that this many are what one forged message may cost (`decryption_budget`). A sender that is further
ahead is asked to encrypt again, with a fresh session or sender key.
"""


def seed(chain: bytes) -> bytes:
    """The message key of the chain's place."""
    return hmac.digest(chain, b"\x01", "sha256")


def following(chain: bytes) -> bytes:
    """The chain a step further."""
    return hmac.digest(chain, b"\x02", "sha256")


def walk(chain: bytes, steps: int) -> list[bytes]:
    """The chain, and each of so many places behind it."""
    places = [chain]
    for _ in range(steps):
        chain = following(chain)
        places.append(chain)
    return places
