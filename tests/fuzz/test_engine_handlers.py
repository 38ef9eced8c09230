"""Every handler of the engine that changes the session, on damaged real input: none breaks."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.connection.native.receive.stanza_handler import StanzaHandler
from actors.connection.native.signal import prekey_bundles
from actors.connection.native.signal.device_sessions import (
    Signal,
    Undecryptable,
    new_credentials,
)
from actors.connection.native.signal.key_agreement import BadSignature, Bundle
from actors.connection.protocol.decryption_errors import Unprepared
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.identities.lid_mapping import LidMapping
from actors.connection.protocol.receive import wrappers
from actors.connection.protocol.wire_format.codec import decode, encode
from actors.connection.protocol.wire_format.nodes import Node
from actors.connection.session.session import Session
from tests.fuzz.corpus import (
    ACCOUNT,
    COMING,
    CONTACT,
    DEVICE,
    RECORDED,
    changed,
    damaged,
    fuzzed,
)
from tests.unit.actors.connection.native.receiving_device import unasked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.connection.native.identities.devices import Devices


class Ends:
    """A device, and a contact with a session with it; both real."""

    def __init__(self, directory: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.own = Session.open(directory / "own.db", 1)
        self.other = Session.open(directory / "other.db", 1)
        self.signal, self.other_signal = Signal(self.own), Signal(self.other)
        people = LidMapping(self.own, Address.parse(DEVICE), Address.parse("90000000000001:1@lid"))
        lists = cast("Devices", self)
        rosters = unasked(self.own, people)
        self.incoming = StanzaHandler(
            self.own, self.signal, people, lists, rosters, clock=lambda: 1000.0
        )
        self.number = itertools.count()
        self.loop.run_until_complete(self._meet())

    def forget(self, person: Address) -> None:
        """As the device lists do it."""
        self.own.identities.forget_devices(str(person))

    async def _meet(self) -> None:
        own = replace(new_credentials(), account=ACCOUNT, device=DEVICE, device_identity=b"adv")
        async with self.own.transaction():
            self.own.credentials.save(own)
            ((number, public),) = self.signal.make_prekeys(1)
        async with self.other.transaction():
            self.other.credentials.save(new_credentials())
            key = own.signed_prekey
            bundle = Bundle(
                own.registration_id,
                own.identity_public,
                key.id,
                key.public,
                key.signature,
                number,
                public,
            )
            await self.other_signal.establish(DEVICE, bundle)

    async def encrypt(self, padded: bytes) -> tuple[str, bytes]:
        async with self.other.transaction():
            return await self.other_signal.encrypt(DEVICE, padded)

    async def take(self, stanza: Node) -> None:
        """As the receive pipeline does it, which logs what this raises, and goes on."""
        self.incoming.forget_prepared()
        async with self.own.transaction():
            self.incoming.postpone(stanza)
        await self.incoming.prepare(stanza)
        async with self.own.transaction():
            try:
                outcome = await self.incoming.take(stanza)
            except Unprepared:
                outcome = await self.incoming.take_unprepared(stanza)
            for answer in outcome.answers:
                assert decode(encode(answer)) == answer
            if outcome.wanted is not None:
                self.incoming.abandon(outcome.wanted)

    def close(self) -> None:
        self.own.close()
        self.other.close()
        self.loop.close()


@pytest.fixture(scope="module")
def ends() -> Iterator[Ends]:
    with tempfile.TemporaryDirectory() as directory, closing(Ends(Path(directory))) as made:
        yield made


HANDLED = [one for one in COMING if one.tag in ("message", "receipt", "notification")]


@fuzzed(300)
@given(stanza=changed(HANDLED))
def test_no_stanza_breaks_its_handler(ends: Ends, stanza: Node) -> None:
    ends.loop.run_until_complete(ends.take(stanza))


@fuzzed(200)
@given(
    plaintext=damaged([bytes.fromhex(one) for one in RECORDED["plaintexts"]]),
    attrs=changed([one for one in COMING if one.tag == "message"]),
    padded=st.booleans(),
)
def test_no_plaintext_of_a_contact_breaks_the_handler(
    ends: Ends, plaintext: bytes, attrs: Node, padded: bool
) -> None:
    """The contact is who it says: its ciphertext is sound, what it says is not."""
    kind, data = ends.loop.run_until_complete(
        ends.encrypt(wrappers.pad(plaintext) if padded else plaintext)
    )
    named = {**attrs.attrs, "id": f"3EB0{next(ends.number):06X}", "from": CONTACT}
    enc = Node("enc", {"v": "2", "type": kind}, data)
    ends.loop.run_until_complete(ends.take(Node("message", named, (enc,))))


@fuzzed(150)
@given(data=st.data())
def test_a_changed_ciphertext_is_undecryptable_and_changes_nothing(ends: Ends, data: Any) -> None:
    kind, sealed = ends.loop.run_until_complete(ends.encrypt(b"sound"))
    forged = data.draw(damaged([sealed]))

    async def decrypt(part: bytes, told: str) -> bytes | None:
        await ends.signal.prepare(CONTACT, cast("Any", told), part)
        async with ends.own.transaction():
            try:
                return await ends.signal.decrypt(CONTACT, cast("Any", told), part)
            except Undecryptable:
                return None

    if forged != sealed:
        for told in ("msg", "pkmsg"):
            found = ends.loop.run_until_complete(decrypt(forged, told))
            # Fields of the envelope that nothing rests on may change.
            assert found in (None, b"sound")
            if found is not None:
                return
    assert ends.loop.run_until_complete(decrypt(sealed, kind)) == b"sound"


@fuzzed(150)
@given(reply=changed([one for one in COMING if one.tag == "iq" and one.child("list")]))
def test_a_changed_bundle_is_refused_or_serves(ends: Ends, reply: Node) -> None:
    async def establish(bundle: Bundle) -> None:
        async with ends.own.transaction():
            await ends.signal.establish("15550100008@s.whatsapp.net", bundle)
            await ends.signal.encrypt("15550100008@s.whatsapp.net", b"to it")

    for bundle in prekey_bundles.answer(reply).values():
        with contextlib.suppress(BadSignature):
            ends.loop.run_until_complete(establish(bundle))
