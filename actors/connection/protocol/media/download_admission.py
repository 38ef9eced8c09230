"""Decides whether a due media file may be downloaded now, by disk space and the day's byte budgets (pure).

A file that is not admitted waits (`Deferral`). Nothing of it is given up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from actors.connection.session.files.pending_downloads import LONGEST_WAIT
from actors.messages.file_deferral import Deferral
from actors.runtime.limits.durations import DAY

if TYPE_CHECKING:
    from collections.abc import Collection

    from actors.connection.session.files.pending_downloads import Transfer

SPREAD: Final = 60.0
"""Seconds within which connections begin again after midnight."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bytes: of the largest file, and of files in a day for the connection and from one sender (0: no budget)."""

    largest: int
    connection: int = 0
    sender: int = 0


@dataclass(frozen=True, slots=True)
class Left:
    """Bytes: the `room` on the disk and in the connection's `part`, those received today, and those of the sender."""

    room: int
    part: int
    received: int
    from_sender: int


@dataclass(frozen=True, slots=True)
class DeferredFiles:
    """Files of more than `left` bytes wait for `reason`: those of `sender`, or of all where it is None.

    They are due again at `until` (seconds since the epoch), or earlier once there is room.
    """

    reason: Deferral
    left: int
    sender: str | None
    until: float


class NotYet:
    """The file fits, but not beside those that are being fetched: it stays due."""


def admit(
    transfer: Transfer,
    fetched: Collection[Transfer],
    bounds: Bounds,
    left: Left,
    *,
    now: float,
    chance: float,
) -> DeferredFiles | NotYet | None:
    """Return None where a file may be fetched beside the others that are being `fetched`, or why not now.

    A file above `bounds.largest` is not deferred: it fails at once. 0 ≤ `chance` < 1 spreads connections
    after midnight.
    """
    if transfer.size > bounds.largest:
        return None
    tomorrow = min((now // DAY + 1) * DAY + SPREAD * chance, now + LONGEST_WAIT)
    limits = (
        (Deferral.DISK, None, left.room, now + LONGEST_WAIT),
        (Deferral.PART, None, left.part, now + LONGEST_WAIT),
        (Deferral.CONNECTION, None, _rest(bounds.connection, left.received), tomorrow),
        (Deferral.SENDER, transfer.sender, _rest(bounds.sender, left.from_sender), tomorrow),
    )
    busy = False
    for reason, sender, rest, until in limits:
        if transfer.size > rest:
            return DeferredFiles(reason, int(rest), sender, until)
        others = sum(one.size for one in fetched if sender in (None, one.sender))
        busy = busy or transfer.size > rest - others
    return NotYet() if busy else None


def without_room(transfer: Transfer, now: float) -> DeferredFiles:
    """Return the files that wait once the disk did not take this one: all that are as large."""
    return DeferredFiles(Deferral.DISK, transfer.size - 1, None, now + LONGEST_WAIT)


def _rest(budget: int, used: int) -> float:
    return max(0, budget - used) if budget else math.inf
