"""Encrypts and uploads the file of an outgoing message to the media servers, once per message across retries.

`outgoing_files` converts and describes it before.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import structlog

from actors.connection.backup.bucket.port import BucketAway
from actors.connection.engine import NotConnected, SendError
from actors.connection.protocol.media.cipher import MEDIA_KEY_BYTES, FileEncryptor, sealed_size
from actors.connection.protocol.media.http_client import STREAM_CHUNK_BYTES, ServerUnreachable
from actors.connection.protocol.media.media_servers import NoLink
from actors.connection.protocol.media.outgoing_files import recipe_of
from actors.connection.protocol.request_errors import ConnectionLost
from actors.connection.session.files.uploads import Upload
from actors.media.store import StoreUnavailable
from actors.messages.content import is_voice_note
from actors.runtime.limits.keyed_semaphores import KeyedSemaphores

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from actors.connection.protocol.media.http_client import HttpClient
    from actors.connection.protocol.media.media_servers import MediaConnection, MediaServers
    from actors.connection.protocol.media.outgoing_files import OutgoingFiles
    from actors.connection.session.files.file_details import FileDetails
    from actors.connection.session.session import Session
    from actors.media.store import MediaStore
    from actors.messages.content import Media

log = structlog.get_logger()

CONCURRENT_UPLOADS: Final = 4
"""Files of one connection that are uploaded at once: the others wait, and hold their chats alone."""

MISSING: Final = "media_missing"
UPLOAD_FAILED: Final = "media_upload_failed"

_PERMANENT: Final = frozenset({400, 406, 411, 413, 415, 422})
"""Status codes for a file that a server will never take."""

_REFUSED: Final = frozenset({401, 403})
"""Status codes for a client that may not upload, or not any more."""

_WAYS: Final = {"sticker": "image"}
"""The servers' names of kinds, where they differ."""

_LONGEST: Final = 4096


@dataclass(frozen=True, slots=True)
class _Sealed:
    path: Path
    kind: str
    key: bytes
    sha256: bytes
    sealed_sha256: bytes
    size: int


