"""The map between LIDs and phone numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.actors.connection.sessions import ALICE

if TYPE_CHECKING:
    from actors.connection.session.session import Session


async def test_the_newest_pair_of_lid_and_number_wins(session: Session) -> None:
    async with session.transaction():
        assert session.learn_lid("1@lid", ALICE)
        assert not session.learn_lid("1@lid", ALICE)
        assert session.learn_lid("2@lid", ALICE)
    assert (session.identities.pn_for("1@lid"), session.identities.pn_for("2@lid")) == (None, ALICE)
