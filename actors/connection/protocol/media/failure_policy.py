"""Decides what follows a failed media download: a retry, a re-upload request or a final error (pure).

| what happened | what follows |
|---|---|
| the servers do not have it | the account's phone is asked to upload it again; then ``media_gone`` |
| the phone says that it has it no more | ``media_gone`` |
| it was damaged on the way | another try, thrice; then ``media_corrupt`` |
| its sender sealed it so | ``media_corrupt`` |
| it is larger than is fetched | ``media_too_large`` |
| no server answers, or none as it should | other tries with growing pauses; then ``media_unreachable`` |
| the ledger or the bucket takes nothing | other tries for as long as that lasts |
| this disk has no room | deferred for as long as that lasts (`download_admission`) |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from actors.connection.session.files.pending_downloads import LONGEST_WAIT
from actors.runtime.backoff import backoff

if TYPE_CHECKING:
    from actors.connection.session.files.pending_downloads import Transfer

GONE_ERROR: Final = "media_gone"
CORRUPT: Final = "media_corrupt"
TOO_LARGE: Final = "media_too_large"
UNREACHABLE: Final = "media_unreachable"
UNUSABLE: Final = "media_unusable"
VIEW_ONCE: Final = "media_view_once"

MAX_UNANSWERED: Final = 24
"""Tries that no server answered: over some hours, and none while the connection is not open."""

DAMAGE: Final = 8
"""As so many of these counts a try that brought something else than the file: the third is the last."""

MAX_REUPLOAD_REQUESTS: Final = 12
"""Tries: over some hours, for phones are switched off at night."""

FIRST_DOWNLOAD_PAUSE: Final = 2.0
LOCAL_PAUSE: Final = 30.0

REUPLOAD_WAIT: Final = 60.0
"""Seconds that the phone has to upload a file again before it is asked again; longer each time."""


class Trouble(Enum):
    """The reason of a failed try."""

    GONE = "gone"
    LOST = "lost"
    DAMAGED = "damaged"
    SEALED_SO = "sealed so"
    TOO_LARGE = "too large"
    UNREACHABLE = "unreachable"
    LOCAL = "local"
    FULL = "full"


BROUGHT: Final = frozenset({Trouble.DAMAGED, Trouble.SEALED_SO})
"""Servers sent the bytes of the file, and they are of no use: they count as those of one that is stored."""


@dataclass(frozen=True, slots=True)
class Again:
    """Try again at `at`, in seconds since the epoch; `request`: once the phone was asked for it."""

    at: float
    attempts: int
    requests: int
    request: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """No try follows; `code` is stable."""

    code: str


def verdict(transfer: Transfer, trouble: Trouble, now: float, chance: float) -> Again | Failed:
    """The consequence of the trouble; 0 ≤ `chance` < 1 spreads failures of one time."""
    final = {
        Trouble.LOST: GONE_ERROR,
        Trouble.SEALED_SO: CORRUPT,
        Trouble.TOO_LARGE: TOO_LARGE,
    }.get(trouble)
    if final is not None:
        return Failed(final)
    attempts, requests = transfer.attempts, transfer.requests
    if trouble is Trouble.LOCAL:
        return Again(now + LOCAL_PAUSE * (1 + chance), attempts, requests)
    if trouble is Trouble.GONE:
        if requests >= MAX_REUPLOAD_REQUESTS:
            return Failed(GONE_ERROR)
        patience = min(LONGEST_WAIT, REUPLOAD_WAIT * 5**requests)
        return Again(now + patience, attempts, requests + 1, request=True)
    damaged = trouble is Trouble.DAMAGED
    attempts += DAMAGE if damaged else 1
    if attempts >= MAX_UNANSWERED:
        return Failed(CORRUPT if damaged else UNREACHABLE)
    failures = attempts // DAMAGE if damaged else attempts
    pause = backoff(failures, FIRST_DOWNLOAD_PAUSE, LONGEST_WAIT, chance, floor=0.5)
    return Again(now + pause, attempts, requests)
