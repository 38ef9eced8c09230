"""Kinds of message in the engine's words: what a command says, and what a message that came says."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.connection.engine import InboxMessage
    from actors.content import Content, File
    from actors.media.store import MediaStore

MIMETYPES = {
    "image": "image/jpeg",
    "video": "video/mp4",
    "audio": "audio/ogg",
    "document": "text/plain",
    "sticker": "image/webp",
}
"""Of the kinds with a file."""


async def content(
    command: dict[str, Any], seen: dict[str, InboxMessage], store: MediaStore
) -> Content:
    """What a `say` command describes; `seen` has what came, by id."""
    from actors import content as kinds

    def target(id_: str) -> kinds.Target:
        return kinds.Target(id_, seen[id_].sender if id_ in seen else None)

    kind, text = command["type"], command.get("text", "")
    if kind == "text":
        asked = command["reply_to"]
        return kinds.Text(text, kinds.Quote(target(asked), seen[asked].text))
    if kind == "reaction":
        return kinds.Reaction(target(command["target"]), text)
    if kind == "edit":
        return kinds.Edit(target(command["target"]), text)
    if kind == "delete":
        return kinds.Delete(target(command["target"]))
    if kind == "location":
        return kinds.Location(command["latitude"], command["longitude"], command["name"])
    if kind == "contact":
        return kinds.Contact((kinds.Card(command["name"], command["vcard"]),))
    if kind == "poll":
        return kinds.Poll(text, tuple(command["options"]), 1, secrets.token_hex(32))
    file = await _kept(kind, base64.b64decode(command["data"]), store)
    caption = command.get("text")
    made: dict[str, Content] = {
        "image": kinds.Image(file, caption),
        "video": kinds.Video(file, caption),
        "audio": kinds.Audio(file),
        "document": kinds.Document(file, caption),
        "sticker": kinds.Sticker(file),
    }
    return made[kind]


async def _kept(kind: str, data: bytes, store: MediaStore) -> File:
    from actors.content import File

    async def chunks() -> AsyncIterator[bytes]:
        yield data

    return File(*await store.keep(chunks(), limit=len(data)), MIMETYPES[kind])


def described(came: InboxMessage) -> dict[str, Any]:
    """What a message says, in the words of `child.py`."""
    from actors import content as kinds

    words: dict[str, Any] = {"type": came.type, "text": came.text or ""}
    said = None if came.content is None else kinds.decode(came.content)
    if isinstance(said, kinds.Text) and said.reply_to is not None:
        words["reply_to"] = said.reply_to.target.message_id
    elif isinstance(said, kinds.Location):
        words |= {"text": said.name, "place": [said.latitude, said.longitude]}
    elif isinstance(said, kinds.Contact):
        words |= {"text": said.cards[0].name, "vcard": said.cards[0].vcard}
    elif isinstance(said, kinds.Reaction):
        words |= {"text": said.emoji, "target": said.target.message_id}
    elif isinstance(said, kinds.Edit):
        words |= {"text": said.text, "target": said.target.message_id}
    elif isinstance(said, kinds.Delete):
        words["target"] = said.target.message_id
    elif isinstance(said, kinds.Media):
        words |= {"mimetype": said.file.mime, "length": said.file.size}
    return words


async def downloaded(came: InboxMessage, store: MediaStore) -> dict[str, Any]:
    """The SHA-256 and the length of a file that a message brought."""
    from actors.content import decode, file_of

    file = None if came.content is None else file_of(decode(came.content))
    found = None if file is None else await store.find(file.sha256)
    if found is None:
        raise FileNotFoundError(came.message_id)
    data = found.read_bytes()
    return {"sha256": hashlib.sha256(data).hexdigest(), "length": len(data)}
