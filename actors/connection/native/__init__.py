"""Implements WhatsApp's web protocol in Python as an engine, with received items on disk before their acks.

The port is `actors/connection/engine.py`; the rows on disk are `actors/connection/session`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.session import SESSION_FILE

# Other engines use modules of this package, and pay for no engine of it: imported where it is opened.
if TYPE_CHECKING:
    from pathlib import Path

    from actors.config.settings import Settings
    from actors.connection.engine import Engine, EngineEvents
    from actors.media.store import MediaStore

__all__ = ["open_engine", "renew_session"]


def open_engine(
    settings: Settings,
    connection: str,
    epoch: int,
    events: EngineEvents,
    directory: Path,
    *,
    media: MediaStore | None = None,
) -> Engine:
    """The engine of one connection under this epoch, on ``session.db`` in `directory`; files are in `media`.

    Raises what `Session.open` raises: `StaleEpoch` where a newer owner has the file (G6).
    """
    from actors.connection.native.engine import NativeEngine  # noqa: PLC0415
    from actors.connection.session.session import Session  # noqa: PLC0415
    from actors.connection.trace.recorder import Recorder  # noqa: PLC0415
    from actors.runtime.limits.disk_floor import DiskFloor  # noqa: PLC0415
    from actors.state.tenants.store_floor import StoreFloor  # noqa: PLC0415

    session = Session.open(directory / SESSION_FILE, epoch)
    recorder = Recorder(
        settings.traces / f"{connection}.jsonl",
        "native",
        low=DiskFloor.of(settings, settings.logs).look,
    )
    if settings.whatsapp_trace:
        recorder.start()
    floor = StoreFloor.of(settings, directory, connection=connection)
    return NativeEngine(settings, session, events, media=media, recorder=recorder, floor=floor)


async def renew_session(file: Path, epoch: int) -> None:
    """Make a restored session that may not be the last one fit to be served by `epoch`.

    Raises what `Session.open` raises.
    """
    from actors.connection.native.signal.session_renewal import renew  # noqa: PLC0415
    from actors.connection.session.session import Session  # noqa: PLC0415

    session = Session.open(file, epoch)
    try:
        await renew(session)
    finally:
        session.close()
