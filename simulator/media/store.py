"""Stores the simulated media servers' encrypted files on disk, their download paths and upload tokens in SQLite."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from simulator.media.encryption import USES, MediaError, Sealed, decrypted, opened, seal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from simulator.server.companions import Companion
    from simulator.store import Store

AUTH_SECONDS: Final = 3600
_FOLDER: Final = "/v/t62.7118-24/"
# the validity in the addresses of messages; the simulator enforces no expiry
_ADDRESS_SECONDS: Final = 30 * 86400


@dataclass(frozen=True)
class StoredFile:
    """The file of an address. `status` is the HTTP status of downloads."""

    name: str
    token: str
    kind: str
    size: int
    status: int


class MediaStore:
    """Files by the hash of their encrypted bytes; each upload gets an address of its own."""

    def __init__(self, store: Store, directory: Path) -> None:
        directory.mkdir(exist_ok=True, mode=0o700)
        self._store = store
        self._directory = directory
        self._secret = store.secret("media", lambda: secrets.token_bytes(32))
        self.host = "127.0.0.1"
        """Where clients reach it: `host:port`, over TLS."""
        self.authority = ""
        """The certificate that they have to trust for it: a PEM file."""

    def auth(self, companion: Companion, now: float) -> str:
        """The token that an upload has to show: it holds for AUTH_SECONDS, whatever dies meanwhile."""
        signed = f"{companion.number}.{companion.device}.{int(now) + AUTH_SECONDS}"
        return f"{signed}.{self._mac(signed)}"

    def account(self, auth: str, now: float) -> str | None:
        """Returns the account of a token; None for an unknown or expired one."""
        signed, _, mac = auth.rpartition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(signed).encode()):
            return None
        number, _, expires = signed.split(".")
        return number if now < int(expires) else None

    def file(self, token: str) -> Path:
        """The path of the encrypted bytes with this hash."""
        return self._directory / hash_of(token).hex()

    def temporary(self) -> Path:
        """Returns a path for an upload that is not complete, beside the files."""
        return self._directory / f"upload-{secrets.token_hex(8)}"

    def register(self, token: str, kind: str, size: int) -> str:
        """Gives a file that is in its place an address: its direct path."""
        name = f"{secrets.randbelow(10**15):015}_n.enc"
        with self._store.transaction():
            self._store.execute(
                "INSERT INTO media (name, token, kind, size) VALUES (?, ?, ?, ?)",
                name,
                token,
                kind,
                size,
            )
        expires = int(time.time()) + _ADDRESS_SECONDS
        return (
            f"{_FOLDER}{name}?ccb=11-4&oh=01_{secrets.token_hex(8)}&oe={expires:X}&_nc_sid=5e03e0"
        )

    def put(self, plaintext: Iterable[bytes], kind: str) -> tuple[Sealed, str]:
        """Encrypts and uploads a file for a phone; returns the fields of the message, and the direct path."""
        temporary = self.temporary()
        try:
            with temporary.open("wb") as out:
                sealed = seal(plaintext, kind, out)
            token = token_of(sealed.enc_sha256)
            os.replace(temporary, self.file(token))  # noqa: PTH105 - the same on both systems
        finally:
            temporary.unlink(missing_ok=True)
        return sealed, self.register(token, kind, sealed.size)

    def again(self, path: str) -> str | None:
        """Gives a file another address, as after another upload by a phone; None without a file."""
        held = self.at(path)
        if held is None or not self.file(held.token).exists():
            return None
        return self.register(held.token, held.kind, held.size)

    def at(self, path: str) -> StoredFile | None:
        """The file that a direct path leads to."""
        name = path.partition("?")[0].removeprefix(_FOLDER)
        row = self._store.row("SELECT * FROM media WHERE name = ?", name)
        return None if row is None else StoredFile(**{key: row[key] for key in row.keys()})  # noqa: SIM118

    def answer_by(self, path: str, status: int) -> bool:
        """Sets the status of downloads of an address; returns whether the address exists."""
        held = self.at(path)
        if held is None:
            return False
        with self._store.transaction():
            self._store.execute("UPDATE media SET status = ? WHERE name = ?", status, held.name)
        return True

    def forget(self, token: str) -> None:
        """Deletes the file with all its addresses."""
        with self._store.transaction():
            self._store.execute("DELETE FROM media WHERE token = ?", token)
        self.file(token).unlink(missing_ok=True)

    def read(self, kind: str, part: Any) -> dict[str, Any]:
        """Downloads the file of a message for a person's phone.

        `media` in the result is `ok` when the file matches the message, else a word for the error.
        """
        held = self.at(part.direct_path)
        if held is None or held.status != 200:
            return {"media": "missing"}
        try:
            with self.file(held.token).open("rb") as source:
                digest, length = opened(source, held.size, kind, part.media_key)
        except MediaError as error:
            return {"media": error.code}
        if hash_of(held.token) != part.file_enc_sha256 or digest != part.file_sha256:
            return {"media": "bad-hash"}
        if length != part.file_length:
            return {"media": "bad-length"}
        return {"media": "ok", "sha256": digest.hex(), "length": length}

    def plaintext(self, kind: str, part: Any) -> bytes | None:
        """Returns the file of a message as it was before its encryption; None where a phone would show none."""
        held = self.at(part.direct_path)
        if held is None or self.read(kind, part)["media"] != "ok":
            return None
        with self.file(held.token).open("rb") as source:
            return b"".join(decrypted(source, held.size, kind, part.media_key))

    def _mac(self, signed: str) -> str:
        return hmac.digest(self._secret, signed.encode(), hashlib.sha256).hex()


def token_of(enc_sha256: bytes) -> str:
    """Returns the token of a file in an upload: the hash of its encrypted bytes."""
    return base64.urlsafe_b64encode(enc_sha256).decode()


def hash_of(token: str) -> bytes:
    """Returns the hash in a token. Raises ValueError for a malformed token."""
    digest = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    if len(digest) != 32:
        raise ValueError("no token")
    return digest


def is_media_kind(kind: str) -> bool:
    """Whether the first part of an upload's path names a kind of media that the server takes."""
    return kind in USES
