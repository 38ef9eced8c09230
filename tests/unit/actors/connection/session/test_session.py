"""What belongs together in one session: one person's addresses, one account's keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.native.signal.device_sessions import new_credentials
from tests.unit.actors.connection.sessions import ALICE, Clock, put

if TYPE_CHECKING:
    from actors.connection.session.session import Session


async def test_what_is_under_the_lid_moves_to_the_number(session: Session, clock: Clock) -> None:
    await put(session, "A", chat="1@lid", sender="1@lid")
    async with session.transaction():
        session.remember_sent("1@lid", "S", b"text", clock.now)
        session.save_devices("1@lid", [0], clock.now)
        session.add_ratchet("1:3@lid", b"base", b"identity", "lid state")
        session.save_identity("1:3@lid", b"identity")
        session.add_ratchet("11@lid", b"other", b"identity", "of another")
        session.add_ratchet("2@lid", b"b", b"identity", "from lid")
        session.add_ratchet("15550100003@s.whatsapp.net", b"c", b"identity", "own")
        session.learn_lid("1@lid", ALICE)
        session.learn_lid("2@lid", "15550100003@s.whatsapp.net")
    assert session.seen(ALICE, ALICE, "A")
    assert session.sent_plaintext(ALICE, "S") == b"text"
    assert session.devices("1@lid") is None
    (moved,) = session.ratchets("15550100002:3@s.whatsapp.net")
    assert (moved.current, moved.state) == (True, "lid state")
    assert session.identity("15550100002:3@s.whatsapp.net") == b"identity"
    assert session.ratchets("1:3@lid") == []
    assert len(session.ratchets("11@lid")) == 1
    own, archived = session.ratchets("15550100003@s.whatsapp.net")
    assert (own.state, archived.state) == ("own", "from lid")


async def test_a_logout_forgets_keys_and_keeps_the_inbox(session: Session, clock: Clock) -> None:
    async with session.transaction():
        session.save_credentials(new_credentials())
        first = session.add_prekeys([(b"p" * 32, b"q" * 32)], published=True)
        session.add_ratchet(ALICE, b"base", b"identity", "state")
        session.save_identity(ALICE, b"identity")
        session.save_devices(ALICE, [0], 1.0)
        session.learn_lid("1@lid", ALICE)
        session.remember_sent(ALICE, "S", b"text", clock.now)
    await put(session, "A")
    async with session.transaction():
        session.forget_credentials()
    assert session.credentials() is None
    assert session.signed_prekey(1) is None
    assert session.prekey(first[0].id) is None
    assert session.ratchets(ALICE) == []
    assert session.identity(ALICE) is None
    assert session.devices(ALICE) is None
    assert session.sent_plaintext(ALICE, "S") is None
    assert session.seen(ALICE, ALICE, "A")
    assert len(session.pending("message", 10)) == 1
    async with session.transaction():
        second = session.add_prekeys([(b"r" * 32, b"s" * 32)], published=True)
    assert second[0].id > first[0].id
