"""Checks for `teimoso doctor` the age of the whatsmeow library in the installed engine program."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from actors.connection.whatsmeow.program import executable
from actors.health.engine_look import OLD, EngineLook, made_at, old
from actors.runtime.limits.durations import DAY
from gateway.cli.doctor.check_result import fail, ok, warn
from gateway.cli.engine import program_build

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.cli.doctor.check_result import CheckResult

CHECK_NAME = "whatsmeow"

INSTALL = "install teimoso-whatsmeow of this version anew: `make setup`, or its wheel"


async def whatsmeow(data: Path) -> list[CheckResult]:
    """The finding on the program in use. Where its library is old, the newest is looked for."""
    if (program := executable.installed()) is None:
        return [fail(CHECK_NAME, f"{executable.INSTALLED} is not there", INSTALL)]
    if (version := await asyncio.to_thread(program_build.version_of, program)) is None:
        return [fail(CHECK_NAME, f"{program} does not run", INSTALL)]
    version = executable.ProgramChoice.read(data).version or version
    look, now = EngineLook(time.time(), version), time.time()
    if old(look, now) is not None:
        look = await asyncio.to_thread(program_build.look, version)
    return [judged(look, now)]


def judged(look: EngineLook, now: float) -> CheckResult:
    """Judge the age of the library in use; `now` is seconds since the epoch."""
    if (made := made_at(look.used)) is None:
        return warn(
            CHECK_NAME, f"the program does not tell the date of its library ({look.used[:40]})"
        )
    age = max(0, int((now - made.timestamp()) // DAY))
    if (sentence := old(look, now)) is None:
        newest = "" if now - made.timestamp() <= OLD else ", and there is none newer"
        return ok(CHECK_NAME, f"of {made:%Y-%m-%d}, {age} days old{newest}")
    return warn(CHECK_NAME, sentence, "`teimoso engine try`, or a newer teimoso-whatsmeow")
