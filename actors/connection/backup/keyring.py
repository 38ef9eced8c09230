"""Wraps data keys of backups and media copies with the master keys of SESSION_ENCRYPTION_KEY; derives pseudonyms."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

if TYPE_CHECKING:
    from collections.abc import Mapping

BACKUP_KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
WRAPPED_BYTES: Final = NONCE_BYTES + BACKUP_KEY_BYTES + 16

_ID, _WRAP, _NAME = b"teimoso vault key id", b"teimoso vault key wrap", b"teimoso vault names"


class NotAKey(ValueError):
    """A text that is no key, or no list of keys; the message does not quote it."""


class WrongKey(Exception):
    """None of the keys opens it: it was encrypted with another one."""

    code: Final = "wrong_key"

    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"The backup was encrypted with the key {key_id}, which is none of those in"
            " SESSION_ENCRYPTION_KEY; add that one behind the others."
        )


@dataclass(frozen=True, slots=True)
class Keyring:
    """Wraps the data key of each backup. Keys and ids that are derived from a master key reveal nothing of it.

    A key's id is derived from it: it shows to which key an envelope belongs.
    """

    newest: str
    _keys: Mapping[str, AESGCM] = field(repr=False)
    _names: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def of(cls, text: str) -> Self:
        """The keys in `text`, newest first, with commas between. Raises `NotAKey`.

        Each has 32 bytes, as 64 hex digits or in base64.
        """
        keys: dict[str, AESGCM] = {}
        names: dict[str, bytes] = {}
        for number, each in enumerate(text.split(","), 1):
            master = _read(each.strip())
            if master is None:
                which = "" if text.count(",") == 0 else f" (the {number}. of the list)"
                raise NotAKey(
                    f"must be 32 bytes as 64 hex digits or in base64{which};"
                    " `openssl rand -hex 32` makes one"
                )
            key_id = _derive(master, _ID)[:8].hex()
            keys.setdefault(key_id, AESGCM(_derive(master, _WRAP)))
            names.setdefault(key_id, _derive(master, _NAME))
        return cls(next(iter(keys)), keys, names)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys, the newest first."""
        return tuple(self._keys)

    def pseudonyms(self, name: str) -> tuple[str, ...]:
        """Pseudonyms of a name where it must not be read: by each key, the newest first."""
        return tuple(
            hmac.new(key, name.encode(), "sha256").hexdigest() for key in self._names.values()
        )

    def wrap(self, data_key: bytes, context: bytes) -> bytes:
        """The data key under the newest key, bound to `context`."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._keys[self.newest].encrypt(nonce, data_key, context)

    def unwrap(self, key_id: str, wrapped: bytes, context: bytes) -> bytes | None:
        """The data key; None where anything of it, or of `context`, is not as it was.

        Raises `WrongKey` where there is no key of that id.
        """
        if key_id not in self._keys:
            raise WrongKey(key_id)
        if len(wrapped) != WRAPPED_BYTES:
            return None
        try:
            return self._keys[key_id].decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], context)
        except InvalidTag:
            return None


def _read(text: str) -> bytes | None:
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return bytes.fromhex(text)
    try:
        key = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == BACKUP_KEY_BYTES else None


def _derive(master: bytes, purpose: bytes) -> bytes:
    return HKDFExpand(SHA256(), BACKUP_KEY_BYTES, purpose).derive(master)
