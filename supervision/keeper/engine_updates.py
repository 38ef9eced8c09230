"""Runs `teimoso engine` once a day for the keeper: to look for a newer library, or to try it where ENGINE_UPDATES says so."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import structlog

from actors.connection.whatsmeow.program.executable import ProgramChoice
from actors.health.engine_look import EngineLook
from actors.runtime.limits.durations import DAY
from supervision.keeper import process
from supervision.keeper.parts import python_module

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from actors.config.settings import Settings

ENGINE_ROLE: Final = "engine"
"""The part that a run is, and the name of its log."""

FIRST_SECONDS: Final = 30.0
SCHEDULE_CHECK_SECONDS: Final = 1800.0

log = structlog.get_logger()


def due(
    settings: Settings, look: EngineLook | None, choice: ProgramChoice, now: float
) -> tuple[str, ...]:
    """The words of the command that is due at `now` (seconds since the epoch); none where none is (pure).

    A look goes out for real accounts alone. A canary that nobody decided on is gone on with.
    """
    tries = settings.engine_updates == "canary" and not settings.several_hosts
    waits = look is not None and 0 <= now - look.at < DAY
    if not (tries or settings.links_real_accounts) or (waits and not (tries and choice.canary)):
        return ()
    return ("engine", "try", "--unless-refused") if tries else ("engine",)


async def run(data: Path, settings: Callable[[], Settings]) -> None:
    """Run for the life of the keeper. A run that fails is in its log, and made again later."""
    await asyncio.sleep(FIRST_SECONDS)
    while True:
        words = due(settings(), EngineLook.read(data), ProgramChoice.read(data), time.time())
        if words:
            try:
                command = python_module.module("gateway.cli", *words, "--data", str(data))
                entry = process.start(data, ENGINE_ROLE, command)
                reason = await process.outcome(data, entry)
            except OSError as error:
                reason = error.strerror
            log.info("engine looked after", action="engine_update", reason=reason)
        await asyncio.sleep(SCHEDULE_CHECK_SECONDS)
