"""Defines a limit on a connection, API key or instance as a value, and the exception for a reached limit (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Scope = Literal["connection", "key", "instance"]
"""The holder of a limit. That of the instance may be counted for each host or process: the text of its setting has which."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A setting allows `size` for each connection and key, or for the instance; 0 is no limit.

    `code` is the API's name of its refusals. A refused caller may try again after `retry_after` seconds.
    """

    setting: str
    size: int
    code: str
    retry_after: int

    def reached(
        self, scope: Scope, retry_after: int | None = None, *, needed: int = 0
    ) -> LimitReached:
        """Return the refusal; `retry_after` in place of the usual seconds, and `needed`, where they are known."""
        return LimitReached(self, scope, retry_after, needed=needed)


class LimitReached(Exception):
    """A caller has all that `limit` allows a connection, a key or the instance (`scope`). Nothing was taken.

    A limit of `needed` would allow what is refused; of more than its size, whatever else is not known.

    The API answers 429 for a connection or a key and 503 for the instance, both with `Retry-After`.
    """

    def __init__(
        self, limit: Limit, scope: Scope, retry_after: int | None = None, *, needed: int = 0
    ) -> None:
        super().__init__(limit.setting)
        self.limit = limit
        self.scope: Scope = scope
        self.retry_after = limit.retry_after if retry_after is None else retry_after
        self.needed = max(needed, limit.size + 1)


DISK_RESERVE: Final = "DISK_RESERVE"


def disk_limit(reserve: int) -> Limit:
    """Return the limit of files on a disk of which `reserve` bytes stay free."""
    return Limit(DISK_RESERVE, reserve, "disk_reserve", 60)
