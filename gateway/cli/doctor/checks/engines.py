"""Checks for `teimoso doctor` the age of the whatsmeow library in the installed engine program."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from actors.connection.whatsmeow.program import executable
from actors.runtime.limits.durations import DAY
from gateway.cli.doctor.check_result import fail, ok, warn

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.cli.doctor.check_result import CheckResult

CHECK_NAME = "whatsmeow"
OLD = 30 * DAY
"""Seconds after which WhatsApp may have changed what the library does not know yet."""

PROGRAM_VERSION_SECONDS = 5.0

_PSEUDO = re.compile(r"v0\.0\.0-([0-9]{14})-[0-9a-f]{12}")
"""Go's version of a commit: its time, in UTC, and its hash."""


async def whatsmeow() -> list[CheckResult]:
    """The finding on the installed program; none where there is no program."""
    if (program := executable.find()) is None:
        return []
    version = await _version(program)
    if version is None:
        return [fail(CHECK_NAME, f"{program} does not run", "`make whatsmeow` anew")]
    return [judged(version, time.time())]


def judged(version: str, now: float) -> CheckResult:
    """Judge the age of a commit of whatsmeow by its version; `now` is seconds since the epoch."""
    found = _PSEUDO.fullmatch(version)
    try:
        made = found and datetime.strptime(found[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        made = None
    if made is None:
        return warn(
            CHECK_NAME, f"the program does not tell the date of its library ({version[:40]})"
        )
    age = now - made.timestamp()
    words = f"of {made:%Y-%m-%d}, {max(0, int(age // DAY))} days old"
    if age <= OLD:
        return ok(CHECK_NAME, words)
    return warn(
        CHECK_NAME,
        f"{words}: WhatsApp may have changed since",
        "`make whatsmeow-bump`, or a newer teimoso-whatsmeow; then restart its connections",
    )


async def _version(program: Path) -> str | None:
    """The version of whatsmeow that the program reports; None where it does not run."""
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "--version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    try:
        async with asyncio.timeout(PROGRAM_VERSION_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    name, _, version = output.decode("ascii", "replace").strip().partition(" ")
    return version if process.returncode == 0 and name == CHECK_NAME else None
