"""The second engine: whatsmeow (Go), loaded from neonize into the process of its connection alone.

It needs the optional extra `neonize`. It sends no files and keeps no backups: docs/engines.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.engine import EngineUnfit
from actors.connection.neonize.engine import NeonizeEngine
from actors.connection.neonize.library import load
from actors.connection.neonize.store import Store
from actors.connection.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path

    from actors.config.settings import Settings
    from actors.connection.engine import Engine, EngineEvents
    from actors.media.store import MediaStore

__all__ = ["open_engine", "renew_session"]

SESSION_FILE = "session.db"


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

    Raises `EngineNotInstalled`, `EngineUnfit`, and what `Session.open` raises: `StaleEpoch` where a
    newer owner has the file (G6).
    """
    del connection  # the directory is the connection's; its name means nothing to WhatsApp
    del media  # files are neither sent nor fetched
    if settings.session_storage_type != "local":
        raise EngineUnfit("keeps_no_copies")
    library = load()
    session = Session.open(directory / SESSION_FILE, epoch)
    try:
        return NeonizeEngine(settings, session, Store(directory), library, events)
    except BaseException:
        session.close()
        raise


async def renew_session(file: Path, epoch: int) -> None:  # noqa: ARG001 - the port's
    """There are no copies to restore from: an old one of whatsmeow's keys ruins conversations."""
    raise EngineUnfit("keeps_no_copies")
