"""Decides from which time ages are counted for deletion: a wall clock that jumps ahead is doubted for a day of uptime.

Deletion by age goes by `deletion_time` and never by the clock, so that nothing is lost to a clock that was ahead for some
hours. A clock that is set back is followed at once: less is old then.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from actors.runtime import host_identity
from actors.runtime.atomic_files import write_atomically
from actors.runtime.limits.durations import DAY

if TYPE_CHECKING:
    from pathlib import Path

TIME_FILE: Final = "deletion_time.json"
"""In the data directory, so that a restart believes no more than the process before it."""

JUMP_SECONDS: Final = 2 * 3600.0
"""Seconds by which a clock may be ahead of what it showed last and the uptime since: it drifts, and hosts are booted."""

DOUBT_SECONDS: Final = DAY
"""Seconds of uptime for which a clock that is further ahead has to stay there."""

LOOK_SECONDS: Final = 600.0
"""Seconds for which the stored time is given again as it is."""

HOSTS_KEPT: Final = 8


class TrustedTime(NamedTuple):
    """The newest time that is believed, None before any is; for how many seconds a clock ahead of it was seen since."""

    at: float | None = None
    doubted: float = 0.0


def advanced(trusted: TrustedTime, wall: float, passed: float) -> TrustedTime:
    """Return what is believed once the clock shows `wall`, `passed` seconds of uptime after the last look (pure)."""
    expected = None if trusted.at is None else trusted.at + passed
    if expected is not None and wall <= expected + JUMP_SECONDS:
        return TrustedTime(wall)
    # Nobody looked in between: the clock may have been right for most of a long time.
    doubted = trusted.doubted + min(passed, JUMP_SECONDS)
    return TrustedTime(wall) if doubted >= DOUBT_SECONDS else TrustedTime(expected, doubted)


def deletion_time(
    data: Path,
    *,
    wall: float | None = None,
    uptime: float | None = None,
    boot: str | None = None,
) -> float:
    """Return the time, in seconds since the epoch, from which ages are counted; 0 while none is believed yet.

    It is never later than the clock, and `LOOK_SECONDS` old at most. Without a directory that can be written it stays
    what it was. Hosts that share the directory share it; `uptime` counts from the `boot` of one of them.
    """
    wall = time.time() if wall is None else wall
    uptime = time.monotonic() if uptime is None else uptime
    boot = host_identity.boot() if boot is None else boot
    file = data / TIME_FILE
    trusted, seen = _read(file)
    passed = uptime - seen[boot] if boot in seen else 0.0
    if boot not in seen or not 0 <= passed < LOOK_SECONDS:
        known, trusted = trusted, advanced(trusted, wall, max(0.0, passed))
        seen.pop(boot, None)
        hosts = dict([*seen.items(), (boot, uptime)][-HOSTS_KEPT:])
        try:
            # Not synced: without it nothing is believed for a day, and no more is lost.
            write_atomically(file, json.dumps({**trusted._asdict(), "seen": hosts}), synced=False)
        except OSError:
            trusted = known
    return min(wall, trusted.at or 0.0)


def ordered_deletion_time(data: Path) -> float:
    """As `deletion_time`, for orders of a person and numbers of backups: the clock, until an instance has run for a day."""
    return deletion_time(data) or time.time()


def doubted(data: Path, wall: float) -> float:
    """Return by how many seconds the clock is ahead of what is believed; 0 where it is believed, or none is yet."""
    trusted, seen = _read(data / TIME_FILE)
    uptime = seen.get(host_identity.boot(), time.monotonic())
    if trusted.at is None:
        return 0.0
    ahead = wall - trusted.at - max(0.0, time.monotonic() - uptime)
    return ahead if ahead > JUMP_SECONDS else 0.0


def _read(file: Path) -> tuple[TrustedTime, dict[str, float]]:
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        stored = json.loads(file.read_text())
        at, doubted = stored["at"], float(stored["doubted"])
        seen = {str(boot): float(uptime) for boot, uptime in stored["seen"].items()}
        return TrustedTime(None if at is None else float(at), doubted), seen
    return TrustedTime(), {}
