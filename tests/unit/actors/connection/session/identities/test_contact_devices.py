"""Device lists and the map between LIDs and phone numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.actors.connection.sessions import ALICE

if TYPE_CHECKING:
    from actors.connection.session.session import Session


async def test_devices_are_cached_until_forgotten(session: Session) -> None:
    assert session.devices(ALICE) is None
    async with session.transaction():
        session.save_devices(ALICE, [ALICE, "15550100002:3@s.whatsapp.net"], 5.0)
    found = session.devices(ALICE)
    assert found is not None
    assert (found.fetched_at, len(found.devices)) == (5.0, 2)
    async with session.transaction():
        session.forget_devices(ALICE)
    assert session.devices(ALICE) is None


async def test_the_newest_pair_of_lid_and_number_wins(session: Session) -> None:
    async with session.transaction():
        assert session.learn_lid("1@lid", ALICE)
        assert not session.learn_lid("1@lid", ALICE)
        assert session.learn_lid("2@lid", ALICE)
    assert (session.pn_for("1@lid"), session.pn_for("2@lid")) == (None, ALICE)


async def test_the_believed_list_outlives_the_devices_and_moves_to_the_number(
    session: Session,
) -> None:
    async with session.transaction():
        session.save_key_list("1@lid", b"signed")
        session.save_devices("1@lid", ["1@lid"], 5.0)
        session.forget_devices("1@lid")
    assert session.key_list("1@lid") == b"signed"
    async with session.transaction():
        session.learn_lid("1@lid", ALICE)
    assert (session.key_list("1@lid"), session.key_list(ALICE)) == (b"", b"signed")
    async with session.transaction():
        session.forget_credentials()
    assert session.key_list(ALICE) == b""
