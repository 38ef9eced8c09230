"""A peer that builds up state at a device, and forges; and the cost of reading, by count."""

from __future__ import annotations

import hmac
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from doubleratchet.recommended import diffie_hellman_ratchet_curve25519
from doubleratchet.recommended.crypto_provider_impl import CryptoProviderImpl

from actors.connection.native.signal import ratchet, signal_messages
from actors.connection.native.signal.device_sessions import new_key_pair
from actors.connection.native.signal.signal_messages import PrekeyMessage

if TYPE_CHECKING:
    import pytest
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    from actors.connection.session.session import Session
    from tests.unit.actors.connection.native.signal_devices import Device, Sent


class Cost:
    """Work of a device since `clear`: bytes read of its file, HMACs, X25519 agreements."""

    def __init__(self, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clear()
        rows, digest = session.rows, hmac.digest
        calculate = CryptoProviderImpl.hmac_calculate

        def read(*arguments: Any) -> list[Any]:
            found = rows(*arguments)
            self.bytes_read += sum(
                len(value) for row in found for value in row if isinstance(value, (str, bytes))
            )
            return found

        def note() -> None:
            self.hmacs += 1
            self.within += session.in_transaction

        def counted_digest(*arguments: Any) -> bytes:
            note()
            return digest(*arguments)

        async def counted_calculate(*arguments: Any) -> bytes:
            note()
            return await calculate(*arguments)

        monkeypatch.setattr(session, "rows", read)
        monkeypatch.setattr(hmac, "digest", counted_digest)
        monkeypatch.setattr(CryptoProviderImpl, "hmac_calculate", staticmethod(counted_calculate))
        keys = SimpleNamespace(
            from_private_bytes=lambda raw: _CountedKey(
                X25519PrivateKey.from_private_bytes(raw), self
            ),
            generate=X25519PrivateKey.generate,
        )
        for module in (ratchet, diffie_hellman_ratchet_curve25519):
            monkeypatch.setattr(module, "X25519PrivateKey", keys)

    def clear(self) -> None:
        self.bytes_read = self.hmacs = self.agreements = 0
        self.within = 0
        """HMACs inside a transaction."""


class _CountedKey:
    """A private key whose agreements are counted."""

    def __init__(self, key: X25519PrivateKey, cost: Cost) -> None:
        self._key, self._cost = key, cost
        self.public_key = key.public_key

    def exchange(self, public: X25519PublicKey) -> bytes:
        self._cost.agreements += 1
        return self._key.exchange(public)


async def jump(device: Device, count: int) -> None:
    """Pass over so many messages: none of them is ever made."""
    stored = device.session.keys.current_ratchet(device.peer)
    assert stored is not None
    state = json.loads(stored.state)
    chain = _sending_chain(state)
    key = chain["key"].encode("latin-1")
    for _ in range(count):
        key = hmac.digest(key, b"\x02", "sha256")
    chain["key"], chain["length"] = key.decode("latin-1"), chain["length"] + count
    async with device.session.transaction():
        device.session.write(
            "UPDATE ratchets SET state = ? WHERE id = ?",
            (json.dumps(state, ensure_ascii=False), stored.id),
        )


def _sending_chain(state: Any) -> dict[str, Any]:
    """The chain, wherever in the state it is."""
    if isinstance(state, dict):
        if isinstance(found := state.get("sending_chain"), dict):
            return found
        for value in state.values():
            if found := _sending_chain(value):
                return found
    return {}


async def fill(peer: Device, device: Device, *, sessions: int, skipped: int) -> None:
    """Set up sessions with the device, each answered, and with keys that it keeps in each."""
    for _ in range(sessions):
        await peer.establish(await device.bundle(prekey=False))
        await device.decrypt(await peer.encrypt(b"first"))
        await peer.decrypt(await device.encrypt(b"answer"))
        for left in range(skipped, 0, -400):
            await jump(peer, min(left, 400))
            await device.decrypt(await peer.encrypt(b"later"))
        # A session on which the device has sent since is one on which the peer may begin a next chain.
        await device.encrypt(b"answer")


def forged(counter: int, *, key: bytes | None = None, previous: int = 0, size: int = 16) -> Sent:
    """A message under a ratchet key that the peer never used, with `size` bytes and a MAC of zeros."""
    head = signal_messages.header(key or new_key_pair()[1], counter, previous)
    return "msg", signal_messages.unsigned_message(head, bytes(size)) + bytes(8)


def forged_first(device: Device, counter: int = 0, *, size: int = 16) -> Sent:
    """A first message under the device's keys, but for its MAC."""
    own = device.session.credentials.read()
    assert own is not None
    signed, inner = own.signed_prekey.id, forged(counter, size=size)[1]
    return "pkmsg", PrekeyMessage(
        1, None, signed, new_key_pair()[1], new_key_pair()[1], inner
    ).encode()
