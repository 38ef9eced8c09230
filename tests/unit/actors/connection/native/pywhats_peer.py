"""A Signal device on pywhats, as a process: one JSON line a command, one an answer.

It shares no code with the engine: not the ratchet, not X3DH, not XEdDSA, not the protobuf coding.
"""

from __future__ import annotations

import copy
import json
import sys
import warnings
from dataclasses import dataclass, field
from typing import Any

warnings.simplefilter("ignore")

from pywhats.signal.experimental.keys import (  # noqa: E402 - its import warns
    IdentityKeyPair,
    PreKeyBundle,
    SignedPreKey,
    generate_pre_key,
)
from pywhats.signal.experimental.ratchet import (  # noqa: E402
    ratchet_decrypt,
    ratchet_encrypt,
    ratchet_init_alice,
    ratchet_init_bob,
)
from pywhats.signal.experimental.sender_key import (  # noqa: E402
    build_distribution_message,
    create_sender_key_state,
    group_decrypt,
    group_encrypt,
    process_distribution_message,
)
from pywhats.signal.experimental.types import PreKeySignalMessage, SignalMessage  # noqa: E402
from pywhats.signal.experimental.x3dh import x3dh_initiator, x3dh_responder  # noqa: E402


@dataclass
class PeerSession:
    state: Any
    identity: bytes
    base_key: bytes
    pending: tuple[int | None, int] | None = None


@dataclass
class Peer:
    identity: Any = field(default_factory=IdentityKeyPair.generate)
    prekeys: dict[int, Any] = field(default_factory=dict)
    sessions: list[PeerSession] = field(default_factory=list)

    own_key: Any = None
    their_key: Any = None

    def __post_init__(self) -> None:
        self.signed = SignedPreKey.generate(self.identity, 7)

    def bundle(self, *, prekey: bool = True) -> dict[str, Any]:
        out: dict[str, Any] = {
            "registration_id": 4711,
            "identity_key": self.identity.public.hex(),
            "signed_prekey_id": self.signed.key_id,
            "signed_prekey": self.signed.public.hex(),
            "signed_prekey_signature": self.signed.signature.hex(),
        }
        if prekey:
            key = generate_pre_key(len(self.prekeys) + 1)
            self.prekeys[key.key_id] = key
            out |= {"prekey_id": key.key_id, "prekey": key.public.hex()}
        return out

    def establish(self, bundle: dict[str, Any]) -> None:
        theirs = PreKeyBundle(
            bytes.fromhex(bundle["identity_key"]),
            bundle["signed_prekey_id"],
            bytes.fromhex(bundle["signed_prekey"]),
            bytes.fromhex(bundle["signed_prekey_signature"]),
            bundle.get("prekey_id"),
            bytes.fromhex(bundle["prekey"]) if "prekey" in bundle else None,
        )
        agreed = x3dh_initiator(self.identity, theirs)
        self.sessions.insert(
            0,
            PeerSession(
                ratchet_init_alice(agreed.shared_secret, theirs.signed_pre_key_public),
                theirs.identity_key,
                agreed.ephemeral_public,
                (agreed.used_one_time_pre_key_id, agreed.used_signed_pre_key_id),
            ),
        )

    def encrypt(self, plaintext: str, session: int = 0) -> dict[str, str]:
        chosen = self.sessions[session]
        header, ciphertext, mac_key = ratchet_encrypt(chosen.state, bytes.fromhex(plaintext), b"")
        message = SignalMessage(header=header, ciphertext=ciphertext)
        ends = (self.identity.public, chosen.identity, mac_key)
        if chosen.pending is None:
            return {"kind": "msg", "data": message.encode(*ends).hex()}
        prekey_id, signed_id = chosen.pending
        first = PreKeySignalMessage(
            4711, prekey_id, signed_id, chosen.base_key, self.identity.public, message
        )
        return {"kind": "pkmsg", "data": first.encode(*ends).hex()}

    def decrypt(self, kind: str, data: str) -> dict[str, Any]:
        raw = bytes.fromhex(data)
        if kind == "pkmsg":
            first = PreKeySignalMessage.decode(raw)
            message = first.message
            if not any(one.base_key == first.base_key for one in self.sessions):
                used = first.one_time_pre_key_id
                agreed = x3dh_responder(
                    self.identity,
                    self.signed,
                    None if used is None else self.prekeys.pop(used),
                    first.identity_key,
                    first.base_key,
                )
                state = ratchet_init_bob(
                    agreed.shared_secret, self.signed.private, self.signed.public
                )
                self.sessions.insert(0, PeerSession(state, first.identity_key, first.base_key))
        else:
            message = SignalMessage.decode(raw)
        failures = []
        for position, one in enumerate(self.sessions):
            trial = copy.deepcopy(one.state)
            try:
                plaintext = ratchet_decrypt(
                    trial,
                    message.header,
                    message.ciphertext,
                    b"",
                    verify_mac=lambda key, one=one: message.verify_mac(
                        one.identity, self.identity.public, key
                    ),
                )
            except Exception as error:  # noqa: BLE001 - whatever it is, it did not decrypt
                failures.append(repr(error))
                continue
            one.state, one.pending = trial, None
            self.sessions.insert(0, self.sessions.pop(position))
            return {"plaintext": plaintext.hex(), "session": position}
        return {"refused": failures}

    def make_key(self, key_id: int) -> dict[str, str]:
        self.own_key = create_sender_key_state(key_id)
        return {"handed": build_distribution_message(self.own_key).hex()}

    def group_encrypt(self, plaintext: str) -> dict[str, str]:
        message, self.own_key = group_encrypt(self.own_key, bytes.fromhex(plaintext))
        return {"data": message.hex()}

    def take_key(self, handed: str) -> dict[str, int]:
        self.their_key = process_distribution_message(bytes.fromhex(handed))
        return {"key_id": self.their_key.key_id}

    def group_decrypt(self, data: str) -> dict[str, str]:
        plaintext, self.their_key = group_decrypt(self.their_key, bytes.fromhex(data))
        return {"plaintext": plaintext.hex()}


def main() -> None:
    peer = Peer()
    for line in sys.stdin:
        command = json.loads(line)
        answer = getattr(peer, command.pop("do"))(**command)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
