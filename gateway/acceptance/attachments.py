"""The file of a message that is to be sent: found or fetched, and fit for its kind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from actors.media.store import TooLarge
from actors.messages.content import Audio, Document, File, Image, Sticker, Video
from gateway.acceptance import url_fetch
from gateway.http.problems import Problem
from gateway.schemas import outbound_messages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.messages.content import Media, Quote
    from gateway.backends import Backends
    from gateway.schemas.outbound_messages import Bringing

MEGABYTE: Final = 2**20
LARGEST: Final[Mapping[str, int]] = {
    "image": 16 * MEGABYTE,
    "video": 16 * MEGABYTE,
    "audio": 16 * MEGABYTE,
    "document": 100 * MEGABYTE,
    "sticker": MEGABYTE // 2,
}
"""Bytes that WhatsApp takes: as its Business Platform documents them but for images, which it takes
up to 5 MB there and its clients up to 16."""

UNKNOWN: Final = frozenset({"application/octet-stream", "application/x-www-form-urlencoded"})
"""Types that programs send which do not know the type of their file."""

_BEGINS: Final = {"image": "image/", "video": "video/", "audio": "audio/", "sticker": "image/webp"}
_USUAL: Final = {
    "image": "image/jpeg",
    "video": "video/mp4",
    "audio": "audio/mp4",
    "document": "application/octet-stream",
    "sticker": "image/webp",
}
NOT_KEPT: Final = "No file with this SHA-256 is kept: upload it first."
_VOICE: Final = "audio/ogg; codecs=opus"
_MIME: Final = re.compile(outbound_messages.MIME)
_NAME: Final = re.compile(r"[\x00-\x1f\x7f-\x9f/\\]")


class Called(NamedTuple):
    """The type and the name that a file is given by its people; None where it has none."""

    mime: str | None
    name: str | None


async def bringing(
    backends: Backends, wanted: Bringing, quote: Quote | None, called: Called | None = None
) -> Media:
    """The content to send, its file on this disk; `called` in place of what the last upload said.

    Problems: `unknown_media`, `media_empty`, `media_too_large`, `media_type_mismatch`,
    `media_refused`, `media_unreachable`; raises as `Files.find` and `Files.keep_given`.
    """
    voice = isinstance(wanted, outbound_messages.NewAudio) and wanted.voice
    if wanted.media.url is None:
        assert wanted.media.sha256 is not None
        entry = await backends.files.entry(wanted.media.sha256)
        if entry is None:
            raise Problem("unknown_media", NOT_KEPT)
        sha256, size = entry.sha256, entry.size
        told, name = called or Called(entry.mime, entry.name)
        fits(wanted.type, size)
    else:
        sha256, size, told, name = await _fetch(backends, wanted)
    mime = mime_of(wanted.type, wanted.mime or told, voice=voice)
    if isinstance(wanted, outbound_messages.NewDocument):
        file = File(sha256, size, mime, wanted.name or name)
        return Document(file, wanted.caption, quote)
    file = File(sha256, size, mime)
    if isinstance(wanted, outbound_messages.NewImage):
        return Image(file, wanted.caption, quote)
    if isinstance(wanted, outbound_messages.NewVideo):
        return Video(file, wanted.caption, wanted.seconds, quote)
    if isinstance(wanted, outbound_messages.NewAudio):
        return Audio(file, voice, wanted.seconds, quote)
    return Sticker(file, wanted.animated, quote)


def fits(kind: str, size: int) -> None:
    """Problems `media_empty` and `media_too_large`, where WhatsApp does not take it."""
    if not size:
        raise Problem("media_empty")
    if size > LARGEST[kind]:
        raise too_large(kind, LARGEST[kind])


def too_large(kind: str, limit: int) -> Problem:
    """The problem of a file that is larger than this."""
    return Problem("media_too_large", f"A file of this kind ({kind}) has at most {limit} bytes.")


def mime_of(kind: str, told: str | None, *, voice: bool = False) -> str:
    """The declared type of the file, or its usual one. Problem `media_type_mismatch`."""
    if told is None or told.partition(";")[0].strip().lower() in UNKNOWN:
        return _VOICE if voice else _USUAL[kind]
    if not told.lower().startswith(_BEGINS.get(kind, "")):
        raise Problem(
            "media_type_mismatch",
            f"A message of this type ({kind}) brings a file of {_BEGINS[kind].rstrip('/')};"
            " what the file is can be said by `mime`.",
        )
    return told


def declared_mime(header: str | None) -> str | None:
    """A Content-Type as it may be kept; None where it says nothing."""
    whole = "" if header is None else header.strip()
    plain = whole.partition(";")[0].strip()
    if plain.lower() in UNKNOWN:
        return None
    fit = (each for each in (whole, plain) if len(each) <= 255 and _MIME.fullmatch(each))
    return next(fit, None)


async def _fetch(backends: Backends, wanted: Bringing) -> tuple[str, int, str | None, str | None]:
    assert wanted.media.url is not None
    await backends.accepting.require_room(wanted.connection)
    limit = min(LARGEST[wanted.type], backends.settings.media_max_bytes)
    try:
        async with backends.fetcher.fetch(wanted.media.url, limit=limit) as found:
            mime = declared_mime(found.mime)
            mime_of(wanted.type, wanted.mime or mime)  # before a byte is kept
            sha256, size = await backends.files.keep_given(
                found.chunks,
                limit=limit,
                units=(wanted.connection,),
                living=backends.known.ids,
            )
    except url_fetch.Refused as error:
        raise Problem("media_refused", f"The URL is refused: {error}.") from None
    except url_fetch.Unreachable as error:
        raise Problem("media_unreachable", f"The file cannot be fetched: {error}.") from None
    except (url_fetch.TooLarge, TooLarge):
        raise too_large(wanted.type, limit) from None
    fits(wanted.type, size)
    name = None if found.name is None else _NAME.sub("", found.name)[:255]
    return sha256, size, mime, name or None
