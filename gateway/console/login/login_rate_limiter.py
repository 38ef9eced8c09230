"""Limits how often each tenant logs in to the console: a session that is logged out stays on the disk for hours."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

from actors.runtime.limits.token_bucket import TokenBucket, TokenBuckets
from gateway.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.http.api_keys import ApiKey

LOGINS_AT_ONCE: Final = 300
LOGIN_EVERY_SECONDS: Final = 30.0
"""Seconds after which a tenant has one login more."""

MAX_TENANTS: Final = 4096
"""Tenants beyond which those with a full bucket are forgotten."""


class LoginLimiter:
    """A tenant begins LOGINS_AT_ONCE sessions at once, then one each LOGIN_EVERY_SECONDS, with all of its keys together.

    Counted in the memory of one gateway process.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        bucket = TokenBucket(LOGINS_AT_ONCE, LOGIN_EVERY_SECONDS)
        self._logins = TokenBuckets(bucket, MAX_TENANTS, clock)

    def count(self, key: ApiKey) -> None:
        """Count one more login with the key. Raises the problem `rate_limited`."""
        wait = math.ceil(self._logins.take(key.tenant).wait)
        if wait:
            raise Problem(
                "rate_limited",
                f"Too many logins came with this API key, or others of its connection; try again in {wait} s.",
                headers={"Retry-After": str(wait)},
            )
