"""Stores logged-out console sessions as empty files in the data directory, so that copied cookies fail."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from actors.runtime.deletion_time import deletion_time

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.console.login.session import ConsoleSession

DIRECTORY: Final = "console.ended"


def is_ended(data: Path, session: ConsoleSession) -> bool:
    """Whether the session was logged out: a copy of its cookie opens nothing either."""
    return (data / DIRECTORY / session.name).exists()


def end(data: Path, session: ConsoleSession) -> None:
    """End the session, also for the gateways that come; forgets those that are over anyway.

    Raises OSError.
    """
    directory, now = data / DIRECTORY, deletion_time(data)
    directory.mkdir(mode=0o700, exist_ok=True)
    (directory / session.name).touch()
    for one in directory.iterdir():
        until = one.name.partition(".")[0]
        if until.isdecimal() and int(until) <= now:
            with suppress(FileNotFoundError):  # another gateway forgot it
                one.unlink()
