"""Copies a whatsmeow database, or invalidates a restored one's sessions, by a running program or one started for that."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from actors.connection.backup.session_snapshot import fold
from actors.connection.session.session import SessionDamaged, SessionUnavailable, StaleEpoch
from actors.connection.whatsmeow.program.executable import installed
from actors.connection.whatsmeow.program.pipe import PipeLost, PipeTimeout, ProgramError
from actors.connection.whatsmeow.program.process import Program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.connection.whatsmeow.program.frames import Frame
    from actors.connection.whatsmeow.program.pipe import Pipe

NO_SERVER, NO_KEY = "wss://127.0.0.1/", "00" * 32
"""A server that nobody connects to."""


async def copy(database: Path, epoch: int, target: Path, program: Path | None = None) -> None:
    """Write a consistent copy of a database to `target`, on disk, by `program` or the installed one. Raises as `renew`."""
    async with _opened(database, epoch, program) as pipe:
        await pipe.request("copy", path=str(target))


async def copy_by(pipe: Pipe, target: Path) -> None:
    """As `copy`, by the program that has the database open."""
    try:
        await pipe.request("copy", path=str(target))
    except (PipeLost, PipeTimeout) as error:
        raise SessionUnavailable(type(error).__name__) from None
    except ProgramError as error:
        raise refusal(error) from None


async def renew(database: Path, epoch: int) -> None:
    """Have a restored database trust no session: another owner may have used them since.

    Raises `EngineNotInstalled`, `StaleEpoch`, `SessionDamaged` or `SessionUnavailable`.
    """
    async with _opened(database, epoch) as pipe:
        await pipe.request("renew")
    # One file again: SQLite's files beside it would not go along where it is put in its place.
    await asyncio.to_thread(fold, database)


@asynccontextmanager
async def _opened(
    database: Path, epoch: int, executable: Path | None = None
) -> AsyncIterator[Pipe]:
    program = None
    try:
        program = await Program.start(
            executable or installed(), on_request=_ignore_request, on_event=_ignore_event
        )
        await program.pipe.request(
            "hello", epoch=epoch, database=str(database), url=NO_SERVER, root_key=NO_KEY
        )
        yield program.pipe
    except (PipeLost, PipeTimeout, OSError) as error:
        raise SessionUnavailable(type(error).__name__) from None
    except ProgramError as error:
        raise refusal(error) from None
    finally:
        if program is not None:
            await program.stop()


def refusal(error: ProgramError) -> Exception:
    """The session's word for a refusal of the program to open or to copy its database."""
    if error.code == "fenced":
        return StaleEpoch()
    if error.code == "store_failed":
        return SessionDamaged(error.code)
    return SessionUnavailable("SQLITE_FULL" if error.code == "disk_full" else error.code)


async def _ignore_request(number: int, do: str, frame: Frame) -> None:
    """Nothing is delivered without a login."""


async def _ignore_event(event: str, frame: Frame) -> None:
    """Nothing is sent without a login."""
