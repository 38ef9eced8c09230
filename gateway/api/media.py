"""Serves API routes that upload a file to the media store for later messages, and download the file of a message."""

from __future__ import annotations

import asyncio
import os
import re
import time
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from actors.media.store import FileTooLarge
from actors.messages import file_deferral
from actors.state.documents import BATCH_LIMIT
from actors.state.messages.file_owners import owning
from gateway.acceptance.attachments import UNKNOWN_TYPES, declared_mime
from gateway.api import messages
from gateway.http import byte_ranges
from gateway.http.body import chunks
from gateway.http.endpoint import ApiRequest, Gives, Operation, written
from gateway.http.problems import Problem
from gateway.schemas import response_models
from gateway.schemas.content.content_presenters import media_of
from gateway.schemas.request_models import UploadParameters

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from actors.media.directory import Turns
    from gateway.backends import Backends

MEDIA_PIECE_BYTES: Final = 262_144
_UNSAID: Final = "application/octet-stream"
_DEFERRED: Final[Mapping[str, str]] = {
    reason: f"The file {text}." for reason, text in file_deferral.FILE_DEFERRAL_TEXTS.items()
}
_SAFE: Final = re.compile(r"[^A-Za-z0-9._ -]")


async def _upload(call: ApiRequest[None, UploadParameters]) -> Response:
    """Answers when the file is on disk (G1).

    With a key for some connections these have it from then on, and no others (G12).
    """
    backends, headers = call.backends, call.request.headers
    declared = headers.get("content-type", "").strip()
    if declared.lower().startswith("multipart/"):
        raise Problem("unsupported_media_type", "Send the file itself as the body, not a form.")
    mime = declared_mime(declared)
    if (
        declared
        and mime is None
        and declared.partition(";")[0].strip().lower() not in UNKNOWN_TYPES
    ):
        raise Problem(
            "unsupported_media_type", "Write a media type as the Content-Type, as in image/png."
        )
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Problem("unsupported_media_type", "Send the file as it is, without an encoding.")
    limit = backends.settings.media_max_bytes
    length = headers.get("content-length", "")
    announced = int(length) if length.isdigit() else 0
    if announced > limit:
        raise _too_large(limit)
    try:
        sha256, size = await backends.files.add_upload(
            _some(chunks(call.request)),
            limit=limit,
            units=call.key.units,
            living=backends.connections.ids,
            announced=announced,
            turns=partial(backends.upload_turns.of, call.key.tenant),
        )
    except FileTooLarge:
        raise _too_large(limit) from None
    await backends.files.secure(sha256)
    if call.key.connections is None:
        await backends.files.call(sha256, mime, call.query.name)
    else:
        now, name = time.time(), call.query.name
        mine = [
            owning(sha256, each, now, mime=mime, name=name) for each in sorted(call.key.connections)
        ]
        await backends.documents.batch(mine[:BATCH_LIMIT])
    answer = response_models.Uploaded(
        sha256=sha256, size=size, mime=mime or _UNSAID, name=call.query.name
    )
    return written(answer, 201)


async def _download(call: ApiRequest[None, None]) -> Response:
    """The file of a message, whole or the part that is asked for."""
    media = media_of(await messages.document_of(call))
    if media is None:
        raise Problem("no_media")
    file = await file_of(call.backends, media, call.key.tenant)
    return await file_response(call, ShownFile(media.sha256, media.mime, media.name), file)


async def file_of(backends: Backends, media: response_models.MessageMedia, unit: str) -> Path:
    """The file that a message brought; one that is only in the bucket waits for others of the `unit`.

    Problems `media_failed`, `media_pending`, `media_gone`.
    """
    if media.state == "failed":
        raise Problem(
            "media_failed", f"The file could not be fetched from WhatsApp ({media.error})."
        )
    file = await backends.files.find(media.sha256, unit)
    if file is None:
        if media.state == "deferred":
            raise Problem("media_pending", _DEFERRED.get(media.error or ""))
        raise Problem("media_pending" if media.state == "pending" else "media_gone")
    return file


class ShownFile(NamedTuple):
    """The facts of a file that its answer shows."""

    sha256: str
    mime: str | None
    name: str | None


