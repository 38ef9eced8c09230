"""Stores in SQLite companions, the linked devices that real clients play, with the public keys that they uploaded."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.contacts.signal_endpoints import Bundle

if TYPE_CHECKING:
    from simulator.store import Store

DeviceKey = tuple[str, int]
"""A device of a person: phone number and device id; the phone's id is 0."""


@dataclass(frozen=True)
class Companion:
    """A linked device of an account."""

    number: str
    device: int
    noise: bytes
    identity: bytes
    registration: int
    skey_id: int
    skey: bytes
    skey_signature: bytes
    adv: bytes
    key_index: int
    paired_at: float
    logins: int
    uploaded: bool
    version: str = ""
    shown_name: str = ""

    @property
    def key(self) -> DeviceKey:
        return self.number, self.device


class Companions:
    """All linked devices, and the prekeys that they uploaded."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache: dict[str, tuple[Companion, ...]] = {}
        store.on_rollback(self._cache.clear)

    def of(self, number: str) -> tuple[Companion, ...]:
        """Returns the companions of a number, by device."""
        if number not in self._cache:
            rows = self._store.rows(
                "SELECT * FROM companions WHERE number = ? ORDER BY device", number
            )
            self._cache[number] = tuple(_companion(row) for row in rows)
        return self._cache[number]

    def get(self, number: str, device: int) -> Companion | None:
        return next((one for one in self.of(number) if one.device == device), None)

    def add(self, companion: Companion) -> None:
        """Stores a companion that a phone linked."""
        self._store.execute(
            "INSERT INTO companions (number, device, noise, identity, registration, skey_id, skey,"
            " skey_signature, adv, key_index, paired_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            companion.number,
            companion.device,
            companion.noise,
            companion.identity,
            companion.registration,
            companion.skey_id,
            companion.skey,
            companion.skey_signature,
            companion.adv,
            companion.key_index,
            time.time() if not companion.paired_at else companion.paired_at,
        )
        self._cache.pop(companion.number, None)

    def remove(self, companion: Companion) -> None:
        """Deletes the device with its credentials, prekeys and queued stanzas."""
        for table in ("companions", "prekeys", "queue"):
            self._store.execute(
                f"DELETE FROM {table} WHERE number = ? AND device = ?",  # noqa: S608
                *companion.key,
            )
        self._cache.pop(companion.number, None)

    def logged_in(self, companion: Companion, version: str) -> None:
        """Counts a login, and keeps the WhatsApp version that was announced with it."""
        self._change(companion, "logins = logins + 1, version = ?", version)

    def show_name(self, companion: Companion, name: str) -> None:
        """Stores the name that others see from now on."""
        if name != companion.shown_name:
            self._change(companion, "shown_name = ?", name)

    def upload(self, companion: Companion, keys: dict[int, bytes]) -> None:
        """Stores one-time prekeys; an id that comes again replaces its key."""
        for key_id, public in keys.items():
            self._store.execute(
                "INSERT OR REPLACE INTO prekeys (number, device, id, public) VALUES (?, ?, ?, ?)",
                *companion.key,
                key_id,
                public,
            )
        self._change(companion, "uploaded = 1")

    def rotate(self, companion: Companion, key_id: int, public: bytes, signature: bytes) -> None:
        """Replaces the signed prekey; the caller verified the signature."""
        self._change(
            companion, "skey_id = ?, skey = ?, skey_signature = ?", key_id, public, signature
        )

    def prekey_count(self, companion: Companion) -> int:
        """Returns the number of one-time prekeys that the companion has at the server."""
        return self._store.number(
            "SELECT count(*) FROM prekeys WHERE number = ? AND device = ?", *companion.key
        )

    def take_bundle(self, companion: Companion) -> Bundle:
        """Returns the bundle with one prekey, which is used up, or without one when none is left."""
        taken = self._store.row(
            "DELETE FROM prekeys WHERE (number, device, id) IN (SELECT number, device, id"
            " FROM prekeys WHERE number = ? AND device = ? ORDER BY id LIMIT 1)"
            " RETURNING id, public",
            *companion.key,
        )
        return Bundle(
            companion.registration,
            companion.identity,
            companion.skey_id,
            companion.skey,
            companion.skey_signature,
            None if taken is None else taken["id"],
            None if taken is None else bytes(taken["public"]),
        )

    def trim_prekeys(self, companion: Companion, kept: int) -> None:
        """Deletes all one-time prekeys but the `kept` newest."""
        self._store.execute(
            "DELETE FROM prekeys WHERE number = ?1 AND device = ?2 AND id NOT IN (SELECT id FROM"
            " prekeys WHERE number = ?1 AND device = ?2 ORDER BY id DESC LIMIT ?3)",
            *companion.key,
            kept,
        )

    def digest(self, companion: Companion) -> tuple[list[int], bytes]:
        """The ids of the prekeys left, and the hash over the whole bundle.

        SHA-1 over identity, signed prekey, its signature, and each prekey in the order of the
        ids, all raw (whatsapp-rust `prekeys.rs`, after WhatsApp Web's digest job).
        """
        rows = self._store.rows(
            "SELECT id, public FROM prekeys WHERE number = ? AND device = ? ORDER BY id",
            *companion.key,
        )
        material = companion.identity + companion.skey + companion.skey_signature
        material += b"".join(bytes(row["public"]) for row in rows)
        digest = hashlib.sha1(material, usedforsecurity=False).digest()
        return [row["id"] for row in rows], digest

    def _change(self, companion: Companion, assignment: str, *values: Any) -> None:
        self._store.execute(
            f"UPDATE companions SET {assignment} WHERE number = ? AND device = ?",  # noqa: S608
            *values,
            *companion.key,
        )
        self._cache.pop(companion.number, None)


def _companion(row: Any) -> Companion:
    return Companion(
        number=row["number"],
        device=row["device"],
        noise=bytes(row["noise"]),
        identity=bytes(row["identity"]),
        registration=row["registration"],
        skey_id=row["skey_id"],
        skey=bytes(row["skey"]),
        skey_signature=bytes(row["skey_signature"]),
        adv=bytes(row["adv"]),
        key_index=row["key_index"],
        paired_at=row["paired_at"],
        logins=row["logins"],
        uploaded=bool(row["uploaded"]),
        version=row["version"],
        shown_name=row["shown_name"],
    )
