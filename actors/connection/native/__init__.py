"""The native engine: WhatsApp's web protocol, with what arrives on disk before it is acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.native.engine import NativeEngine
from actors.connection.session import Session

if TYPE_CHECKING:
    from pathlib import Path

    from actors.connection.engine import Engine, EngineEvents
    from actors.settings import Settings

__all__ = ["open_engine"]

SESSION_FILE = "session.db"


def open_engine(
    settings: Settings, connection: str, epoch: int, events: EngineEvents, directory: Path
) -> Engine:
    """The engine of one connection under this epoch, on ``session.db`` in `directory`.

    Raises what `Session.open` raises: `StaleEpoch` where a newer owner has the file (G6).
    """
    del connection  # the directory is the connection's; its name means nothing to WhatsApp
    return NativeEngine(settings, Session.open(directory / SESSION_FILE, epoch), events)
