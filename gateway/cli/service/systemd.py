"""Checks whether this machine's systemd supports growing restart pauses, for `teimoso doctor` and `service`."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.doctor.check_result import ok, warn

if TYPE_CHECKING:
    from gateway.cli.doctor.check_result import CheckResult

BOOTED = Path("/run/systemd/system")
"""There where systemd is what runs the machine."""

STEPS = 254
"""The first with RestartSteps= and RestartMaxDelaySec=, which older ones pass over."""


def version() -> CheckResult | None:
    """Whether a unit's pauses grow; None where systemd does not run the machine."""
    if not BOOTED.exists():
        return None
    command = ["systemctl", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    number = re.match(r"systemd (\d+)", done.stdout)
    if number is None or int(number[1]) >= STEPS:
        return ok("systemd", "its version is not known" if number is None else number[1])
    return warn(
        "systemd",
        f"{number[1]}: a unit always pauses RESTART_BACKOFF_BASE, and is given up after fewer seconds",
        f"{STEPS} or newer lets the pause grow",
    )
