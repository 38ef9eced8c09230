"""A client's half of linking by a code, written from the protocol for these tests."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from simulator.wire.protocol_library import JID, Node, bytes_of
from tests.unit.simulator.noise_client import agree

if TYPE_CHECKING:
    from tests.unit.simulator.device import Device

CODE = "ABCD1234"
REG = "link_code_companion_reg"
WRAPPED = "link_code_pairing_wrapped_companion_ephemeral_pub"
BUNDLE = "link_code_pairing_wrapped_key_bundle"


def under(code: str, salt: bytes, counter: bytes, key: bytes) -> bytes:
    secret = hashlib.pbkdf2_hmac("sha256", code.encode(), salt, 2 << 16, 32)
    return Cipher(algorithms.AES(secret), modes.CTR(counter)).encryptor().update(key)


def derived(secret: bytes, salt: bytes, label: str) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt, label.encode()).derive(secret)


@dataclass
class CodeClient:
    """Asks for a code under a number, and answers the phone that it is typed on."""

    device: Device
    number: str
    ref: bytes = b""

    async def ask(self, **changed: Any) -> Any:
        """Registers, and asks for a code; the answer. `changed` is other content by its tag.

        Or `jid`, or `stage`; a tag without content is left out.
        """
        if not hasattr(self.device, "socket"):
            await self.device.register()
        self.ephemeral = X25519PrivateKey.generate()
        salt, counter = secrets.token_bytes(32), secrets.token_bytes(16)
        public = self.ephemeral.public_key().public_bytes_raw()
        content: dict[str, Any] = {
            WRAPPED: salt + counter + under(CODE, salt, counter, public),
            "companion_server_auth_key_pub": self.device.noise.public_key().public_bytes_raw(),
            "companion_platform_id": "1",
            "companion_platform_display": "Chrome (Linux)",
            "link_code_pairing_nonce": b"\0",
        }
        attrs = {
            "jid": changed.pop("jid", JID(self.number)),
            "stage": changed.pop("stage", "companion_hello"),
            "should_show_push_notification": "true",
        }
        answer = await self.stage(attrs, {**content, **changed})
        if answer.attrs["type"] == "result":
            self.ref = bytes_of(answer, REG, "link_code_pairing_ref")
        return answer

    async def stage(self, attrs: dict[str, Any], content: dict[str, Any]) -> Any:
        children = [Node(tag, {}, value) for tag, value in content.items() if value is not None]
        return await self.device.query("md", "set", Node(REG, attrs, children))

    async def notified(self, stage: str) -> Any:
        """Returns the content of the next notification of that stage, for this client's code."""
        told = (await self.device.next("notification")).get_child(REG)
        assert told.attrs["stage"] == stage
        assert bytes_of(told, "link_code_pairing_ref") == self.ref
        return told

    async def answer(self, **changed: Any) -> Any:
        """Waits for the phone's key and sends its own; the answer. `changed` as for `finish`."""
        return await self.finish(await self.notified("primary_hello"), **changed)

    async def finish(self, told: Any, **changed: Any) -> Any:
        """Sends its keys to the phone in the notification; returns the answer. `changed` as for `ask`.

        And `own`, another identity in the bundle.
        """
        wrapped = bytes_of(told, "link_code_pairing_wrapped_primary_ephemeral_pub")
        phone = bytes_of(told, "primary_identity_pub")
        public = under(CODE, wrapped[:32], wrapped[32:48], wrapped[48:])
        shared = agree(self.ephemeral, public)
        identity = self.device.signal.identity
        own = changed.pop("own", identity.public)
        salt, nonce, random = (secrets.token_bytes(size) for size in (32, 12, 32))
        key = derived(shared, salt, "link_code_pairing_key_bundle_encryption_key")
        sealed = AESGCM(key).encrypt(nonce, own + phone + random, None)
        private = X25519PrivateKey.from_private_bytes(identity.private)
        self.device.secret = derived(
            shared + agree(private, phone) + random, bytes(32), "adv_secret"
        )
        content = {
            BUNDLE: salt + nonce + sealed,
            "companion_identity_public": identity.public,
            "link_code_pairing_ref": self.ref,
        }
        return await self.stage(
            {"jid": JID(self.number), "stage": "companion_finish"}, {**content, **changed}
        )
