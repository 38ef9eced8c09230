"""Serves the HTTP routes of the media servers: upload, download and deletion of encrypted files.

Paths, parameters and answers after whatsmeow `upload.go`, `download.go` and Baileys `messages-media`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from simulator.media.encryption import MAX_MEDIA
from simulator.media.store import hash_of, is_media_kind
from simulator.server.profiles.pictures import FOLDER, PictureStore
from simulator.server.rules.properties import EVERYONE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.requests import Request

    from simulator.faults import Faults
    from simulator.media.store import MediaStore
    from simulator.store import Store

_SERVER_ERROR: Final = 503
_HOLD: Final = "hold_files"
_BYTES: Final = "application/octet-stream"


class MediaRoutes:
    """Endpoints over one media store. An upload is kept whole or not at all."""

    def __init__(
        self,
        store: Store,
        faults: Faults,
        media: MediaStore,
    ) -> None:
        self._store = store
        self._faults = faults
        self._media = media
        self._pictures = PictureStore(store)

    async def upload(self, request: Request) -> Response:
        """Stores a file whose hash matches its token; the answer has its address."""
        token, kind = request.path_params["token"], request.path_params["kind"]
        account = self._media.account(request.query_params.get("auth", ""), time.time())
        if account is None:
            return _refused(401, "unauthorized")
        refused = self._faults.strike(account, "refuse_upload")
        if refused is not None:
            return _refused(refused.code or _SERVER_ERROR, "refused")
        if not is_media_kind(kind):
            return _refused(404, "unknown media type")
        try:
            expected = hash_of(token)
        except ValueError:
            return _refused(400, "bad token")
        temporary = self._media.temporary()
        digest, size = hashlib.sha256(), 0
        try:
            with temporary.open("wb") as out:
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > MAX_MEDIA:
                        return _refused(413, "too large")
                    digest.update(chunk)
                    out.write(chunk)
            if digest.digest() != expected:
                return _refused(400, "hash mismatch")
            os.replace(temporary, self._media.file(token))  # noqa: PTH105
        finally:
            temporary.unlink(missing_ok=True)
        path = self._media.register(token, kind, size)
        self._store.count(account, "uploads")
        url = f"https://{self._media.host}{path}"
        return JSONResponse({"url": url, "direct_path": path, "handle": ""})

    async def download(self, request: Request) -> Response:
        """Returns the encrypted file, unless its hash differs from `hash` in the request."""
        held = self._media.at(request.url.path)
        if held is None:
            return _refused(404, "no such file")
        if held.status != 200:
            return _refused(held.status, "not here")
        requested_hash = request.query_params.get("hash")
        if requested_hash is not None and requested_hash.rstrip("=") != held.token.rstrip("="):
            return _refused(403, "hash mismatch")
        file = self._media.file(held.token)
        if self._faults.strike(EVERYONE, _HOLD) is not None:
            return StreamingResponse(self._halting(file), media_type=_BYTES)
        return FileResponse(file, media_type=_BYTES)

    async def _halting(self, file: Path) -> AsyncIterator[bytes]:
        data = await asyncio.to_thread(file.read_bytes)
        half = len(data) // 2
        yield data[:half]
        while self._faults.find(EVERYONE, _HOLD) is not None:  # noqa: ASYNC110 - the end of a fault has no event
            await asyncio.sleep(0.05)
        yield data[half:]

    async def picture(self, request: Request) -> Response:
        """Returns the picture of a person or a group, as long as it is the current one."""
        data = self._pictures.file(request.path_params["name"])
        if data is None:
            return _refused(404, "no such picture")
        return Response(data, media_type="image/jpeg")

    async def delete(self, request: Request) -> Response:
        """Deletes a file; whatsmeow requests that for history that it has read."""
        if self._media.account(request.query_params.get("auth", ""), time.time()) is None:
            return _refused(401, "unauthorized")
        try:
            self._media.forget(request.path_params["token"])
        except ValueError:
            return _refused(400, "bad token")
        return JSONResponse({})


def _refused(status: int, reason: str) -> JSONResponse:
    return JSONResponse({"error": reason}, status_code=status)


def media_application(store: Store, faults: Faults, media_store: MediaStore) -> Starlette:
    """Returns the Starlette application of the media servers."""
    media = MediaRoutes(store, faults, media_store)
    routes: list[tuple[str, Any, str]] = [
        ("/mms/{kind}/{token}", media.upload, "POST"),
        ("/mms/{kind}/{token}", media.delete, "DELETE"),
        ("/v/t62.7118-24/{name}", media.download, "GET"),
        (f"{FOLDER}{{name}}", media.picture, "GET"),
    ]
    return Starlette(
        routes=[Route(path, handler, methods=[method]) for path, handler, method in routes]
    )
