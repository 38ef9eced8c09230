"""Stores place and key of files uploaded for outgoing messages in the session file, so that retries upload nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from actors.connection.session.session_part import Expired, SessionPart

if TYPE_CHECKING:
    from actors.connection.session.files.file_details import FileDetails

UPLOAD_SECONDS: Final = 86_400.0
"""Seconds for which an upload is relied on; the media servers keep it for weeks."""


@dataclass(frozen=True, slots=True)
class Upload:
    """The place and the key of an uploaded file; `at` is its time, in seconds since the epoch.

    `details` describe the file in the message that is to leave, and are stored apart from its place.
    """

    kind: str
    key: bytes = field(repr=False)
    url: str = field(repr=False)
    direct_path: str = field(repr=False)
    sha256: bytes
    sealed_sha256: bytes
    size: int
    at: float
    details: FileDetails | None = None


class Uploads(SessionPart):
    """Uploaded files by message, so that a message that is sent again is the same, byte for byte."""

    def remember(self, message_id: str, upload: Upload) -> None:
        """Keep it for a day; a later one of the same message replaces it."""
        self._file.write(
            "INSERT OR REPLACE INTO uploads"
            " (message_id, kind, media_key, url, direct_path, sha256, sealed_sha256, size, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                message_id,
                upload.kind,
                upload.key,
                upload.url,
                upload.direct_path,
                upload.sha256,
                upload.sealed_sha256,
                upload.size,
                upload.at,
            ),
        )

    def find(self, message_id: str) -> Upload | None:
        """The upload of the message within a day; none that a clock dated ahead, whose age nobody knows."""
        row = self._file.row(
            "SELECT kind, media_key, url, direct_path, sha256, sealed_sha256, size, at"
            " FROM uploads WHERE message_id = ? AND at BETWEEN ? AND ?",
            (message_id, *self._usable()),
        )
        return None if row is None else Upload(*row)

    def of_file(self, kind: str, sha256: bytes) -> Upload | None:
        """The newest upload of the file, as this kind, within a day."""
        row = self._file.row(
            "SELECT kind, media_key, url, direct_path, sha256, sealed_sha256, size, at"
            " FROM uploads WHERE kind = ? AND sha256 = ? AND at BETWEEN ? AND ?"
            " ORDER BY at DESC LIMIT 1",
            (kind, sha256, *self._usable()),
        )
        return None if row is None else Upload(*row)

    def _usable(self) -> tuple[float, float]:
        now = self._file.clock()
        return now - UPLOAD_SECONDS, now

    def expired(self, now: float) -> list[Expired]:
        """Those that are older than a day."""
        return [Expired("uploads", "at < ?", (now - UPLOAD_SECONDS,))]

    def forget_all(self) -> None:
        """Drop them all."""
        self._file.write("DELETE FROM uploads")
