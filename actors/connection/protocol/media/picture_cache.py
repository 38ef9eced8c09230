"""Caches WhatsApp's answers about profile pictures in memory, by chat, and limits how often WhatsApp is asked for them.

The cache outlives a login, as the files do; a notification of another picture ends an answer.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from actors.runtime.limits.bounded_map import BoundedMap
from actors.runtime.limits.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.abilities.administration import Picture
    from actors.connection.protocol.identities.addresses import Address

PICTURE_FRESH_SECONDS: Final = 3600.0
"""Seconds for which an answer is not asked for again: WhatsApp limits an account that asks often."""

MOST_PICTURES: Final = 1000
"""Chats whose pictures are remembered."""

PICTURES_AT_ONCE: Final = 40
"""Requests that may follow one another without a pause: a page of the console's list of conversations."""

PICTURE_EVERY_SECONDS: Final = 10.0
"""Seconds after which there is one request more."""

PICTURE_PAUSE_SECONDS: Final = 900.0
"""Seconds without a request once WhatsApp refused one for their number."""


_REQUESTS: Final = TokenBucket(PICTURES_AT_ONCE, PICTURE_EVERY_SECONDS)


@dataclass(frozen=True, slots=True)
class CachedPicture:
    """An answer and its time: a picture, or None for none; `hidden`: the account may not see it."""

    at: float
    picture: Picture | None
    hidden: bool = False


class PictureCache:
    """Answers of one account, and the requests that it may make: `PICTURES_AT_ONCE`, and one more each `PICTURE_EVERY_SECONDS`."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._cached: BoundedMap[Address, CachedPicture] = BoundedMap(MOST_PICTURES)
        self._full_at = clock()
        self.changes = 0
        """Answers that were forgotten; a request that was under way meanwhile may have an older answer."""

    def __len__(self) -> int:
        return len(self._cached)

    def find(self, chat: Address) -> CachedPicture | None:
        """The last answer, however old."""
        return self._cached.get(chat)

    def is_fresh(self, cached: CachedPicture) -> bool:
        """Whether the answer still holds."""
        return self._clock() - cached.at < PICTURE_FRESH_SECONDS

    def note(
        self, chat: Address, picture: Picture | None, *, hidden: bool = False
    ) -> CachedPicture:
        """Remember an answer in place of the earlier one."""
        cached = self._cached[chat] = CachedPicture(self._clock(), picture, hidden)
        return cached

    def forget(self, chat: Address) -> None:
        """The chat has another picture from now on."""
        self._cached.pop(chat, None)
        self.changes += 1

    def take_request(self) -> bool:
        """Whether WhatsApp may be asked once more now; that counts as one request."""
        taken = _REQUESTS.take(self._full_at, self._clock())
        self._full_at = taken.full_at
        return not taken.wait

    @property
    def wait(self) -> float:
        """Seconds until WhatsApp may be asked once more."""
        return _REQUESTS.take(self._full_at, self._clock()).wait

    def pause(self) -> None:
        """WhatsApp refused a request for their number: none is made for a while, and then one at a time."""
        self._full_at = _REQUESTS.drained(self._clock() + PICTURE_PAUSE_SECONDS)