class Uploader:
    """Uploads files by what the media store has; none is whole in memory, none blocks the loop.

    The upload for a message is on disk before the message leaves. So a retry, or the next
    owner after a crash, uploads nothing again and sends the same.
    """

    def __init__(
        self,
        session: Session,
        store: MediaStore,
        web: HttpClient,
        hosts: MediaServers,
        files: OutgoingFiles,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._session = session
        self._store = store
        self._web = web
        self._hosts = hosts
        self._files = files
        self._clock = clock
        self._turns = asyncio.Semaphore(CONCURRENT_UPLOADS)
        self._conversions = KeyedSemaphores[tuple[str, str]](1)

    async def upload(self, message_id: str, content: Media) -> Upload:
        """Upload the file of a message, and return its place. Raises `SendError`, or what `Socket.request` raises.

        ``media_missing``: the store has no such file (any more); ``media_refused_…``: the servers
        will not take it; both are permanent. As `OutgoingFiles`, where it has to be converted.
        """
        upload = await self._stored(message_id, content)
        if upload is not None:
            return upload
        given = await self._find(content)
        facts = await self._files.facts(given, content)
        if not facts.plays:
            return await self._converted(message_id, content, given)
        kind, sha256 = _key(content)
        details = self._session.file_details.find(kind, bytes.fromhex(sha256))
        if details is None or details.sha256.hex() != sha256 or not details.is_shown:
            details = await self._files.describe(given, content, facts, given.parent)
        return await self._uploaded(message_id, content, given, details)

    async def _converted(self, message_id: str, content: Media, given: Path) -> Upload:
        """Upload the result of a conversion: once within a day, however many messages bring it."""
        async with self._conversions.of(_key(content)):
            upload = await self._stored(message_id, content)
            if upload is not None:
                return upload
            await self._require_same(given, content)
            with await self._files.convert(given, content) as made:
                path = Path(f"/proc/self/fd/{made.fileno()}")  # it has no other name
                facts = await self._files.facts(path, content)
                details = await self._files.describe(path, content, facts, given.parent)
                details = replace(details, mime=recipe_of(content).mime)
                return await self._uploaded(message_id, content, path, details, converted=True)

    async def _require_same(self, given: Path, content: Media) -> None:
        """Raise `SendError` unless the file still has the bytes that were accepted; a converted file no longer shows it."""
        try:
            found = await asyncio.to_thread(_sha256, given)
        except OSError:
            raise SendError("media_unreadable") from None
        if found != content.file.sha256:
            raise _damaged()

    async def _stored(self, message_id: str, content: Media) -> Upload | None:
        """The upload of this message within a day; of another one where it forwards or was converted to the same."""
        kind, given = _key(content)
        details = self._session.file_details.find(kind, bytes.fromhex(given))
        sent = bytes.fromhex(given) if details is None else details.sha256
        stored = self._session.uploads.find(message_id)
        if stored is not None and (stored.kind, stored.sha256) == (content.type, sent):
            return replace(stored, details=details)
        if content.forwarding_score is None and sent.hex() == given:
            return None
        # As WhatsApp's clients forward it.
        stored = self._session.uploads.of_file(content.type, sent)
        if stored is None:
            return None
        async with self._session.transaction():
            self._session.uploads.remember(message_id, stored)
        return replace(stored, details=details)

    async def _uploaded(
        self,
        message_id: str,
        content: Media,
        path: Path,
        details: FileDetails,
        *,
        converted: bool = False,
    ) -> Upload:
        async with self._turns:
            try:
                sealed = await self._seal(path, content.type)
                if not converted and sealed.sha256 != details.sha256:
                    raise _damaged()
                upload = await self._send(sealed)
            except (NoLink, ConnectionLost):
                raise NotConnected from None  # nothing of the message left
        kind, given = _key(content)
        details = replace(details, sha256=sealed.sha256)
        async with self._session.transaction():
            self._session.uploads.remember(message_id, upload)
            self._session.file_details.remember(kind, bytes.fromhex(given), details)
        return replace(upload, details=details)

    async def _find(self, content: Media) -> Path:
        try:
            path = await self._store.find(content.file.sha256)
        except BucketAway:
            raise SendError(BucketAway.code) from None
        except StoreUnavailable as error:
            raise SendError(error.code) from None
        if path is None:
            raise SendError(MISSING, permanent=True)
        return path

    async def _seal(self, path: Path, kind: str) -> _Sealed:
        """The hash goes before the bytes, so they are sealed twice rather than kept in between."""
        key = secrets.token_bytes(MEDIA_KEY_BYTES)
        sealing = FileEncryptor(kind, key)
        try:
            async for _ in sealed_chunks(path, sealing):
                pass
        except OSError:
            raise SendError("media_unreadable") from None
        return _Sealed(path, kind, key, sealing.sha256, sealing.sealed_sha256, sealing.size)

    async def _send(self, sealed: _Sealed) -> Upload:
        for _ in range(2):
            connection = await self._hosts.get()
            try:
                return await self._offer(sealed, connection)
            except _Refused:
                self._hosts.refuse(connection)
        raise SendError("media_upload_refused")

    async def _offer(self, sealed: _Sealed, connection: MediaConnection) -> Upload:
        """Offer the file to one server after the other. Raises `_Refused` or `SendError`."""
        for host in connection.hosts:
            url = _url(host, sealed, connection.auth)
            chunks = sealed_chunks(sealed.path, FileEncryptor(sealed.kind, sealed.key))
            try:
                status, answer = await self._web.post(url, chunks, sealed_size(sealed.size))
            except ServerUnreachable as error:
                log.warning("upload failed", action="media.upload", reason=str(error))
            else:
                if status in _REFUSED:
                    raise _Refused
                if status in _PERMANENT:
                    raise SendError(f"media_refused_{status}", permanent=True)
                found = _places(answer) if status == 200 else None
                if found is not None:
                    return Upload(
                        sealed.kind,
                        sealed.key,
                        *found,
                        sealed.sha256,
                        sealed.sealed_sha256,
                        sealed.size,
                        self._clock(),
                    )
                log.warning("upload failed", action="media.upload", status=status)
            finally:
                await chunks.aclose()
            self._hosts.avoid(host)
        self._hosts.refuse(connection)  # there may be others by now
        raise SendError(UPLOAD_FAILED)


class _Refused(Exception):
    """The servers do not let this device in with the words that it has."""


async def sealed_chunks(path: Path, sealing: FileEncryptor) -> AsyncGenerator[bytes]:
    """The file as it is uploaded, read and sealed in a thread chunk by chunk."""
    file = await asyncio.to_thread(path.open, "rb")

    def step() -> bytes:
        chunk = file.read(STREAM_CHUNK_BYTES)
        return sealing.feed(chunk) if chunk else b""

    try:
        while chunk := await asyncio.to_thread(step):
            yield chunk
        yield sealing.finish()
    finally:
        file.close()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _damaged() -> SendError:
    log.error("file has another SHA-256", action="media.damaged")
    return SendError(MISSING, permanent=True)


def _key(content: Media) -> tuple[str, str]:
    """The kind and the SHA-256 under which the file's details are stored; a voice note is of another kind than a sound."""
    return "voice" if is_voice_note(content) else content.type, content.file.sha256


def way(kind: str) -> str:
    """The servers' name for the kind of a message with a file."""
    return _WAYS.get(kind, kind)


def _url(host: str, sealed: _Sealed, auth: str) -> str:
    token = base64.urlsafe_b64encode(sealed.sealed_sha256).decode()
    query = urlencode({"auth": auth, "token": token})
    return f"https://{host}/mms/{way(sealed.kind)}/{token}?{query}"


def _places(body: bytes) -> tuple[str, str] | None:
    """The URL and the direct path in what a server answered; None where it names none."""
    try:
        answer: Any = json.loads(body)
        found = answer["url"], answer["direct_path"]
    except (ValueError, LookupError, TypeError):
        return None
    usable = all(isinstance(each, str) and 0 < len(each) <= _LONGEST for each in found)
    return found if usable and found[1].startswith("/") else None
