"""Every address of a stanza is a LID, or every one is a phone number."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from actors.connection.engine import SendError
from actors.connection.native.identities.addressing_mode import (
    BY_NUMBER_SECONDS,
    Route,
    Routes,
    may_go_by_number,
    prefers_numbers,
)
from actors.connection.native.identities.devices import Devices, Installed
from actors.connection.native.signal.device_sessions import new_credentials
from actors.connection.protocol.identities.addresses import LID, PHONE_NUMBER, Address
from actors.connection.protocol.identities.lid_mapping import LidMapping
from actors.connection.session.identities.credentials import Credentials

if TYPE_CHECKING:
    from actors.connection.protocol.identities.addresses import Kind
    from actors.connection.session.session import Session

NUMBER = Address.parse("15550100002@s.whatsapp.net")
HIDDEN = Address.parse("90000000000002@lid")
OWN = Address.parse("15550100001:4@s.whatsapp.net")
OWN_LID = Address.parse("90000000000001:4@lid")


NOW = 1_764_000_000.0


class LidLists:
    """Devices whose list has a LID, where there is one."""

    def __init__(self, people: LidMapping, session: Session, lid: Address | None) -> None:
        self.people, self.session, self.lid = people, session, lid
        self.asked: list[Address] = []

    async def of(self, person: Address) -> Installed:
        self.asked.append(person)
        async with self.session.transaction():
            self.people.learn(person, self.lid)
        return Installed((0,))


def routes(
    session: Session, own_lid: Address | None = OWN_LID, lid: Address | None = None
) -> tuple[Routes, LidLists]:
    people = LidMapping(session, OWN, own_lid)
    listing = LidLists(people, session, lid)
    return Routes(session, people, cast("Devices", listing), lambda: NOW), listing


async def pair(session: Session) -> None:
    async with session.transaction():
        session.learn_lid(str(HIDDEN), str(NUMBER))


async def test_a_person_whose_lid_is_known_is_written_to_by_it(session: Session) -> None:
    await pair(session)
    made, listing = routes(session)
    for name in (NUMBER, HIDDEN, NUMBER.with_device(3)):
        assert await made.to(name) == Route(HIDDEN, OWN_LID, NUMBER)
    assert listing.asked == []


async def test_a_lid_that_is_not_known_is_asked_for(session: Session) -> None:
    made, listing = routes(session, lid=HIDDEN)
    assert made.stored(NUMBER) == Route(NUMBER, OWN)
    assert await made.to(NUMBER) == Route(HIDDEN, OWN_LID, NUMBER)
    assert listing.asked == [NUMBER]
    without, _ = routes(session)
    other = Address.parse("15550100003@s.whatsapp.net")
    assert await without.to(other) == Route(other, OWN), "nobody has a LID for that number"


async def test_a_message_that_left_by_number_goes_by_number_again(session: Session) -> None:
    await pair(session)
    made, listing = routes(session)
    assert await made.to(NUMBER, "number") == Route(NUMBER, OWN)
    assert await made.to(NUMBER, "lid") == Route(HIDDEN, OWN_LID, NUMBER)
    assert listing.asked == []


async def test_who_shows_no_number_is_written_to_by_lid_alone(session: Session) -> None:
    made, _ = routes(session)
    assert await made.to(HIDDEN) == Route(HIDDEN, OWN_LID)
    assert await made.to(HIDDEN, "number") == Route(HIDDEN, OWN_LID)
    nameless, _ = routes(session, None)
    with pytest.raises(SendError) as failed:
        await nameless.to(HIDDEN)
    assert (failed.value.code, failed.value.permanent) == ("lid_unknown", False)


async def test_an_account_without_a_lid_writes_by_number(session: Session) -> None:
    await pair(session)
    made, listing = routes(session, None)
    assert await made.to(NUMBER) == Route(NUMBER, OWN)
    assert listing.asked == []


async def test_the_account_itself_is_written_to_by_its_lid(session: Session) -> None:
    made, _ = routes(session)
    assert await made.to(OWN.canonical) == Route(OWN_LID.canonical, OWN_LID, OWN.canonical)


@pytest.mark.parametrize("known", [True, False])
async def test_no_route_mixes_the_kinds(session: Session, known: bool) -> None:
    if known:
        await pair(session)
    for own_lid in (OWN_LID, None):
        made, _ = routes(session, own_lid)
        route = await made.to(NUMBER)
        found = route.everyone(Installed((0, 2)), Installed((0, 4, 5)))
        server = LID if route.kind == "lid" else PHONE_NUMBER
        assert {one.server for one in (*found.devices, route.to, route.own)} == {server}
        assert (route.number is None) == (route.kind == "number")


def credentials(migrated: bool | None = None, until: float | None = None) -> Credentials:
    return replace(new_credentials(), lid_migrated=migrated, by_number_until=until)


@pytest.mark.parametrize(
    ("migrated", "until", "expected"),
    [
        pytest.param(None, None, False, id="never said: as whatsmeow"),
        pytest.param(None, NOW + 1, True, id="a LID was refused lately"),
        pytest.param(None, NOW + BY_NUMBER_SECONDS, True, id="just now"),
        pytest.param(None, NOW, False, id="and is tried again after a while"),
        pytest.param(None, NOW + BY_NUMBER_SECONDS + 1, False, id="the clock was set back"),
        pytest.param(False, None, True, id="said that it is not migrated"),
        pytest.param(True, NOW + 1, False, id="said that it is"),
    ],
)
async def test_which_accounts_write_by_number(
    session: Session, migrated: bool | None, until: float | None, expected: bool
) -> None:
    own = credentials(migrated, until)
    assert prefers_numbers(own, NOW) is expected
    await pair(session)
    async with session.transaction():
        session.credentials.save(own)
    made, listing = routes(session)
    assert (await made.to(NUMBER)).kind == ("number" if expected else "lid")
    assert (await made.to(NUMBER, "lid")).kind == "lid", "one that left so goes so again"
    assert (await made.to(Address.parse("90000000000003@lid"))).kind == "lid", "it shows no number"
    assert listing.asked == []


@pytest.mark.parametrize(
    ("refusal", "wire", "migrated", "expected"),
    [
        ("refused_400", "lid", None, True),
        ("refused_400", "lid", True, False),
        ("refused_400", "lid", False, False),
        ("refused_400", "number", None, False),
        ("refused_400", None, None, False),
        ("refused_463", "lid", None, False),
        ("ack_timeout", "lid", None, False),
    ],
)
def test_what_goes_once_more_by_number(
    refusal: str, wire: Kind | None, migrated: bool | None, expected: bool
) -> None:
    assert may_go_by_number(credentials(migrated), refusal, wire) is expected


async def test_an_account_that_writes_by_number_does_so_for_a_week(session: Session) -> None:
    await pair(session)
    async with session.transaction():
        session.credentials.save(credentials())
    made, _ = routes(session)
    async with session.transaction():
        made.prefer_numbers()
    own = session.credentials.read()
    assert own is not None
    assert own.by_number_until == NOW + 7 * 86_400
    assert await made.to(NUMBER) == Route(NUMBER, OWN)
    again = Credentials.from_json(own.to_json())
    assert again == own
