"""Implements the WhatsApp engine on whatsmeow (Go), which runs as a child program; messages stay in `session.db`.

`teimoso-whatsmeow` talks to WhatsApp and has the keys, in ``whatsmeow.db``; messages and what is known of
them are in ``session.db``, opened by this process alone. `actors/connection/protocol` has the steps of a message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.session import SESSION_FILE
from actors.connection.whatsmeow.program.executable import DATABASE

if TYPE_CHECKING:
    from pathlib import Path

    from actors.config.settings import Settings
    from actors.connection.engine import Engine, EngineEvents
    from actors.media.store import MediaStore

__all__ = ["DATABASE", "copy_keys", "open_engine", "renew_session"]


def open_engine(
    settings: Settings,
    connection: str,
    epoch: int,
    events: EngineEvents,
    directory: Path,
    *,
    media: MediaStore | None = None,
) -> Engine:
    """The engine of one connection under this epoch, on the files in `directory`.

    Raises what `Session.open` raises: `StaleEpoch` where a newer owner has the file (G6).
    """
    from actors.connection.session.session import Session  # noqa: PLC0415
    from actors.connection.trace.recorder import Recorder  # noqa: PLC0415
    from actors.connection.whatsmeow.engine import WhatsmeowEngine  # noqa: PLC0415
    from actors.runtime.limits.disk_floor import DiskFloor  # noqa: PLC0415
    from actors.state.tenants.store_floor import StoreFloor  # noqa: PLC0415

    session = Session.open(directory / SESSION_FILE, epoch)
    recorder = Recorder(
        settings.traces / f"{connection}.jsonl",
        "whatsmeow",
        low=DiskFloor.of(settings, settings.logs).look,
    )
    if settings.whatsapp_trace:
        recorder.start()
    return WhatsmeowEngine(
        settings,
        session,
        directory,
        events,
        epoch=epoch,
        media=media,
        recorder=recorder,
        floor=StoreFloor.of(settings, directory, connection=connection),
    )


async def copy_keys(database: Path, epoch: int, target: Path) -> None:
    """Copy the keys of a session that this epoch may have open; see `program/database_copies.py`."""
    from actors.connection.whatsmeow.program import database_copies  # noqa: PLC0415

    await database_copies.copy(database, epoch, target)


async def renew_session(file: Path, epoch: int) -> None:
    """Make a restored session that may not be the last one fit to be served by `epoch`.

    Members of groups are forgotten: WhatsApp reported changes to the lost session, and reports none twice. The keys lie beside it (`session_snapshot.beside`). Raises what `Session.open` and `database_copies.renew` raise.
    """
    from actors.connection.backup.session_snapshot import beside  # noqa: PLC0415
    from actors.connection.session.session import Session  # noqa: PLC0415
    from actors.connection.whatsmeow.program import database_copies  # noqa: PLC0415

    database = beside(file, DATABASE)
    if database.exists():
        await database_copies.renew(database, epoch)
    session = Session.open(file, epoch)
    try:
        async with session.transaction():
            session.groups.forget_all_members()
    finally:
        session.close()
