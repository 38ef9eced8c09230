"""Tables of a session together: one person's addresses, one account's device."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from actors.connection.session.identities.linked_device import LinkedDevice
from actors.connection.session.session_part import SessionPart
from tests.unit.actors.connection.sessions import ALICE, Clock, put

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.session.session import Session


async def test_what_is_under_the_lid_moves_to_the_number(session: Session, clock: Clock) -> None:
    await put(session, "A", chat="1@lid", sender="1@lid")
    async with session.transaction():
        session.sent.remember("1@lid", "S", b"text", clock.now)
        session.learn_lid("1@lid", ALICE)
        session.learn_lid("2@lid", "15550100003@s.whatsapp.net")
    assert session.inbox.committed(ALICE, ALICE, "A")
    assert session.sent.plaintext(ALICE, "S") == b"text"


async def test_a_person_takes_what_was_sent_to_another_number(
    session: Session, clock: Clock
) -> None:
    """The next holder of the number gets nothing by it."""
    old, new = ALICE, "15550100003@s.whatsapp.net"
    await put(session, "A", chat=old, sender=old)
    async with session.transaction():
        session.learn_lid("1@lid", old)
        session.learn_lid("2@lid", new)
        session.sent.remember(old, "S", b"text", clock.now, wire="lid")
        session.learn_lid("1@lid", new)
    assert (session.sent.plaintext(new, "S"), session.sent.wire(new, "S")) == (b"text", "lid")
    assert session.sent.plaintext(old, "S") is None
    assert (session.identities.lid_for(old), session.identities.pn_for("2@lid")) == (None, None)
    assert session.inbox.committed(old, old, "A"), "what is stored stays where users saw it"


async def test_a_logout_forgets_the_device_and_keeps_the_inbox(
    session: Session, clock: Clock
) -> None:
    async with session.transaction():
        session.linked_device.save(LinkedDevice("15550100001:4@s.whatsapp.net"))
        session.learn_lid("1@lid", ALICE)
        session.sent.remember(ALICE, "S", b"text", clock.now)
    await put(session, "A")
    async with session.transaction():
        session.forget_account()
    assert session.linked_device.read() is None
    assert session.identities.pn_for("1@lid") is None
    assert session.sent.plaintext(ALICE, "S") is None
    assert session.inbox.committed(ALICE, ALICE, "A")
    assert len(session.inbox.pending("message", 10)) == 1


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("expired", lambda session: session.expired(0.0)),
        ("forget_all", lambda session: session.forget_account()),
    ],
)
async def test_no_part_is_left_out(
    session: Session, monkeypatch: pytest.MonkeyPatch, name: str, call: Callable[[Session], object]
) -> None:
    """Every part that has rows with a term is pruned, and every part of the device is forgotten."""
    parts = {part: kind for part, kind in vars(session).items() if isinstance(kind, SessionPart)}
    able = {part for part, kind in parts.items() if hasattr(kind, name)}
    assert len(able) > 5
    called = set[str]()

    def note(part: str, *_: object) -> list[object]:
        called.add(part)
        return []

    for part in able:
        monkeypatch.setattr(parts[part], name, partial(note, part))
    async with session.transaction():
        call(session)
    assert called == able
