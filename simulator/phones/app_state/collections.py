"""Verifies app state collections and stores them in SQLite: versions, LTHash, patches, records and snapshots.

Each patch is verified as a phone does it (whatsmeow `appstate/decode.go`, whatsapp-rust
`wacore/appstate/src/processor.rs`), also those that the phone sealed itself. WhatsApp's server cannot verify
any; this one refuses patches that no device would apply.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError

from simulator.phones.app_state.patches import REMOVE, index_text, value_mac
from simulator.wire.protocol_library import (
    AppStateError,
    AppStateSyncKey,
    HashState,
    SyncdPatch,
    SyncdRecord,
    SyncdSnapshot,
    decode_patch,
)

if TYPE_CHECKING:
    from simulator.phones.app_state.sync_keys import SyncKeys
    from simulator.store import Store

COLLECTION_NAMES: Final = (
    "critical_block",
    "critical_unblock_low",
    "regular_low",
    "regular_high",
    "regular",
)


SNAPSHOT_EVERY: Final = 10
"""Versions from one snapshot of a collection to the next; the interval of WhatsApp is unknown."""


class PatchError(Exception):
    """A patch that cannot be verified. `code` is the reason, in a word."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class SettingRecord:
    """The current value of a setting: encrypted for the server, decrypted for the phone."""

    index: tuple[str, ...]
    action: bytes
    """The SyncActionValue."""
    sealed: Any
    version: int
    """Version of the collection that set it."""


@dataclass(frozen=True)
class _KeyStore:
    """The sync keys of one account, behind the library's interface."""

    keys: SyncKeys
    number: str

    def get(self, key_id: bytes) -> AppStateSyncKey | None:
        return self.keys.get(self.number, key_id)

    def put(self, key: AppStateSyncKey) -> None:
        """Never called: the library stores no key while it verifies."""
        raise AssertionError(key.key_id)


class Collections:
    """All accounts' collections. Every method runs inside its caller's transaction."""

    def __init__(self, store: Store, keys: SyncKeys) -> None:
        self._store = store
        self._keys = keys

    def state(self, number: str, name: str) -> HashState:
        """Returns version and LTHash of a collection; version 0 while nothing is in it."""
        row = self._store.row(
            "SELECT version, hash FROM app_state_patches WHERE number = ? AND collection = ?"
            " ORDER BY version DESC LIMIT 1",
            number,
            name,
        )
        return HashState() if row is None else HashState(row["version"], bytes(row["hash"]))

    def apply(self, number: str, name: str, patch: Any, *, sent: Any = None) -> list[Any]:
        """Stores a patch that follows the newest one; returns its changes, decrypted.

        `sent` is the patch for companions, where it differs. Raises PatchError, and then changes nothing.
        """
        before = self.state(number, name)
        try:
            indexes = {
                (mutation.operation, mutation.record.index.blob) for mutation in patch.mutations
            }
            if not 0 < len(patch.mutations) == len(indexes):
                raise PatchError("repeated-index" if indexes else "empty")
            result = decode_patch(
                patch,
                _KeyStore(self._keys, number),
                name,
                before,
                get_prev_value_mac=lambda index: self.value_mac_of(number, name, index),
            )
        except (AppStateError, DecodeError, ValueError) as error:
            raise PatchError(type(error).__name__) from error
        if not all(_names(mutation.index) for mutation in result.mutations):
            raise PatchError("malformed-index")
        self._store.execute(
            "INSERT INTO app_state_patches (number, collection, version, patch, hash)"
            " VALUES (?, ?, ?, ?, ?)",
            number,
            name,
            result.state.version,
            (sent or patch).SerializeToString(),
            result.state.hash,
        )
        for mutation, sealed in zip(result.mutations, patch.mutations, strict=True):
            self._put(number, name, mutation, sealed.record, result.state.version)
        if not result.state.version % SNAPSHOT_EVERY:
            self._take_snapshot(number, name, patch)
        return result.mutations

    def _put(self, number: str, name: str, mutation: Any, sealed: Any, version: int) -> None:
        if mutation.operation == REMOVE:
            self._store.execute(
                "DELETE FROM app_state_records"
                " WHERE number = ? AND collection = ? AND index_mac = ?",
                number,
                name,
                mutation.index_mac,
            )
            return
        self._store.execute(
            "INSERT OR REPLACE INTO app_state_records"
            " (number, collection, index_mac, version, sealed, name, action)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            number,
            name,
            mutation.index_mac,
            version,
            sealed.SerializeToString(),
            index_text(mutation.index),
            mutation.action.SerializeToString(),
        )

    def since(self, number: str, name: str, version: int, limit: int) -> list[Any]:
        """Returns at most `limit` patches after a version, oldest first."""
        rows = self._store.rows(
            "SELECT patch FROM app_state_patches WHERE number = ? AND collection = ?"
            " AND version > ? ORDER BY version LIMIT ?",
            number,
            name,
            version,
            limit,
        )
        return [SyncdPatch.FromString(row["patch"]) for row in rows]

    def _take_snapshot(self, number: str, name: str, patch: Any) -> None:
        """Puts all records in one SyncdSnapshot; its MAC, of the same LTHash, is the newest patch's."""
        snapshot = SyncdSnapshot(version=patch.version, mac=patch.snapshot_mac, key_id=patch.key_id)
        snapshot.records.extend(record.sealed for record in self.records(number, name))
        self._store.execute(
            "INSERT OR REPLACE INTO app_state_snapshots (number, collection, snapshot)"
            " VALUES (?, ?, ?)",
            number,
            name,
            snapshot.SerializeToString(),
        )

    def snapshot(self, number: str, name: str) -> Any:
        """Returns the newest SyncdSnapshot; None while the collection is too young for one."""
        row = self._store.row(
            "SELECT snapshot FROM app_state_snapshots WHERE number = ? AND collection = ?",
            number,
            name,
        )
        return None if row is None else SyncdSnapshot.FromString(row["snapshot"])

    def records(self, number: str, name: str) -> list[SettingRecord]:
        """Returns the settings of a collection, in the order in which they were set."""
        rows = self._store.rows(
            "SELECT * FROM app_state_records WHERE number = ? AND collection = ?"
            " ORDER BY version, index_mac",
            number,
            name,
        )
        return [_record(row) for row in rows]

    def named(self, number: str, name: str, index: tuple[str, ...]) -> list[SettingRecord]:
        """Returns the records of one index: one for each key that it was set under."""
        rows = self._store.rows(
            "SELECT * FROM app_state_records WHERE number = ? AND collection = ? AND name = ?"
            " ORDER BY version",
            number,
            name,
            index_text(index),
        )
        return [_record(row) for row in rows]

    def value_mac_of(self, number: str, name: str, index_mac: bytes) -> bytes | None:
        """Returns the MAC of the value that a sealed index has, None where it has none."""
        row = self._store.row(
            "SELECT sealed FROM app_state_records"
            " WHERE number = ? AND collection = ? AND index_mac = ?",
            number,
            name,
            index_mac,
        )
        return None if row is None else value_mac(SyncdRecord.FromString(row["sealed"]))


def _names(index: Any) -> bool:
    """Returns whether the JSON of an index is a list of texts."""
    return isinstance(index, list) and index != [] and all(isinstance(one, str) for one in index)


def _record(row: Any) -> SettingRecord:
    sealed = SyncdRecord.FromString(row["sealed"])
    return SettingRecord(
        tuple(json.loads(row["name"])), bytes(row["action"]), sealed, row["version"]
    )
