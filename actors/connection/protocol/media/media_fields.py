"""Reads and writes a message's media fields (path, key, hashes, size), and builds the download of a received file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from actors.connection.protocol.media.cipher import HASH_BYTES, MEDIA_KEY_BYTES, MEDIA_KINDS
from actors.connection.protocol.media.failure_policy import UNUSABLE, VIEW_ONCE
from actors.connection.session.files.pending_downloads import Transfer
from actors.messages.content import Audio, Document, File, Image, Sticker, Video

if TYPE_CHECKING:
    from actors.connection.protocol.receive.wrappers import Received
    from actors.connection.session.files.file_details import FileDetails
    from actors.connection.session.files.uploads import Upload
    from actors.messages.content import Media, Quote

LONGEST_PATH: Final = 4096
LONGEST_MIME: Final = 128
MAX_FILE_NAME: Final = 1024
MAX_FILE_SIZE: Final = 2**40
"""Bytes; no file is as large, and every store takes the number."""

DEFAULT_MIME: Final = {
    "image": "image/jpeg",
    "video": "video/mp4",
    "audio": "audio/ogg; codecs=opus",
    "document": "application/octet-stream",
    "sticker": "image/webp",
}


def media_of(received: Received, reply_to: Quote | None) -> Media | None:
    """The message's description of its file; None where it names none."""
    if received.type not in MEDIA_KINDS:
        return None
    part = getattr(received.message, received.part)
    if len(part.fileSha256) != HASH_BYTES or part.fileLength > MAX_FILE_SIZE:
        return None
    file = File(
        part.fileSha256.hex(),
        part.fileLength,
        part.mimetype[:LONGEST_MIME] or DEFAULT_MIME[received.type],
        getattr(part, "fileName", "")[:MAX_FILE_NAME] or None,
    )
    caption = received.text or None
    if received.type == "image":
        return Image(file, caption, reply_to)
    if received.type == "video":
        return Video(file, caption, part.seconds or None, reply_to)
    if received.type == "audio":
        return Audio(file, part.ptt, part.seconds or None, reply_to)
    if received.type == "document":
        return Document(file, caption, reply_to)
    return Sticker(file, part.isAnimated, reply_to)


def transfer_of(
    received: Received, *, chat: str, sender: str, message_id: str, from_me: bool
) -> Transfer | str | None:
    """The way to fetch the file of a message; the code of why it is not fetched; None without a file."""
    if received.type not in MEDIA_KINDS:
        return None
    part = getattr(received.message, received.part)
    if received.view_once or getattr(part, "viewOnce", False):
        return VIEW_ONCE
    path = part.directPath or _path(part.url)
    whole = (
        len(part.mediaKey) == MEDIA_KEY_BYTES
        and len(part.fileSha256) == len(part.fileEncSha256) == HASH_BYTES
        and part.fileLength <= MAX_FILE_SIZE
    )
    if not whole or not is_path(path):
        return UNUSABLE
    return Transfer(
        chat=chat,
        sender=sender,
        message_id=message_id,
        from_me=from_me,
        kind=received.type,
        key=part.mediaKey,
        direct_path=path,
        sha256=part.fileSha256,
        sealed_sha256=part.fileEncSha256,
        size=part.fileLength,
    )


def is_path(path: str) -> bool:
    """Whether it can be asked of a server that WhatsApp named, and leads to no other one."""
    plain = path.isascii() and path.isprintable() and not set(' "<>\\^`{|}#') & set(path)
    return path.startswith("/") and len(path) <= LONGEST_PATH and plain


def put(message: Any, content: Media, upload: Upload) -> Any:
    """Write into the message what it says of its file; return the part, for what it answers."""
    part = _part(message, content)
    part.url, part.directPath = upload.url, upload.direct_path
    part.mediaKey, part.mediaKeyTimestamp = upload.key, int(upload.at)
    part.fileSha256, part.fileEncSha256 = upload.sha256, upload.sealed_sha256
    details = upload.details
    part.fileLength = upload.size
    part.mimetype = (details and details.mime) or content.file.mime
    if isinstance(content, Image | Video | Document) and content.caption is not None:
        part.caption = content.caption
    if isinstance(content, Video | Audio) and content.seconds is not None:
        part.seconds = content.seconds
    if details is not None:
        _describe(part, content, details)
    if isinstance(content, Audio):
        part.ptt = content.voice
    if isinstance(content, Document):
        part.fileName = part.title = content.file.name or "file"
    if isinstance(content, Sticker):
        part.isAnimated = content.animated
    return part


def _describe(part: Any, content: Media, details: FileDetails) -> None:
    """Write what apps show of the file before they fetch it; the length is the caller's where that is given."""
    if (
        isinstance(content, Video | Audio)
        and content.seconds is None
        and details.seconds is not None
    ):
        part.seconds = details.seconds
    if isinstance(content, Image | Video):
        if details.width is not None and details.height is not None:
            part.width, part.height = details.width, details.height
        if details.thumbnail is not None:
            part.jpegThumbnail = details.thumbnail
    if isinstance(content, Audio) and details.waveform is not None:
        part.waveform = details.waveform


def _part(message: Any, content: Media) -> Any:
    if isinstance(content, Document) and content.caption is not None:
        # Clients show the caption of a document in this envelope alone.
        return message.documentWithCaptionMessage.message.documentMessage
    return getattr(message, f"{content.type}Message")


def _path(url: str) -> str:
    """The path of the URL; the server in it is another's word, and not believed."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
