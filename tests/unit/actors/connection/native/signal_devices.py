"""Two devices that talk, each with a session file of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from actors.connection.native.signal.device_sessions import (
    Bundle,
    Signal,
    Undecryptable,
    new_credentials,
)
from actors.connection.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path

ALICE = "15550100001@s.whatsapp.net"
BOB = "15550100002@s.whatsapp.net"
Sent = tuple[Literal["pkmsg", "msg"], bytes]


class Device:
    """One end: its session file, its Signal layer, and the other end's address."""

    def __init__(self, path: Path, peer: str) -> None:
        self.session = Session.open(path, 1)
        self.changes: list[str] = []
        self.signal = Signal(self.session, on_identity_change=self.changes.append)
        self.peer = peer

    async def register(self) -> None:
        async with self.session.transaction():
            self.session.forget_credentials()
            self.session.credentials.save(new_credentials())

    async def bundle(self, *, prekey: bool = True) -> Bundle:
        own = self.session.credentials.read()
        assert own is not None
        made: list[tuple[int, bytes]] = []
        if prekey:
            async with self.session.transaction():
                made = self.signal.make_prekeys(1)
        return Bundle(
            own.registration_id,
            own.identity_public,
            own.signed_prekey.id,
            own.signed_prekey.public,
            own.signed_prekey.signature,
            *(made[0] if made else ()),
        )

    async def establish(self, bundle: Bundle) -> bool:
        async with self.session.transaction():
            return await self.signal.establish(self.peer, bundle)

    async def encrypt(self, plaintext: bytes) -> Sent:
        async with self.session.transaction():
            return await self.signal.encrypt(self.peer, plaintext)

    async def decrypt(self, sent: Sent) -> bytes:
        await self.signal.prepare(self.peer, *sent)
        async with self.session.transaction():
            return await self.signal.decrypt(self.peer, *sent)

    def base_key(self) -> bytes:
        """Returns the base key, which identifies the current session at both ends."""
        current = self.session.keys.current_ratchet(self.peer)
        assert current is not None
        return current.base_key

    def content(self) -> dict[str, list[object]]:
        """All that a message can change."""
        tables = ("prekeys", "signed_prekeys", "identities", "ratchets", "skipped_keys", "file")
        return {name: self.session.rows(f"SELECT * FROM {name}") for name in tables}

    async def refuses(self, sent: Sent, reason: str) -> None:
        """Refused for this reason, by a call that succeeds otherwise, and nothing changed."""
        before = self.content()
        await self.signal.prepare(self.peer, *sent)
        async with self.session.transaction():
            with pytest.raises(Undecryptable) as refused:
                await self.signal.decrypt(self.peer, *sent)
        assert refused.value.reason == reason
        assert self.content() == before


async def open_both(alice: Device, bob: Device) -> None:
    """A conversation in which both have heard each other."""
    await alice.establish(await bob.bundle())
    assert await bob.decrypt(await alice.encrypt(b"hello")) == b"hello"
    assert await alice.decrypt(await bob.encrypt(b"hi")) == b"hi"
