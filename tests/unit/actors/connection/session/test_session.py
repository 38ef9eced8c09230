"""Tables of a session together: one person's addresses, one account's keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.connection.native.signal.device_sessions import new_credentials
from actors.connection.session.session_part import SessionPart
from tests.unit.actors.connection.sessions import ALICE, Clock, put

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.session.session import Session


async def test_what_is_under_the_lid_moves_to_the_number(session: Session, clock: Clock) -> None:
    await put(session, "A", chat="1@lid", sender="1@lid")
    async with session.transaction():
        session.sent.remember("1@lid", "S", b"text", clock.now)
        session.identities.save_devices("1@lid", [0], clock.now)
        session.keys.add_ratchet("1:3@lid", b"base", b"identity", "lid state", b"key")
        session.keys.save_identity("1:3@lid", b"identity")
        session.keys.add_ratchet("11@lid", b"other", b"identity", "of another", b"key")
        session.keys.add_ratchet("2@lid", b"b", b"identity", "from lid", b"key")
        session.keys.add_ratchet("15550100003@s.whatsapp.net", b"c", b"identity", "own", b"key")
        session.learn_lid("1@lid", ALICE)
        session.learn_lid("2@lid", "15550100003@s.whatsapp.net")
    assert session.inbox.committed(ALICE, ALICE, "A")
    assert session.sent.plaintext(ALICE, "S") == b"text"
    assert session.identities.devices("1@lid") is None
    (moved,) = session.keys.ratchets("15550100002:3@s.whatsapp.net")
    assert (moved.current, moved.state) == (True, "lid state")
    assert session.keys.identity("15550100002:3@s.whatsapp.net") == b"identity"
    assert session.keys.ratchets("1:3@lid") == []
    assert len(session.keys.ratchets("11@lid")) == 1
    own, archived = session.keys.ratchets("15550100003@s.whatsapp.net")
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
        session.keys.add_ratchet(
            "15550100002:3@s.whatsapp.net", b"base", b"identity", "of the first", b"key"
        )
        session.keys.save_identity(old, b"identity")
        session.identities.save_key_list(old, b"signed")
        session.identities.save_devices(old, [0, 3], clock.now)
        session.sent.remember(old, "S", b"text", clock.now, wire="lid")
        session.keys.add_ratchet(new, b"other", b"another", "of the second", b"key")
        session.learn_lid("1@lid", new)
    (moved,) = session.keys.ratchets("15550100003:3@s.whatsapp.net")
    assert (moved.current, moved.state) == (True, "of the first")
    assert session.keys.identity(new) == b"identity"
    assert session.identities.key_list(new) == b"signed"
    assert (session.sent.plaintext(new, "S"), session.sent.wire(new, "S")) == (b"text", "lid")
    for name in (old, "15550100002:3@s.whatsapp.net", new):
        assert session.keys.ratchets(name) == []
    assert session.keys.identity(old) is None
    assert session.identities.devices(old) is None
    assert [one.state for one in session.keys.ratchets("2@lid")] == ["of the second"]
    assert (session.identities.lid_for(old), session.identities.pn_for("2@lid")) == (None, None)
    assert session.inbox.committed(old, old, "A"), "what is stored stays where users saw it"


async def test_a_number_with_another_lid_keeps_its_sessions(session: Session) -> None:
    async with session.transaction():
        session.learn_lid("1@lid", ALICE)
        session.keys.add_ratchet(ALICE, b"base", b"identity", "state", b"key")
        session.learn_lid("2@lid", ALICE)
    assert [one.state for one in session.keys.ratchets(ALICE)] == ["state"]


async def test_a_logout_forgets_keys_and_keeps_the_inbox(session: Session, clock: Clock) -> None:
    async with session.transaction():
        session.credentials.save(new_credentials())
        first = session.keys.add_prekeys([(b"p" * 32, b"q" * 32)], published=True)
        session.keys.add_ratchet(ALICE, b"base", b"identity", "state", b"key")
        session.keys.save_identity(ALICE, b"identity")
        session.identities.save_devices(ALICE, [0], 1.0)
        session.learn_lid("1@lid", ALICE)
        session.sent.remember(ALICE, "S", b"text", clock.now)
    await put(session, "A")
    async with session.transaction():
        session.forget_credentials()
    assert session.credentials.read() is None
    assert session.keys.signed_prekey(1) is None
    assert session.keys.prekey(first[0].id) is None
    assert session.keys.ratchets(ALICE) == []
    assert session.keys.identity(ALICE) is None
    assert session.identities.devices(ALICE) is None
    assert session.sent.plaintext(ALICE, "S") is None
    assert session.inbox.committed(ALICE, ALICE, "A")
    assert len(session.inbox.pending("message", 10)) == 1
    async with session.transaction():
        second = session.keys.add_prekeys([(b"r" * 32, b"s" * 32)], published=True)
    assert second[0].id > first[0].id


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("prune", lambda session: session.prune(0.0)),
        ("forget_all", lambda session: session.forget_credentials()),
    ],
)
async def test_no_part_is_left_out(
    session: Session, monkeypatch: pytest.MonkeyPatch, name: str, call: Callable[[Session], None]
) -> None:
    """Every part that has rows with a term is pruned, and every part of the device is forgotten."""
    parts = {part: kind for part, kind in vars(session).items() if isinstance(kind, SessionPart)}
    able = {part for part, kind in parts.items() if hasattr(kind, name)}
    assert len(able) > 5
    called = set[str]()
    for part in able:
        monkeypatch.setattr(parts[part], name, lambda *_, part=part: called.add(part))
    async with session.transaction():
        call(session)
    assert called == able
