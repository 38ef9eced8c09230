"""Places a copied session for the next owner: under an epoch of its own, with keys that are not trusted any more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from actors.connection import whatsmeow
from actors.connection.backup.restore import OLDER_DIRECTORY, put_in_place
from actors.connection.session.session import Session, SessionDamaged

if TYPE_CHECKING:
    from pathlib import Path


async def place(restoring: Path, file: Path, epoch: int) -> None:
    """Let `restoring`, its keys beside it, be the session `file`, to be served by the epoch after `epoch`.

    Each chat's next message sets up a fresh session; the file that is there moves aside. Raises what `Session.open` and
    `put_in_place` raise, and `EngineNotInstalled`.
    """
    await whatsmeow.renew_session(restoring, epoch)
    try:
        there = (await asyncio.to_thread(Session.check, file)).epoch > 0
        aside = OLDER_DIRECTORY if there else None
    except SessionDamaged:
        aside = "damaged"
    await asyncio.to_thread(put_in_place, restoring, file, epoch, aside)
