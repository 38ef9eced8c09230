"""Turns messages too long for the state store, or refused, into document messages, their content in a media store file."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog

from actors.connection.backup.bucket.port import BucketAway
from actors.media.store import StoreUnavailable
from actors.messages.content import (
    Document,
    File,
    Image,
    Media,
    UnknownContent,
    Video,
    decode,
    encode,
    text_of,
)
from actors.runtime.limits.bounded_map import BoundedMap

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

log = structlog.get_logger()

MAX_DOCUMENT_TEXT_BYTES: Final = 300_000
"""Bytes of a message's words that its document has at most. Those of WhatsApp's own apps, 65,536 characters, fit.

Later changes by others have the rest of Firestore's 1 MiB (`actors/state/messages/applied_changes.py`).
"""

EXCERPT_CHARACTERS: Final = 1000
"""Characters of longer words that stay in the message; of what a file is called, a fifth."""

FILE_CHUNK_BYTES: Final = 65_536

MAX_COUNTED_FILES: Final = 1000
"""Files that are remembered as counted: more than wait for the store at once."""


class FileStorage(Protocol):
    """Files of one connection, as `MediaStore` has them."""

    async def add(
        self, chunks: AsyncIterator[bytes], *, limit: int, expected: str | None = None
    ) -> tuple[str, int]:
        """See `MediaStore`."""

    async def secure(self, sha256: str) -> None:
        """See that the file outlives this disk, where all that is acknowledged has to. Raises `BucketAway`."""


class OversizedMessages:
    """Each message is as large as a store takes, and nothing of it is lost.

    A message with longer words becomes a document (`message.txt`), its beginning the caption; other content
    is stored as it is encoded (`message.json`). One that brings a file goes on bringing that, with the beginning
    of its caption, and a document behind it has the words. The file is on disk before the message is stored. Where
    there is no room for it the message is given to the store as it is.

    A message that is to be stored `as_file`, for the store refuses it and no more have room aside, is a document with
    all of its item (`item.json`).

    Each file counts once in the day's budgets of its sender and of the connection (G13), which no words wait for.
    """

    def __init__(self, files: FileStorage, count: Callable[[str, int], Awaitable[None]]) -> None:
        """`count` is called with the sender and the bytes of a file; `fitted` raises what it raises."""
        self._files = files
        self._count = count
        self._counted = BoundedMap[tuple[str, str], None](MAX_COUNTED_FILES)

    async def fitted(self, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the items as they are to be stored; their fields are those of `engine.InboxMessage`.

        `kept` is true of an item whose file is in the media store already.
        """
        fitted: list[dict[str, Any]] = []
        for item in items:
            as_file = item.get("as_file")
            if not as_file and _size(item) <= MAX_DOCUMENT_TEXT_BYTES:
                fitted.append(dict(item))
                continue
            try:
                fitted += [await self._whole(item)] if as_file else await self._shortened(item)
            except (StoreUnavailable, BucketAway) as error:
                log.warning(
                    "message text not stored", action="long_words", reason=type(error).__name__
                )
                fitted.append(dict(item))
        return fitted

    async def _shortened(self, item: Mapping[str, Any]) -> list[dict[str, Any]]:
        file = await self._file_of(item)
        shown = (item["text"] or "")[:EXCERPT_CHARACTERS] or None
        content = _content(item)
        document = {
            **item,
            "type": Document.type,
            "text": shown,
            "content": encode(Document(file, caption=shown)),
            "kept": True,
        }
        if not isinstance(content, Media):
            return [document]
        short = _short(content)
        rest = {**item, "text": text_of(short), "content": encode(short)}
        return [rest, {**document, "message_id": f"{item['message_id']}~words"}]

    async def _whole(self, item: Mapping[str, Any]) -> dict[str, Any]:
        content = {name: value for name, value in item.items() if name != "as_file"}
        data = json.dumps(content).encode()
        file = await self._store(item["sender"], data, "item.json", "application/json")
        words = {"text": None, "push_name": None, "content": encode(Document(file))}
        return {**content, "type": Document.type, **words, "kept": True}

    async def _file_of(self, item: Mapping[str, Any]) -> File:
        text, content = item["text"] or "", item.get("content") or ""
        name, mime, words = "message.txt", "text/plain; charset=utf-8", text
        if len(text) <= EXCERPT_CHARACTERS:
            name, mime, words = "message.json", "application/json", content
        return await self._store(item["sender"], words.encode(errors="replace"), name, mime)

    async def _store(self, sender: str, data: bytes, name: str, mime: str) -> File:
        async def chunks() -> AsyncIterator[bytes]:
            for begin in range(0, len(data), FILE_CHUNK_BYTES):
                yield data[begin : begin + FILE_CHUNK_BYTES]

        sha256, size = await self._files.add(chunks(), limit=len(data))
        await self._files.secure(sha256)
        if (sender, sha256) not in self._counted:
            await self._count(sender, size)
            self._counted[sender, sha256] = None
        return File(sha256, size, mime, name)


def _size(item: Mapping[str, Any]) -> int:
    """Bytes of the item's words, as far as they matter: characters where these are few."""
    words = [word for word in (item["text"], item.get("content")) if word]
    if sum(map(len, words)) * 4 <= MAX_DOCUMENT_TEXT_BYTES:
        return 0
    return max(len(word.encode(errors="replace")) for word in words)


def _content(item: Mapping[str, Any]) -> Any:
    try:
        return None if item.get("content") is None else decode(item["content"])
    except UnknownContent:
        return None


def _short(content: Media) -> Media:
    """The content with the beginning of its words, and without what it quotes."""
    file, most = content.file, EXCERPT_CHARACTERS // 5
    named = replace(file, mime=file.mime[:most], name=file.name and file.name[:most])
    if isinstance(content, Image | Video | Document):
        caption = content.caption and content.caption[:EXCERPT_CHARACTERS]
        return replace(content, file=named, reply_to=None, caption=caption)
    return replace(content, file=named, reply_to=None)
