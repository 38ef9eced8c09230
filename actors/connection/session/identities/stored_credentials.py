"""Stores the account's credentials in the session file, and caches the decoded value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.session.identities.credentials import Credentials
from actors.connection.session.row_cache import RowCache
from actors.connection.session.session_part import SessionPart

if TYPE_CHECKING:
    from actors.connection.session.file import SessionFile
    from actors.connection.session.identities.signal_keys import SignalKeys


class StoredCredentials(SessionPart):
    """The credentials of the account, decoded once and cached until a transaction changes them."""

    def __init__(self, file: SessionFile, keys: SignalKeys) -> None:
        super().__init__(file)
        self._keys = keys
        self._decoded = RowCache(file, self._decode)

    def read(self) -> Credentials | None:
        """Return the stored credentials; None before the first save and after a logout."""
        return self._decoded.get()

    def _decode(self, _: str) -> Credentials | None:
        row = self._file.row("SELECT data FROM credentials")
        return None if row is None else Credentials.from_json(row[0])

    def save(self, credentials: Credentials) -> None:
        """Replace the credentials. Their signed prekey joins the ones that still serve."""
        self._decoded.change()
        self._file.write(
            "INSERT OR REPLACE INTO credentials (one, data) VALUES (1, ?)", (credentials.to_json(),)
        )
        self._keys.add_signed_prekey(credentials.signed_prekey)

    def forget(self) -> None:
        """Drop the credentials, which are those of another device from now on."""
        self._decoded.change()
        self._file.write("DELETE FROM credentials")
