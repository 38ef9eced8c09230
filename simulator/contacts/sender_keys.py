"""Stores sender keys of simulated devices in SQLite, and encrypts and decrypts their group messages."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any, Final

from simulator.contacts.signal_endpoints import UndecryptableError
from simulator.wire.protocol_library import (
    SenderKeyMessageBody,
    build_distribution_message,
    create_sender_key_state,
    deserialize_sender_key_state,
    group_decrypt,
    group_encrypt,
    pad,
    process_distribution_message,
    serialize_sender_key_state,
    unpad,
)

if TYPE_CHECKING:
    from simulator.contacts.signal_endpoints import SignalEndpoint
    from simulator.server.companions import DeviceKey
    from simulator.server.groups.group import Group
    from simulator.store import Store

# As many of one sender's keys as libsignal keeps.
_KEPT: Final = 5
_SIGNATURE: Final = 64


class SenderKeys:
    """The own sender key of each device in a group, and the keys that others distributed to it.

    A chain's step commits with the transaction that used it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def encrypt(
        self, group: Group, endpoint: SignalEndpoint, plaintext: bytes
    ) -> tuple[bytes, bytes]:
        """The distribution message for a device that lacks the key, and the ciphertext for all."""
        states = self._states(group, endpoint, _own(endpoint))
        state = states[0] if states else create_sender_key_state(secrets.randbelow(1 << 31))
        handed_over = build_distribution_message(state)
        sealed, after = group_encrypt(state, pad(plaintext))
        self._save(group, endpoint, _own(endpoint), [after])
        return handed_over, sealed

    def handed_over(self, group: Group, endpoint: SignalEndpoint) -> bytes:
        """Returns a distribution message with the current key, for a device that could not decrypt."""
        states = self._states(group, endpoint, _own(endpoint))
        return build_distribution_message(states[0]) if states else b""

    def store(
        self, group: Group, endpoint: SignalEndpoint, sender: DeviceKey, handed_over: bytes
    ) -> None:
        """Stores a key that another device distributed. Raises UndecryptableError."""
        try:
            state = process_distribution_message(handed_over)
        except Exception as error:
            raise UndecryptableError("malformed") from error
        states = self._states(group, endpoint, sender)
        if any(one.key_id == state.key_id and one.iteration >= state.iteration for one in states):
            # The same key again, at an earlier step or at the next one.
            return
        others = [one for one in states if one.key_id != state.key_id]
        self._save(group, endpoint, sender, [state, *others][:_KEPT])

    def decrypt(
        self, group: Group, endpoint: SignalEndpoint, sender: DeviceKey, sealed: bytes
    ) -> bytes:
        """Raises UndecryptableError, and then nothing has changed."""
        states = self._states(group, endpoint, sender)
        try:
            key_id = SenderKeyMessageBody.FromString(sealed[1:-_SIGNATURE]).id
        except Exception as error:
            raise UndecryptableError("malformed") from error
        state = next((one for one in states if one.key_id == key_id), None)
        if state is None:
            raise UndecryptableError("no-sender-key")
        try:
            padded, after = group_decrypt(state, sealed)
            plaintext = unpad(padded)
        except Exception as error:
            raise UndecryptableError("bad-mac") from error
        self._save(group, endpoint, sender, [after if one is state else one for one in states])
        return plaintext

    def shared(self, group: Group, endpoint: SignalEndpoint, peer: DeviceKey) -> bool:
        """Whether a device has the endpoint's key; from now on it counts as having it."""
        return (
            self._store.execute(
                "INSERT OR IGNORE INTO sender_keys_shared"
                " (group_id, number, device, peer, peer_device) VALUES (?, ?, ?, ?, ?)",
                group.id,
                *_own(endpoint),
                *peer,
            ).rowcount
            == 0
        )

    def renew(self, group: Group) -> None:
        """Deletes the own keys of all simulated devices, so that former members cannot decrypt later messages."""
        self._store.execute(
            "DELETE FROM sender_keys WHERE group_id = ? AND number = peer AND device = peer_device",
            group.id,
        )
        self._store.execute("DELETE FROM sender_keys_shared WHERE group_id = ?", group.id)

    def _states(self, group: Group, endpoint: SignalEndpoint, sender: DeviceKey) -> list[Any]:
        row = self._store.row(
            "SELECT states FROM sender_keys WHERE group_id = ? AND number = ? AND device = ?"
            " AND peer = ? AND peer_device = ?",
            group.id,
            *_own(endpoint),
            *sender,
        )
        kept = [] if row is None else json.loads(row["states"])
        return [deserialize_sender_key_state(one) for one in kept]

    def _save(
        self, group: Group, endpoint: SignalEndpoint, sender: DeviceKey, states: list[Any]
    ) -> None:
        self._store.execute(
            "INSERT OR REPLACE INTO sender_keys (group_id, number, device, peer, peer_device,"
            " states) VALUES (?, ?, ?, ?, ?, ?)",
            group.id,
            *_own(endpoint),
            *sender,
            json.dumps([serialize_sender_key_state(one) for one in states]),
        )


def _own(endpoint: SignalEndpoint) -> DeviceKey:
    return endpoint.number, endpoint.device
