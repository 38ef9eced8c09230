"""The first request to the program: which database it opens, for whom, and where WhatsApp is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from actors.config.settings import Settings
    from actors.connection.whatsmeow.program.frames import Frame
    from actors.connection.whatsmeow.program.pipe import Pipe


async def hello(
    pipe: Pipe, settings: Settings, database: Path, epoch: int, *, trace: bool
) -> Frame:
    """Have the program open its database; it answers whose device is in it. Raises as `Pipe.request`."""
    authority = settings.whatsapp_media_authority
    return await pipe.request(
        "hello",
        epoch=epoch,
        database=str(database),
        url=settings.whatsapp_url,
        root_key=settings.whatsapp_root_key,
        media_authority="" if authority is None else str(authority),
        trace=trace,
    )
