"""Builds a send's media content: finds the uploaded file, or fetches a URL into the media store; checks type and size."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from actors.media.conversion import ffmpeg, formats
from actors.media.directory import step
from actors.media.store import FileTooLarge
from actors.messages.content import File, is_voice_note
from gateway.acceptance import url_fetch
from gateway.http.problems import Problem
from gateway.schemas.content.outbound_messages import MIME, DocumentMessage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.messages.content import Media, Quote
    from gateway.backends import Backends
    from gateway.schemas.content.outbound_messages import FileMessage

MEGABYTE: Final = 2**20
MAX_ATTACHMENT_BYTES: Final[Mapping[str, int]] = {
    "image": 16 * MEGABYTE,
    "video": 16 * MEGABYTE,
    "audio": 16 * MEGABYTE,
    "document": 100 * MEGABYTE,
    "sticker": MEGABYTE // 2,
}
"""Bytes that WhatsApp takes: as its Business Platform documents them but for images, which it takes
up to 5 MB there and its clients up to 16."""

UNKNOWN_TYPES: Final = frozenset({"application/octet-stream", "application/x-www-form-urlencoded"})
"""Types that programs declare for files of a type that is unknown to them."""

_BEGINS: Final = {"image": "image/", "video": "video/", "audio": "audio/", "sticker": "image/webp"}
_USUAL: Final = {
    "image": "image/jpeg",
    "video": "video/mp4",
    "audio": "audio/mp4",
    "document": "application/octet-stream",
    "sticker": "image/webp",
}
NOT_KEPT: Final = "No file with this SHA-256 is kept: upload it first."
_PLAYED_VIDEO: Final = "a video is MP4 with H.264 (8 bits, 4:2:0) and AAC"
_VOICE: Final = "audio/ogg; codecs=opus"
_MIME: Final = re.compile(MIME)
_NAME: Final = re.compile(r"[\x00-\x1f\x7f-\x9f/\\]")


class Called(NamedTuple):
    """The type and the name under which connections of the caller have a file; None where they have none."""

    mime: str | None
    name: str | None


async def file_content(
    backends: Backends, wanted: FileMessage, quote: Quote | None, called: Called | None = None
) -> Media:
    """The content to send, its file on this disk; `called` in place of what the last upload said.

    Problems: `unknown_media`, `media_empty`, `media_too_large`, `media_type_mismatch`,
    `media_refused`, `media_unreachable`, `conversion_unavailable`; raises as `Files.find` and `Files.add_upload`.
    """
    if wanted.media.url is None:
        assert wanted.media.sha256 is not None
        entry = await backends.files.entry(wanted.media.sha256, wanted.connection)
        if entry is None:
            raise Problem("unknown_media", NOT_KEPT)
        sha256, size = entry.sha256, entry.size
        declared, name = called or Called(entry.mime, entry.name)
        fits(wanted.kind.type, size)
    else:
        sha256, size, declared, name = await _fetch(backends, wanted)
    name = (wanted.name or name) if isinstance(wanted, DocumentMessage) else None
    content = wanted.content(file=File(sha256, size, "", name), reply_to=quote)
    mime = mime_of(content.type, wanted.mime or declared, voice=is_voice_note(content))
    await require_playable(backends, wanted.connection, content)
    return replace(content, file=replace(content.file, mime=mime))


async def require_playable(backends: Backends, connection: str, content: Media) -> None:
    """Problem `conversion_unavailable`, where the file would have to be converted and ffmpeg is not installed here."""
    voice = is_voice_note(content)
    if not formats.needs_format(content.type, voice=voice) or ffmpeg.is_installed():
        return
    path = await backends.files.find(content.file.sha256, connection)
    if path is None:
        raise Problem("unknown_media", NOT_KEPT)
    facts = await step(partial(formats.facts_of, path, content.type, voice=voice))
    if not facts.plays:
        played = "a voice note is Opus in Ogg, of one channel" if voice else _PLAYED_VIDEO
        raise Problem(
            "conversion_unavailable",
            f"It has to be converted, for which ffmpeg is missing on this host: {played}.",
        )


def fits(kind: str, size: int) -> None:
    """Problems `media_empty` and `media_too_large`, where WhatsApp does not take it."""
    if not size:
        raise Problem("media_empty")
    if size > MAX_ATTACHMENT_BYTES[kind]:
        raise too_large(kind, MAX_ATTACHMENT_BYTES[kind])


def too_large(kind: str, limit: int) -> Problem:
    """The problem of a file that is larger than this."""
    cure = " Set MEDIA_MAX_BYTES to its size or more." if limit < MAX_ATTACHMENT_BYTES[kind] else ""
    return Problem(
        "media_too_large", f"A file of this kind ({kind}) has at most {limit} bytes.{cure}"
    )


def mime_of(kind: str, declared: str | None, *, voice: bool = False) -> str:
    """The declared type of the file, or its usual one. Problem `media_type_mismatch`."""
    if declared is None or declared.partition(";")[0].strip().lower() in UNKNOWN_TYPES:
        return _VOICE if voice else _USUAL[kind]
    if not declared.lower().startswith(_BEGINS.get(kind, "")):
        raise Problem(
            "media_type_mismatch",
            f"A message of this type ({kind}) carries a file of {_BEGINS[kind].rstrip('/')};"
            " `mime` declares its type.",
        )
    return declared


def declared_mime(header: str | None) -> str | None:
    """The type that a Content-Type declares, as it may be kept; None for none, and for an unknown one."""
    whole = "" if header is None else header.strip()
    plain = whole.partition(";")[0].strip()
    if plain.lower() in UNKNOWN_TYPES:
        return None
    fit = (each for each in (whole, plain) if len(each) <= 255 and _MIME.fullmatch(each))
    return next(fit, None)


async def _fetch(
    backends: Backends, wanted: FileMessage
) -> tuple[str, int, str | None, str | None]:
    assert wanted.media.url is not None
    await backends.accepting.require_room(wanted.connection)
    limit = min(MAX_ATTACHMENT_BYTES[wanted.kind.type], backends.settings.media_max_bytes)
    try:
        async with backends.fetcher.fetch(wanted.media.url, limit=limit) as found:
            mime = declared_mime(found.mime)
            mime_of(wanted.kind.type, wanted.mime or mime)  # before a byte is kept
            sha256, size = await backends.files.add_upload(
                found.chunks,
                limit=limit,
                units=(wanted.connection,),
                living=backends.connections.ids,
                turns=partial(backends.upload_turns.of, wanted.connection),
            )
    except url_fetch.UrlRefused as error:
        raise Problem("media_refused", f"The URL is refused: {error}.") from None
    except url_fetch.UrlUnreachable as error:
        raise Problem("media_unreachable", f"The file cannot be fetched: {error}.") from None
    except (url_fetch.DownloadTooLarge, FileTooLarge):
        raise too_large(wanted.kind.type, limit) from None
    fits(wanted.kind.type, size)
    name = None if found.name is None else _NAME.sub("", found.name)[:255]
    return sha256, size, mime, name or None