async def file_response(call: ApiRequest[None, None], media: ShownFile, file: Path) -> Response:
    """The answer with a file, whole or the part that is asked for. Problems `media_gone`, `range_not_satisfiable`."""
    turns = partial(call.backends.piece_turns.of, call.key.tenant)
    try:
        async with turns():
            stream, size = await asyncio.to_thread(_opened, file)
    except FileNotFoundError:
        raise Problem("media_gone") from None
    request = call.request.headers
    headers = {
        "ETag": f'"{media.sha256}"',
        "Accept-Ranges": "bytes",
        "Content-Disposition": disposition(media.name),
        # A file by somebody else is shown to nobody as a page of this service.
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Content-Type": declared_mime(media.mime) or _UNSAID,
    }
    try:
        if byte_ranges.is_cached(request.get("if-none-match"), media.sha256):
            stream.close()
            return Response(status_code=304, headers=headers)
        # A HEAD has no part (RFC 9110, 14.2).
        wanted = request.get("range") if call.request.method == "GET" else None
        part = byte_ranges.part(wanted, request.get("if-range"), media.sha256, size)
    except byte_ranges.Unsatisfiable:
        stream.close()
        raise Problem(
            "range_not_satisfiable", headers={"Content-Range": f"bytes */{size}"}
        ) from None
    start, end = part or (0, size)
    headers["Content-Length"] = str(end - start)
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    if call.request.method == "HEAD":
        stream.close()
        return Response(headers=headers)
    pieces = _pieces(stream, start, end, turns)
    return StreamingResponse(pieces, 200 if part is None else 206, headers)


def disposition(name: str | None) -> str:
    """A Content-Disposition that has a browser save the file, whatever it is called (RFC 6266)."""
    if name is None:
        return "attachment"
    plain = _SAFE.sub("_", name)
    disposition = f'attachment; filename="{plain}"'
    return (
        disposition if plain == name else f"{disposition}; filename*=UTF-8''{quote(name, safe='')}"
    )


async def _some(given: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The body, unless it is empty: nothing is kept of an empty one."""
    empty = True
    async for chunk in given:
        empty = empty and not chunk
        yield chunk
    if empty:
        raise Problem("media_empty")


def _opened(file: Path) -> tuple[BinaryIO, int]:
    """The file, and its size. Raises FileNotFoundError."""
    stream = file.open("rb")
    return stream, os.fstat(stream.fileno()).st_size


async def _pieces(stream: BinaryIO, start: int, end: int, turns: Turns) -> AsyncIterator[bytes]:
    with stream:
        stream.seek(start)
        while start < end:
            async with turns():
                piece = await asyncio.to_thread(stream.read, min(MEDIA_PIECE_BYTES, end - start))
            if not piece:
                return
            start += len(piece)
            yield piece


def _too_large(limit: int) -> Problem:
    return Problem(
        "media_too_large",
        f"A file has at most {limit} bytes. Set MEDIA_MAX_BYTES to its size or more, 250M at most.",
    )


_TAG = "messages"
_KEPT = ("media_unavailable", "disk_reserve", "vault_away")
OPERATIONS = (
    Operation(
        "POST",
        "/api/media",
        "uploadMedia",
        "Upload a file, for messages to bring",
        _TAG,
        _upload,
        {201: Gives("On disk, for messages to name.", response_models.Uploaded)},
        "send",
        upload=True,
        query=UploadParameters,
        refuses=(
            "media_empty",
            "media_too_large",
            "instance_limit_reached",
            "upload_budget_reached",
            "store_away",
            *_KEPT,
        ),
    ),
    Operation(
        "GET",
        "/api/messages/{id}/media",
        "getMessageMedia",
        "The file of a message",
        _TAG,
        _download,
        {
            200: Gives(
                "The file.",
                media_types=("*/*",),
                headers={
                    "ETag": "Its SHA-256.",
                    "Content-Disposition": "Its name, as far as that is known.",
                },
            ),
            206: Gives("The part that `Range` asks for.", media_types=("*/*",)),
            304: Gives("It is the one that `If-None-Match` names."),
        },
        "read",
        waits=True,
        refuses=(
            "unknown_message",
            "no_media",
            "media_pending",
            "media_failed",
            "media_gone",
            "range_not_satisfiable",
            "redis_away",
            "store_away",
            *_KEPT,
        ),
    ),
)
