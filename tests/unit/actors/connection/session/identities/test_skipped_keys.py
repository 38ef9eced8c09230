"""Bounds of the keys that are kept for messages which may still come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.connection.session.identities import skipped_keys
from actors.connection.session.identities.groups import KeyRow
from actors.connection.session.identities.skipped_keys import SkippedKey
from tests.unit.actors.connection.sessions import ALICE

if TYPE_CHECKING:
    from actors.connection.session.session import Session

BOB = "15550100003@s.whatsapp.net"
CAROL = "15550100004@s.whatsapp.net"
GROUP = "120363000000000001@g.us"


async def add(session: Session, address: str, base: int, count: int) -> int:
    """A session with so many keys, saved as the Signal layer saves it."""
    async with session.transaction():
        made = session.keys.add_ratchet(address, bytes([base]), b"identity", "{}", b"chain")
        keys = [SkippedKey(b"chain", number, b"seed") for number in range(count)]
        kept = session.skipped_keys.add(made, 0, keys, [b"chain"])
        session.keys.save_ratchet(made, "{}", b"chain", kept)
        session.skipped_keys.bound(address, made, count)
    return made


def kept(session: Session) -> dict[int, int]:
    """Of each session that has any, the number of keys; as noted and as stored."""
    noted = session.rows("SELECT id, kept FROM ratchets WHERE kept > 0")
    stored = session.rows("SELECT ratchet, count(*) FROM skipped_keys GROUP BY ratchet")
    assert dict(noted) == dict(stored)
    return dict(noted)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skipped_keys, "MAX_SKIPPED", 10)
    monkeypatch.setattr(skipped_keys, "MAX_OF_DEVICE", 25)
    monkeypatch.setattr(skipped_keys, "MAX_IN_ALL", 50)
    monkeypatch.setattr(skipped_keys, "UNCHECKED", 1)


async def test_a_session_keeps_its_newest_chains(session: Session) -> None:
    async with session.transaction():
        made = session.keys.add_ratchet(ALICE, b"b", b"identity", "{}", b"new")
        old = [SkippedKey(b"old", number, b"o%d" % number) for number in range(6)]
        count = session.skipped_keys.add(made, 0, old, [b"old"])
        new = [SkippedKey(b"new", number, b"n%d" % number) for number in range(7)]
        count = session.skipped_keys.add(made, count, new, [b"new", b"old"])
    assert count == 10
    assert session.skipped_keys.find(made, b"old", 2) is None
    assert session.skipped_keys.find(made, b"old", 3) == b"o3"
    assert session.skipped_keys.find(made, b"new", 0) == b"n0"


async def test_a_device_keeps_those_of_its_latest_sessions(session: Session) -> None:
    made = [await add(session, ALICE, base, 9) for base in range(4)]
    other = await add(session, BOB, 9, 9)
    assert kept(session) == {made[2]: 9, made[3]: 9, other: 9}


async def test_the_device_that_has_most_pays_for_all(session: Session) -> None:
    alice = [await add(session, ALICE, base, 8) for base in range(3)]
    bob = [await add(session, BOB, base, 9) for base in range(2)]
    carol = await add(session, CAROL, 9, 9)
    assert kept(session) == {alice[1]: 8, alice[2]: 8, bob[0]: 9, bob[1]: 9, carol: 9}


async def test_keys_go_with_their_session(session: Session) -> None:
    first = await add(session, ALICE, 0, 5)
    assert kept(session) == {first: 5}
    for base in range(1, 42):
        await add(session, ALICE, base, 0)
    assert kept(session) == {}
    await add(session, ALICE, 50, 5)
    async with session.transaction():
        session.forget_credentials()
    assert kept(session) == {}


async def test_keys_go_with_a_session_of_the_number_that_they_move_to(session: Session) -> None:
    """Once a LID's number is known, its sessions bring their keys."""
    made = await add(session, "1@lid", 0, 5)
    async with session.transaction():
        session.learn_lid("1@lid", ALICE)
    assert kept(session) == {made: 5}
    (stored,) = session.keys.ratchets_knowing(ALICE, b"chain", 3)
    assert (stored.id, stored.kept) == (made, 5)


async def test_members_of_groups_are_bounded_alike(session: Session) -> None:
    for number in range(4):
        async with session.transaction():
            chat = f"{number}@g.us"
            session.groups.add_sender_key(chat, ALICE, KeyRow(1, b"s", 9, b"chain"), reach=1)
            stored = session.groups.sender_key(chat, ALICE, 1)
            assert stored is not None
            keys = [(iteration, b"%d" % iteration) for iteration in range(12)]
            count = session.skipped_keys.add_of_sender(stored.number, stored.kept, keys)
            session.groups.save_sender_key(stored.number, stored.key, count)
            session.skipped_keys.bound_of_sender(ALICE, stored.number, len(keys))
    noted = session.rows("SELECT number, kept FROM sender_keys WHERE kept > 0")
    stored_rows = session.rows(
        "SELECT sender_key, min(iteration), count(*) FROM skipped_sender_keys GROUP BY sender_key"
    )
    assert noted == [(3, 10), (4, 10)]
    assert stored_rows == [(3, 2, 10), (4, 2, 10)]


async def test_all_are_counted_now_and_then(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(skipped_keys, "UNCHECKED", 30)
    monkeypatch.setattr(skipped_keys, "MAX_IN_ALL", 20)
    for number in range(3):  # the first is counted with what was there
        await add(session, f"{number}@s.whatsapp.net", 0, 10)
    assert sum(kept(session).values()) == 30
    await add(session, BOB, 0, 10)
    assert sum(kept(session).values()) == 20
