"""Stores in SQLite the app state sync keys of a simulated account's phone and companions, unknown to the server.

After whatsmeow `message.go` (handleAppStateSyncKeyShare) and `appstate/keys.go`: the newest key seals, older
ones open what they sealed. A phone shares them in a peer message.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, Final

from simulator.wire.proto_schema import Message
from simulator.wire.protocol_library import AppStateSyncKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.contacts.people import People
    from simulator.store import Store

_SHARE: Final = 6
"""Type of the protocol message with keys (WAWebProtobufsE2E)."""
_PHONE: Final = bytes(2)
"""First part of a key's id: the device that made the key. The second is a number that grows."""


class SyncKeys:
    """Keys of all accounts. Every method runs inside its caller's transaction."""

    def __init__(self, store: Store, people: People) -> None:
        self._store = store
        self._people = people

    def of(self, number: str) -> list[AppStateSyncKey]:
        """Returns the account's keys, oldest first."""
        rows = self._store.rows(
            "SELECT * FROM app_state_keys WHERE number = ? ORDER BY seq", number
        )
        return [self._key(number, row) for row in rows]

    def get(self, number: str, key_id: bytes) -> AppStateSyncKey | None:
        """Returns the account's key of that id, None where there is none."""
        row = self._store.row(
            "SELECT * FROM app_state_keys WHERE number = ? AND id = ?", number, key_id
        )
        return None if row is None else self._key(number, row)

    def newest(self, number: str) -> AppStateSyncKey:
        """Returns the key that seals from now on; the first one is made at first need."""
        keys = self.of(number)
        return keys[-1] if keys else self.renew(number)

    def renew(self, number: str) -> AppStateSyncKey:
        """Creates another key, which seals from now on. The companions do not have it yet."""
        keys = self.of(number)
        made = int(time.time() * 1000)
        if keys:
            made = max(made, keys[-1].timestamp + 1)  # clients take the latest for the newest
        self._store.execute(
            "INSERT INTO app_state_keys (number, id, key, at) VALUES (?, ?, ?, ?)",
            number,
            _PHONE + (len(keys) + 1).to_bytes(4, "big"),
            secrets.token_bytes(32),
            made,
        )
        return self.of(number)[-1]

    def _key(self, number: str, row: Any) -> AppStateSyncKey:
        share = Message().protocol_message.app_state_sync_key_share
        fingerprint = share.keys.add().key_data.fingerprint
        fingerprint.raw_id = self._people.named(number).raw_id
        fingerprint.current_index = 0
        fingerprint.device_indexes.append(0)
        return AppStateSyncKey(
            key_id=bytes(row["id"]),
            key_data=bytes(row["key"]),
            fingerprint=fingerprint.SerializeToString(),
            timestamp=row["at"],
        )


def shared(keys: Iterable[AppStateSyncKey]) -> Any:
    """Returns the message by which a phone shares keys with a companion."""
    message = Message()
    message.protocol_message.type = _SHARE
    for key in keys:
        part = message.protocol_message.app_state_sync_key_share.keys.add()
        part.key_id.key_id = key.key_id
        part.key_data.key_data = key.key_data
        part.key_data.timestamp = key.timestamp
        part.key_data.fingerprint.MergeFromString(key.fingerprint)
    return message
