"""Converts a file that WhatsApp's apps do not play, and describes one for its message: thumbnail, waveform, length."""

from __future__ import annotations

import asyncio
from typing import IO, TYPE_CHECKING, Final

import structlog

from actors.connection.engine import SendError
from actors.connection.session.files.file_details import FileDetails
from actors.media.conversion import ffmpeg, formats, recipes
from actors.media.store import StoreFull, StoreUnavailable
from actors.messages.content import Audio, Image, Video, is_voice_note

if TYPE_CHECKING:
    from pathlib import Path

    from actors.config.settings import Settings
    from actors.media.conversion.facts import Facts
    from actors.media.store import MediaStore
    from actors.messages.content import Media

log = structlog.get_logger()

CONVERSION_UNAVAILABLE: Final = "conversion_unavailable"
NOT_CONVERTED: Final = "media_not_converted"
TOO_SLOW: Final = "conversion_too_slow"

CONVERTED_BYTES: Final = 16 * 2**20
"""Bytes of a converted file, as WhatsApp takes them."""

FILE_THUMBNAIL_SIDE: Final = 100
FILE_THUMBNAIL_BYTES: Final = 8 * 1024
"""Pixels of a thumbnail's longer side, and bytes of all of it."""

FILE_PREVIEW_SECONDS: Final = 20.0
"""Seconds for a thumbnail or a waveform, the wait for its turn included; later the message goes without."""


def recipe_of(content: Media) -> recipes.Recipe:
    """Return the conversion for the file of this message: to a voice note or to a video."""
    return recipes.VOICE if isinstance(content, Audio) else recipes.VIDEO


class OutgoingFiles:
    """The files of one connection's messages on their way out, one conversion and one description at a time.

    A converted file has no name on the disk: after a death the next attempt converts anew.
    """

    def __init__(self, settings: Settings, store: MediaStore) -> None:
        self._store = store
        self._within = float(settings.media_conversion_seconds)
        self._conversions = ffmpeg.of_host(settings, ffmpeg.CONVERSIONS)
        self._previews = ffmpeg.of_host(settings, ffmpeg.PREVIEWS)

    async def facts(self, path: Path, content: Media) -> Facts:
        """Return what the head of the file says of its format, length and size. Raises `SendError`.

        A file that another person sent is forwarded as it is: that person's app took it.
        """
        voice = is_voice_note(content)
        try:
            found = await asyncio.to_thread(formats.facts_of, path, content.type, voice=voice)
        except OSError:
            raise SendError("media_unreadable") from None
        return found.played if content.forwarding_score else found

    async def convert(self, given: Path, content: Media) -> IO[bytes]:
        """Return the file as WhatsApp's apps play it, without a name; the caller closes it. Raises `SendError`.

        ``conversion_unavailable``: ffmpeg is not installed on this host; ``media_not_converted``: it made nothing of the file.
        Both are permanent. ``conversion_too_slow``, ``disk_reserve``, ``media_unavailable``: it may be tried again.
        """
        try:
            if await self._store.room() < CONVERTED_BYTES:
                raise SendError(StoreFull.code)
            return await self._conversions.make(
                given,
                recipe_of(content).arguments,
                unit="",
                limit=CONVERTED_BYTES,
                within=self._within,
                place=given.parent,
            )
        except ffmpeg.NotInstalled:
            raise SendError(CONVERSION_UNAVAILABLE, permanent=True) from None
        except ffmpeg.NotConverted as error:
            slow = isinstance(error, ffmpeg.TooSlow)
            log.warning("not converted", action="media.convert", reason=str(error))
            raise SendError(TOO_SLOW if slow else NOT_CONVERTED, permanent=not slow) from None
        except StoreUnavailable as error:
            raise SendError(error.code) from None
        except OSError:
            raise SendError("media_unreadable") from None

    async def describe(self, path: Path, content: Media, facts: Facts, place: Path) -> FileDetails:
        """Return what the message says of a file that is sent; without ffmpeg only what its head says.

        `place` is the directory for what ffmpeg writes.
        """
        voice = is_voice_note(content)
        thumbnail, waveform, seconds = None, None, facts.seconds
        if isinstance(content, Image | Video):
            made = await self._preview(
                path, recipes.thumbnail(FILE_THUMBNAIL_SIDE), FILE_THUMBNAIL_BYTES, place
            )
            if made is not None:
                with made:
                    thumbnail = made.read()
        elif isinstance(content, Audio) and (voice or seconds is None):
            made = await self._preview(path, recipes.SOUND, recipes.SAMPLES, place)
            if made is not None:
                with made:
                    seconds = seconds or recipes.seconds_of(made)
                    waveform = await asyncio.to_thread(recipes.waveform_of, made) if voice else None
        return FileDetails(
            bytes.fromhex(content.file.sha256),
            recipes.VOICE.mime if voice and facts.plays else None,
            seconds,
            facts.width,
            facts.height,
            thumbnail,
            waveform,
        )

    async def _preview(
        self, path: Path, arguments: tuple[str, ...], limit: int, place: Path
    ) -> IO[bytes] | None:
        """Return the output of ffmpeg; None where that fails, or takes too long."""
        try:
            async with asyncio.timeout(FILE_PREVIEW_SECONDS):
                return await self._previews.make(
                    path, arguments, unit="", limit=limit, within=FILE_PREVIEW_SECONDS, place=place
                )
        except (ffmpeg.NotInstalled, ffmpeg.NotConverted, OSError):  # a timeout is an OSError
            return None
