"""Stores in the session file the details of each sent file: hash after conversion, length, size, thumbnail, waveform."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from actors.connection.session.session_part import Expired, SessionPart

DETAIL_SECONDS: Final = 2 * 86_400.0
"""Seconds for which details are kept: longer than the upload that they describe."""


@dataclass(frozen=True, slots=True)
class FileDetails:
    """The description of a file in its message. `sha256` is that of the sent file; `mime` is None if the caller's holds.

    The length is in seconds, the size in pixels.
    """

    sha256: bytes
    mime: str | None = None
    seconds: int | None = None
    width: int | None = None
    height: int | None = None
    thumbnail: bytes | None = field(default=None, repr=False)
    waveform: bytes | None = field(default=None, repr=False)

    @property
    def is_shown(self) -> bool:
        """Whether apps show something of the file before they fetch it."""
        return self.thumbnail is not None or self.waveform is not None


class SentFileDetails(SessionPart):
    """Details by the file that the caller gave and the kind of its message, so that a repetition says the same."""

    def remember(self, kind: str, given: bytes, details: FileDetails) -> None:
        """Keep the details of the file with this SHA-256 for two days, in place of earlier ones."""
        self._file.write(
            "INSERT OR REPLACE INTO file_details"
            " (kind, given, sha256, mime, seconds, width, height, thumbnail, waveform, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                kind,
                given,
                details.sha256,
                details.mime,
                details.seconds,
                details.width,
                details.height,
                details.thumbnail,
                details.waveform,
                self._file.clock(),
            ),
        )

    def find(self, kind: str, given: bytes) -> FileDetails | None:
        """Return the stored details; None for a file that was not described yet, or too long ago."""
        row = self._file.row(
            "SELECT sha256, mime, seconds, width, height, thumbnail, waveform"
            " FROM file_details WHERE kind = ? AND given = ? AND at >= ?",
            (kind, given, self._file.clock() - DETAIL_SECONDS),
        )
        return None if row is None else FileDetails(*row)

    def expired(self, now: float) -> list[Expired]:
        """Details that are older than two days."""
        return [Expired("file_details", "at < ?", (now - DETAIL_SECONDS,))]

    def forget_all(self) -> None:
        """Drop all details."""
        self._file.write("DELETE FROM file_details")
