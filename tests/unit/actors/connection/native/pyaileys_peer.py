"""A Signal device on pyaileys, as a process: one JSON line a command, one an answer.

It follows libsignal's own structure where pywhats follows the specification: the previous counter
is the last message's, signatures carry a sign bit, and old receiving chains are kept whole.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from pyaileys.auth.state import AuthenticationState
from pyaileys.auth.utils import init_auth_creds
from pyaileys.crypto.curve import DefaultCurve25519Provider
from pyaileys.signal.repository import PreKeyBundle, PreKeyBundleKey, SignalRepository

if TYPE_CHECKING:
    from collections.abc import Mapping

US = "15550100001@s.whatsapp.net"
TYPE = b"\x05"


class MemoryKeys:
    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = defaultdict(dict)

    async def get(self, key_type: str, ids: list[str]) -> dict[str, Any]:
        return {one: self.kept[key_type].get(one) for one in ids}

    async def set(self, data: Mapping[str, Mapping[str, Any]]) -> None:
        for key_type, values in data.items():
            self.kept[key_type].update(values)

    async def clear(self) -> None:
        self.kept.clear()


class Peer:
    def __init__(self) -> None:
        self.keys = MemoryKeys()
        self.creds = init_auth_creds()
        self.signal = SignalRepository(AuthenticationState(creds=self.creds, keys=self.keys))
        self.next_prekey = 1

    async def bundle(self, *, prekey: bool = True) -> dict[str, Any]:
        signed = self.creds.signed_pre_key
        out: dict[str, Any] = {
            "registration_id": self.creds.registration_id,
            "identity_key": self.creds.signed_identity_key.public.hex(),
            "signed_prekey_id": signed.key_id,
            "signed_prekey": signed.key_pair.public.hex(),
            "signed_prekey_signature": signed.signature.hex(),
        }
        if prekey:
            pair = DefaultCurve25519Provider().generate_keypair()
            name = self.next_prekey
            self.next_prekey += 1
            await self.keys.set(
                {"pre-key": {str(name): {"public": pair.public, "private": pair.private}}}
            )
            out |= {"prekey_id": name, "prekey": pair.public.hex()}
        return out

    async def establish(self, bundle: dict[str, Any]) -> None:
        signed = PreKeyBundleKey(
            bundle["signed_prekey_id"],
            TYPE + bytes.fromhex(bundle["signed_prekey"]),
            bytes.fromhex(bundle["signed_prekey_signature"]),
        )
        prekey = None
        if "prekey" in bundle:
            prekey = PreKeyBundleKey(bundle["prekey_id"], TYPE + bytes.fromhex(bundle["prekey"]))
        identity = TYPE + bytes.fromhex(bundle["identity_key"])
        await self.signal.inject_outgoing_session(US, PreKeyBundle(1, identity, signed, prekey))

    async def encrypt(self, plaintext: str, session: int = 0) -> dict[str, str]:
        assert session == 0, "it keeps one session"
        kind, data = await self.signal.encrypt_message(US, data=bytes.fromhex(plaintext))
        return {"kind": kind, "data": data.hex()}

    async def decrypt(self, kind: str, data: str) -> dict[str, Any]:
        try:
            plaintext = await self.signal.decrypt_message(
                US, message_type=kind, ciphertext=bytes.fromhex(data)
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it did not decrypt
            return {"refused": repr(error)}
        return {"plaintext": plaintext.hex()}


async def main() -> None:
    peer = Peer()
    for line in sys.stdin:
        command = json.loads(line)
        answer = await getattr(peer, command.pop("do"))(**command)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
