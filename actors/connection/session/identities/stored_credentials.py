"""Stores the account's credentials in the session file, and caches the decoded value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.session.identities.credentials import Credentials
from actors.connection.session.session_part import SessionPart

if TYPE_CHECKING:
    from actors.connection.session.file import SessionFile
    from actors.connection.session.identities.signal_keys import SignalKeys


class StoredCredentials(SessionPart):
    """The credentials of the account, decoded once and cached until a transaction ends."""

    def __init__(self, file: SessionFile, keys: SignalKeys) -> None:
        super().__init__(file)
        self._keys = keys
        self._cached: Credentials | None = None
        self._cached_within: Credentials | None = None
        file.add_cache(self._drop_cache)

    def read(self) -> Credentials | None:
        """Return the stored credentials; None before the first save and after a logout."""
        within = self._file.within
        cached = self._cached_within if within else self._cached
        if cached is not None:
            return cached
        row = self._file.row("SELECT data FROM credentials")
        found = None if row is None else Credentials.from_json(row[0])
        if within:
            self._cached_within = found
        else:
            self._cached = found
        return found

    def save(self, credentials: Credentials) -> None:
        """Replace the credentials. Their signed prekey joins the ones that still serve."""
        self._file.write(
            "INSERT OR REPLACE INTO credentials (one, data) VALUES (1, ?)", (credentials.to_json(),)
        )
        self._cached_within = None
        self._keys.add_signed_prekey(credentials.signed_prekey)

    def forget(self) -> None:
        """Drop the credentials, which are those of another device from now on."""
        self._file.write("DELETE FROM credentials")
        self._cached_within = None

    def _drop_cache(self) -> None:
        self._cached = self._cached_within = None
