"""Limits how many wrong API keys each client address tries, at the console's login and in requests, in memory."""

from __future__ import annotations

import math
import time
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final

from actors.runtime.limits.durations import MINUTE
from actors.runtime.limits.token_bucket import TokenBucket, TokenBuckets
from gateway.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

QUOTA: Final = 20
"""Wrong keys of an address at once, and a minute."""

_WRONG_KEYS: Final = TokenBucket(QUOTA, MINUTE / QUOTA)

MAX_ADDRESSES: Final = 4096
"""Addresses beyond which those with a full bucket are forgotten."""


class WrongKeyLimiter:
    """No address tries more than its quota of wrong keys.

    Counted in the memory of one gateway process. People behind one proxy share an address and its
    quota; a caller who is logged in, or whose key the process knows, is not held to it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._wrong = TokenBuckets(_WRONG_KEYS, MAX_ADDRESSES, clock)

    def check(self, address: str) -> None:
        """Raises the problem `rate_limited` while the address may not try."""
        wait = math.ceil(self._wrong.look(_who(address)).wait)
        if wait:
            raise Problem(
                "rate_limited",
                f"Too many wrong keys came from your address; try again in {wait} s.",
                headers={"Retry-After": str(wait)},
            )

    def wrong(self, address: str) -> None:
        """One more wrong key of the address."""
        self._wrong.take(_who(address))


def _who(address: str) -> str:
    """Of IPv6 the network: one person has all the addresses in it."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return str(ip_network(f"{found}/64", strict=False))
    return address
