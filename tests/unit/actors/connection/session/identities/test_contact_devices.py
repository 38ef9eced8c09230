"""Device lists and the map between LIDs and phone numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.session.identities.contact_devices import DeviceList
from tests.unit.actors.connection.sessions import ALICE

if TYPE_CHECKING:
    from actors.connection.session.session import Session


async def test_devices_are_cached_until_forgotten(session: Session) -> None:
    assert session.identities.devices(ALICE) is None
    async with session.transaction():
        session.identities.save_devices(ALICE, [0, 3], 5.0, [99])
    found = session.identities.devices(ALICE)
    assert found is not None
    assert found == DeviceList((0, 3), 5.0, (99,))
    async with session.transaction():
        session.identities.forget_devices(ALICE)
    assert session.identities.devices(ALICE) is None


async def test_the_newest_pair_of_lid_and_number_wins(session: Session) -> None:
    async with session.transaction():
        assert session.learn_lid("1@lid", ALICE)
        assert not session.learn_lid("1@lid", ALICE)
        assert session.learn_lid("2@lid", ALICE)
    assert (session.identities.pn_for("1@lid"), session.identities.pn_for("2@lid")) == (None, ALICE)


async def test_the_believed_list_outlives_the_devices_and_moves_to_the_number(
    session: Session,
) -> None:
    async with session.transaction():
        session.identities.save_key_list("1@lid", b"signed")
        session.identities.save_devices("1@lid", [0], 5.0)
        session.identities.forget_devices("1@lid")
    assert session.identities.key_list("1@lid") == b"signed"
    async with session.transaction():
        session.learn_lid("1@lid", ALICE)
    assert (session.identities.key_list("1@lid"), session.identities.key_list(ALICE)) == (
        b"",
        b"signed",
    )
    async with session.transaction():
        session.forget_credentials()
    assert session.identities.key_list(ALICE) == b""
