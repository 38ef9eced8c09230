"""Credentials, prekeys and Signal sessions as rows."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from actors.connection.native.signal.device_sessions import new_credentials
from actors.connection.session.identities.signal_keys import MAX_GIVEN
from actors.connection.session.session import Session

if TYPE_CHECKING:
    from pathlib import Path

from tests.unit.actors.connection.sessions import ALICE, DAY, Clock


async def test_credentials_come_back_as_they_were(session: Session, path: Path) -> None:
    full = replace(
        new_credentials(),
        account="15550100001@s.whatsapp.net",
        device="15550100001:7@s.whatsapp.net",
        lid="123:7@lid",
        device_identity=b"\x00\xff",
        push_name="Näme",
        account_signature_key=bytes(32),
    )
    async with session.transaction():
        session.credentials.save(full)
    session.close()
    with closing(Session.open(path, 4)) as again:
        assert again.credentials.read() == full
        assert again.keys.signed_prekey(1) == full.signed_prekey
    assert full.identity_private.hex() not in repr(full)
    assert repr(full.identity_private) not in repr(full)


async def test_prekey_ids_are_never_used_again(session: Session, path: Path) -> None:
    async with session.transaction():
        ids = [key.id for key in session.keys.add_prekeys([(b"a", b"b")] * 3, published=False)]
        session.keys.delete_prekey(3)
    session.close()
    with closing(Session.open(path, 4)) as again:
        async with again.transaction():
            ids += [key.id for key in again.keys.add_prekeys([(b"a", b"b")], published=True)]
    assert ids == [1, 2, 3, 4]


async def test_prekeys_given_in_retry_receipts_are_bounded(session: Session) -> None:
    """The newest are kept, and every one that WhatsApp hands out."""
    pair = (b"a", b"b")
    async with session.transaction():
        held = session.keys.add_prekeys([pair], published=False)
        uploaded = session.keys.add_prekeys([pair], published=False)
        session.keys.mark_published([uploaded[0].id])
        given = session.keys.add_prekeys([pair] * MAX_GIVEN, published=True)
    async with session.transaction():
        given += session.keys.add_prekeys([pair], published=True)
    kept = [key.id for key in [*held, *uploaded, *given] if session.keys.prekey(key.id) is not None]
    assert kept == [key.id for key in [*held, *uploaded, *given[1:]]]


async def test_forty_archived_sessions_are_kept(session: Session) -> None:
    async with session.transaction():
        for n in range(50):
            session.keys.add_ratchet(ALICE, bytes([n]), b"identity", str(n), b"key")
        kept = session.keys.ratchets(ALICE)
        assert [one.state for one in kept] == [str(n) for n in range(49, 8, -1)]
        session.keys.promote_ratchet(ALICE, kept[5].id)
        assert [one.state for one in session.keys.ratchets(ALICE)][:3] == ["44", "49", "48"]


async def test_replaced_signed_prekeys_serve_90_days(session: Session, clock: Clock) -> None:
    made = new_credentials()
    async with session.transaction():
        session.credentials.save(made)
    clock.now += 200 * DAY
    second = replace(made.signed_prekey, id=2, private=b"x" * 32)
    async with session.transaction():
        session.credentials.save(replace(made, signed_prekey=second))
    for days, first_serves in ((89, True), (2, False)):
        clock.now += days * DAY
        async with session.transaction():
            session.prune(clock.now)
        assert (session.keys.signed_prekey(1) is not None) is first_serves
    assert session.keys.signed_prekey(2) is not None
