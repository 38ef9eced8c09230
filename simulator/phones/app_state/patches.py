"""Encrypts app state patches and computes MACs: the server can neither read nor forge the changed settings.

After whatsmeow `appstate/encode.go` (EncodePatch), `appstate/hash.go` and `appstate/lthash`: a record is the
HMAC of its index and its value, encrypted and with a MAC; a patch carries a MAC of the collection's LTHash
after it, and one of itself. The library has the reverse (`decode_patch`).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from simulator.wire.proto_schema import SyncActionData
from simulator.wire.protocol_library import (
    HashState,
    SyncdMutation,
    SyncdPatch,
    expand_app_state_keys,
    generate_content_mac,
    subtract_then_add,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulator.wire.protocol_library import AppStateSyncKey

SET_OPERATION: Final = 0
REMOVE: Final = 1
_MAC: Final = 32
_BLOCK: Final = 128


@dataclass(frozen=True)
class SettingChange:
    """A setting that is set or removed; `value` is a SyncActionValue, `version` its schema's."""

    index: tuple[str, ...]
    value: Any
    version: int
    key: AppStateSyncKey
    operation: int = SET_OPERATION


def index_text(index: Sequence[str]) -> str:
    """Returns the JSON by which a setting is named."""
    return json.dumps(list(index), separators=(",", ":"), ensure_ascii=False)


def sealed_mutation(change: SettingChange) -> Any:
    """Encrypts a change: IV, ciphertext and MAC over both, named by the HMAC of its index."""
    keys, index = expand_app_state_keys(change.key.key_data), index_text(change.index).encode()
    plaintext = SyncActionData(
        index=index, value=change.value, padding=b"", version=change.version
    ).SerializeToString()
    padder, iv = padding.PKCS7(_BLOCK).padder(), secrets.token_bytes(16)
    encryptor = Cipher(algorithms.AES(keys.value_encryption), modes.CBC(iv)).encryptor()
    padded = padder.update(plaintext) + padder.finalize()
    content = iv + encryptor.update(padded) + encryptor.finalize()
    mac = generate_content_mac(
        operation=change.operation,
        data=content,
        key_id=change.key.key_id,
        value_mac_key=keys.value_mac,
    )
    mutation = SyncdMutation(operation=change.operation)
    mutation.record.index.blob = hmac.digest(keys.index, index, hashlib.sha256)
    mutation.record.value.blob = content + mac
    mutation.record.key_id.id = change.key.key_id
    return mutation


def sealed_patch(
    collection: str,
    before: HashState,
    key: AppStateSyncKey,
    changes: Sequence[SettingChange],
    value_mac_of: Callable[[bytes], bytes | None],
) -> Any:
    """Seals changes as the patch that follows `before`; each of them is of another index.

    `value_mac_of` returns the MAC of the value that an index has by now, None where it has none.
    """
    patch = SyncdPatch(mutations=[sealed_mutation(change) for change in changes])
    replaced = [value_mac_of(mutation.record.index.blob) for mutation in patch.mutations]
    macs = [value_mac(mutation.record) for mutation in patch.mutations]
    after = subtract_then_add(
        before.hash,
        removed=[mac for mac in replaced if mac is not None],
        added=[
            mac
            for mac, change in zip(macs, changes, strict=True)
            if change.operation == SET_OPERATION
        ],
    )
    sign(patch, collection, HashState(before.version + 1, after), key)
    return patch


def sign(patch: Any, collection: str, after: HashState, key: AppStateSyncKey) -> None:
    """Writes a patch's version and MACs: of the collection's LTHash after it, and of itself."""
    keys = expand_app_state_keys(key.key_data)
    end = after.version.to_bytes(8, "big") + collection.encode()
    macs = [value_mac(mutation.record) for mutation in patch.mutations]
    patch.version.version = after.version
    patch.key_id.id = key.key_id
    patch.snapshot_mac = hmac.digest(keys.snapshot_mac, after.hash + end, hashlib.sha256)
    patch.patch_mac = hmac.digest(
        keys.patch_mac, b"".join([patch.snapshot_mac, *macs, end]), hashlib.sha256
    )


def value_mac(record: Any) -> bytes:
    """Returns the MAC at the end of a record's value, which the LTHash sums up."""
    return bytes(record.value.blob[-_MAC:])
