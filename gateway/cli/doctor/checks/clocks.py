"""Compares this machine's clock with its uptime and with other clocks; returns findings for `teimoso doctor`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from actors.runtime.deletion_time import doubted
from actors.runtime.limits.durations import HOUR
from gateway.cli.doctor.check_result import fail, warn

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.cli.doctor.check_result import CheckResult

SKEW = 30.0
"""Seconds by which clocks may disagree: what others signed is refused beyond minutes."""


def skew(check: str, theirs: float) -> CheckResult | None:
    """The fault of a clock that shows `theirs`, in seconds since the epoch; None where it is right."""
    ahead = time.time() - theirs
    if abs(ahead) <= SKEW:
        return None
    direction = "ahead of" if ahead > 0 else "behind"
    return fail(
        check,
        f"this machine's clock is {abs(ahead):.0f} s {direction} theirs",
        "set the wrong one of the two: `timedatectl set-ntp true`",
    )


def jump(data: Path) -> CheckResult | None:
    """The finding about a clock that jumped ahead and is not believed yet; None where it is."""
    ahead = doubted(data, time.time())
    if not ahead:
        return None
    return warn(
        "clock",
        f"this machine's clock jumped {ahead / HOUR:.0f} hours ahead, or the machine was off: nothing is deleted by its age"
        " until the clock stays so for a day",
        "look at the date; `timedatectl set-ntp true` where it is wrong",
    )
