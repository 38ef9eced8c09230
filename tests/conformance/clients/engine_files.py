"""Files in the engine's words: what a command says, and what becomes of those that come."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from actors.connection.engine import InboxFile
    from actors.media.store import MediaStore
    from actors.messages.content import Media

FETCHED = 15.0
"""Seconds within which a file has to be here."""

MIMETYPES = {
    "image": "image/jpeg",
    "video": "video/mp4",
    "audio": "audio/ogg",
    "document": "text/plain",
    "sticker": "image/webp",
}
"""Of the kinds with a file."""


class Files:
    """The media store of the program, and the engine's reports about it."""

    def __init__(self, store: MediaStore) -> None:
        self.store = store
        self._became: dict[str, str] = {}
        self._told = asyncio.Condition()

    async def tell(self, files: Iterable[InboxFile]) -> None:
        """Reports the outcome of files."""
        async with self._told:
            self._became |= {one.message_id: one.error or one.status for one in files}
            self._told.notify_all()

    async def content(self, command: dict[str, Any]) -> Media:
        """Returns the content of a `say` command with a file."""
        from actors.messages.content import Audio, Document, File, Image, Sticker, Video

        kind, data = command["type"], base64.b64decode(command["data"])

        async def chunks() -> AsyncIterator[bytes]:
            yield data

        digest, size = await self.store.add(chunks(), limit=len(data))
        file, caption = File(digest, size, MIMETYPES[kind]), command.get("text")
        if kind == "image":
            return Image(file, caption)
        if kind == "video":
            return Video(file, caption)
        if kind == "document":
            return Document(file, caption)
        return Audio(file) if kind == "audio" else Sticker(file)

    async def downloaded(self, message_id: str, said: Media) -> dict[str, Any]:
        """The SHA-256 and the length of a file that a message brought: the engine fetches by itself."""
        async with asyncio.timeout(FETCHED), self._told:
            await self._told.wait_for(lambda: message_id in self._became)
        found = await self.store.find(said.file.sha256)
        if self._became[message_id] != "stored" or found is None:
            raise RuntimeError(self._became[message_id])
        data = await asyncio.to_thread(found.read_bytes)
        return {"sha256": hashlib.sha256(data).hexdigest(), "length": len(data)}
