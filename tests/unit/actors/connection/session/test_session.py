"""Tables of a session together: one person's addresses, one account's keys."""

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
        session.add_ratchet("1:3@lid", b"base", b"identity", "lid state", b"key")
        session.save_identity("1:3@lid", b"identity")
        session.add_ratchet("11@lid", b"other", b"identity", "of another", b"key")
        session.add_ratchet("2@lid", b"b", b"identity", "from lid", b"key")
        session.add_ratchet("15550100003@s.whatsapp.net", b"c", b"identity", "own", b"key")
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


async def test_a_person_takes_the_sessions_to_another_number(
    session: Session, clock: Clock
) -> None:
    """The next holder of the number gets nothing by them, and who had the new one keeps its own."""
    old, new = ALICE, "15550100003@s.whatsapp.net"
    await put(session, "A", chat=old, sender=old)
    async with session.transaction():
        session.learn_lid("1@lid", old)
        session.learn_lid("2@lid", new)
        session.add_ratchet(
            "15550100002:3@s.whatsapp.net", b"base", b"identity", "of the first", b"key"
        )
        session.save_identity(old, b"identity")
        session.save_key_list(old, b"signed")
        session.save_devices(old, [0, 3], clock.now)
        session.remember_sent(old, "S", b"text", clock.now, wire="lid")
        session.add_ratchet(new, b"other", b"another", "of the second", b"key")
        session.learn_lid("1@lid", new)
    (moved,) = session.ratchets("15550100003:3@s.whatsapp.net")
    assert (moved.current, moved.state) == (True, "of the first")
    assert session.identity(new) == b"identity"
    assert session.key_list(new) == b"signed"
    assert (session.sent_plaintext(new, "S"), session.sent_wire(new, "S")) == (b"text", "lid")
    for name in (old, "15550100002:3@s.whatsapp.net", new):
        assert session.ratchets(name) == []
    assert session.identity(old) is None
    assert session.devices(old) is None
    assert [one.state for one in session.ratchets("2@lid")] == ["of the second"]
    assert (session.lid_for(old), session.pn_for("2@lid")) == (None, None)
    assert session.seen(old, old, "A"), "what is stored stays where users saw it"


async def test_a_number_with_another_lid_keeps_its_sessions(session: Session) -> None:
    async with session.transaction():
        session.learn_lid("1@lid", ALICE)
        session.add_ratchet(ALICE, b"base", b"identity", "state", b"key")
        session.learn_lid("2@lid", ALICE)
    assert [one.state for one in session.ratchets(ALICE)] == ["state"]


async def test_a_logout_forgets_keys_and_keeps_the_inbox(session: Session, clock: Clock) -> None:
    async with session.transaction():
        session.save_credentials(new_credentials())
        first = session.add_prekeys([(b"p" * 32, b"q" * 32)], published=True)
        session.add_ratchet(ALICE, b"base", b"identity", "state", b"key")
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
