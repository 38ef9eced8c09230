"""Compares this machine's clock with the time of Redis or WhatsApp; returns a finding for `teimoso doctor` if wrong."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gateway.cli.doctor.check_result import fail

if TYPE_CHECKING:
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
