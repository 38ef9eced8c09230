"""Defines the keys and names that make an installation a linked device of an account, and their JSON form."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class SignedPrekey:
    """A medium-lived key, signed by the identity key. Keys are 32 bytes, the signature 64."""

    id: int
    private: bytes = field(repr=False)
    public: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Credentials:
    """The account's credentials. `paired` ones have an `account`; before that only keys exist.

    Keys are raw Curve25519 (32 bytes, no type byte). `account` is the canonical phone-number
    address, `device` and `lid` are this device's full own addresses. `device_identity` is the
    serialized ADVSignedDeviceIdentity that accompanies ``pkmsg``, its account signature key is
    the phone's identity key. `server_key` is the Noise key that WhatsApp's server proved at the last
    login, `routing` the bytes that the server wants first on the next connection, `banned_until`
    (seconds since the epoch) the end of the last temporary ban, `logins` how often it logged in.
    `lid_migrated` is what the pairing said of the account's chats being named by LID, None for
    nothing; `by_number_until` (seconds since the epoch) the time until which direct messages go by
    phone number, since WhatsApp refused a LID and took the number.
    Replace fields with `dataclasses.replace`; nothing is stored until `StoredCredentials.save`.
    """

    noise_private: bytes = field(repr=False)
    identity_private: bytes = field(repr=False)
    identity_public: bytes
    registration_id: int
    adv_secret: bytes = field(repr=False)
    signed_prekey: SignedPrekey
    account: str | None = None
    device: str | None = None
    lid: str | None = None
    device_identity: bytes | None = field(default=None, repr=False)
    account_signature_key: bytes | None = None
    push_name: str | None = None
    platform: str | None = None
    server_key: bytes | None = None
    routing: bytes | None = None
    banned_until: float | None = None
    logins: int = 0
    lid_migrated: bool | None = None
    by_number_until: float | None = None

    def to_json(self) -> str:
        return json.dumps(_plain(self))

    @classmethod
    def from_json(cls, text: str) -> Credentials:
        """The inverse of `to_json`. Names it does not know are ignored (a newer release wrote them)."""
        data = _restored(json.loads(text))
        names = {one.name for one in fields(cls)}
        values = {name: value for name, value in data.items() if name in names}
        return cls(**(values | {"signed_prekey": SignedPrekey(**values["signed_prekey"])}))


def _plain(record: Any) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for one in fields(record):
        value = getattr(record, one.name)
        if isinstance(value, bytes):
            out[one.name] = {"b64": base64.b64encode(value).decode()}
        elif isinstance(value, SignedPrekey):
            out[one.name] = _plain(value)
        else:
            out[one.name] = value
    return out


def _restored(data: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in data.items()}


def _value(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return base64.b64decode(value["b64"]) if set(value) == {"b64"} else _restored(value)
