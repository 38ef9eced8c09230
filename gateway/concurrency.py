"""Limits how many requests, waiting sends or event readers each API key and connection has at once in this process."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Scope

    from actors.runtime.limits.quotas import Quota
    from gateway.http.api_keys import ApiKey

_HELD: Final = "teimoso.held"
"""In a request's scope: the function that ends its place."""


class ConcurrencyLimiter:
    """No key and no connection has more places at once than its quota, and none takes another's part.

    They are counted in memory, and nobody waits for one: a caller beyond the quota is refused.
    """

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._by_key = Counter[str]()
        self._by_unit = Counter[str]()

    def take(self, key: ApiKey) -> Callable[[], None]:
        """Count one more place of the key; return the function that ends it. Raises `LimitReached`."""
        self._quota.check(key.units, self._by_unit)
        self._quota.check_key(self._by_key[key.id])
        self._add(key, 1)
        return partial(self._add, key, -1)

    def enter(self, scope: Scope, key: ApiKey) -> None:
        """Count the request with this scope until `leave`. Raises `LimitReached`."""
        scope[_HELD] = self.take(key)

    def _add(self, key: ApiKey, count: int) -> None:
        for counter, names in ((self._by_key, (key.id,)), (self._by_unit, key.units)):
            for name in names:
                counter[name] += count
                if not counter[name]:
                    del counter[name]


def leave(scope: Scope) -> None:
    """End the place of the request, where it has one."""
    end = scope.pop(_HELD, None)
    if end is not None:
        end()
