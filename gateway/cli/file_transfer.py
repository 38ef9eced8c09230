"""Uploads files for `teimoso send` and downloads files of messages and pictures, through the gateway's HTTP API."""

# ruff: noqa: PLC0415
# Heavy modules wait until their command runs.

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, BinaryIO

from gateway.cli.output import plain, refuse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.cli.api_client import Api

TRANSFER_PIECE_BYTES = 2**20
FILE_KINDS = ("image", "video", "audio", "document", "sticker")

_PICTURES = ("image/jpeg", "image/png")
_FILMS = ("video/mp4", "video/3gpp")


def mime_of(file: Path) -> str:
    """The type of the file, by its name."""
    import mimetypes

    return mimetypes.guess_type(file.name)[0] or "application/octet-stream"


def kind_of(mime: str) -> str:
    """As what a phone would send it; a file that phones may not show is a document."""
    if mime in _PICTURES:
        return "image"
    if mime in _FILMS:
        return "video"
    return "audio" if mime.startswith("audio/") else "document"


def upload(api: Api, file: Path) -> dict[str, Any]:
    """Upload it, piece by piece; return the API's answer. Ends the command where it is refused."""
    try:
        with file.open("rb") as stream:
            stream.seek(0, 2)
            size = stream.tell()
            stream.seek(0)
            uploaded: dict[str, Any] = api.put_in(
                "/api/media",
                _pieces(stream),
                {"Content-Type": mime_of(file), "Content-Length": str(size)},
            )
            return uploaded
    except OSError as error:
        refuse(f"{file} cannot be read: {error.strerror or type(error).__name__}.")


def picture_change(api: Api, picture: Path | None, remove: bool) -> dict[str, str | None]:
    """The field of a change: the picture, uploaded, or null to remove it; none where neither is wanted."""
    if picture is not None and remove:
        refuse("A picture is given or removed, not both.")
    if picture is None:
        return {"picture": None} if remove else {}
    return {"picture": upload(api, picture)["sha256"]}


def fetch(
    data: Path, key: str | None, path: str, output: Path | None, as_json: bool, *, name: str
) -> None:
    """Write the file at a path of the API to `output`, whole or not at all; `name` is for one that brings none."""
    from gateway.cli.api_client import Api

    with Api(data, key) as api, api.stream(path) as answer:
        if str(output) == "-":
            for piece in answer.iter_bytes():
                sys.stdout.buffer.write(piece)
            return
        target = output or _named(answer.headers.get("content-disposition", ""), name)
        size = _write(target, answer.iter_bytes())
    if as_json:
        plain({"file": str(target), "size": size})
    else:
        sys.stdout.write(f"{target}  {size} bytes\n")


def _write(target: Path, pieces: Iterator[bytes]) -> int:
    half = target.with_name(f".{target.name}.part")
    try:
        if target.exists():
            refuse(f"{target} exists: name another one with --output.")
        try:
            with half.open("xb") as stream:
                for piece in pieces:
                    stream.write(piece)
                size = stream.tell()
            half.rename(target)
        except BaseException:
            half.unlink(missing_ok=True)
            raise
    except OSError as error:
        refuse(f"{target} cannot be written: {error.strerror or type(error).__name__}.")
    return size


def _named(disposition: str, other: str) -> Path:
    """The default path of a download: this directory and the file's own name or the other one, without a path in it."""
    from pathlib import Path
    from urllib.parse import unquote

    found = re.search(r"filename\*=UTF-8''([^;]+)", disposition)
    plain_name = re.search(r'filename="([^"]+)"', disposition)
    name = unquote(found[1]) if found else plain_name[1] if plain_name else other
    return Path(re.sub(r"[\x00-\x1f\x7f/\\]", "_", name).lstrip(".")[:200] or other)


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    while piece := stream.read(TRANSFER_PIECE_BYTES):
        yield piece
