"""Device lists against a server that keeps, and gives again, what it was given once."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, cast

import pytest

from actors.connection.engine import EngineEvents
from actors.connection.native.identities.devices import Devices, Installed
from actors.connection.native.signal import signatures
from actors.connection.native.signal.device_sessions import new_key_pair
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.identities.lid_mapping import LidMapping
from actors.connection.protocol.request_errors import NotOnWhatsApp, OtherNumber
from actors.connection.protocol.wire_format.nodes import Node, proto
from actors.connection.session.session import Session
from tests.unit.actors.connection.sessions import ALICE

if TYPE_CHECKING:
    from pathlib import Path

    from actors.connection.native.transport.socket import Socket

PHONE = new_key_pair()
OWN = Address.parse("15550100001:1@s.whatsapp.net")


class Server:
    """Lists the phone and device 1, with the list that the phone signed at some time."""

    def __init__(self) -> None:
        self.list = b""

    def signs(self, at: int, *valid: int) -> bytes:
        details = proto.ADVKeyIndexList(rawId=1, timestamp=at, currentIndex=5, validIndexes=valid)
        envelope = proto.ADVSignedKeyIndexList(details=details.SerializeToString())
        envelope.accountSignature = signatures.sign(PHONE[0], b"\x06\x02" + envelope.details)
        self.list = envelope.SerializeToString()
        return self.list

    async def request(self, _: Node) -> Node:
        devices = (
            Node("device", {"id": "0"}),
            Node("device", {"id": "1", "key-index": "5"}),
        )
        listed = (Node("device-list", {}, devices), Node("key-index-list", {}, self.list))
        user = Node("user", {"jid": ALICE}, (Node("devices", {}, listed),))
        return Node("iq", {}, (Node("usync", {}, (Node("list", {}, (user,)),)),))

    def devices(self, session: Session) -> Devices:
        people = LidMapping(session, OWN, None)
        socket = cast("Socket", self)
        return Devices(session, people, socket, lambda: 0.0, on_inbox=EngineEvents().on_inbox)


async def test_a_device_that_was_unlinked_stays_so_after_a_restart(tmp_path: Path) -> None:
    server = Server()
    person = Address.parse(ALICE)
    with closing(Session.open(tmp_path / "session.db", 1)) as session:
        async with session.transaction():
            session.keys.save_identity(ALICE, PHONE[1])
        before = server.signs(1, 5)
        assert await server.devices(session).of(person) == Installed((0, 1))
        server.signs(2)
        assert await server.devices(session).refresh(person) == Installed((0,))
        async with session.transaction():
            session.identities.forget_devices(ALICE)
    with closing(Session.open(tmp_path / "session.db", 2)) as session:
        for replayed in (before, b""):
            server.list = replayed
            assert await server.devices(session).refresh(person) == Installed((0,))
        server.signs(3, 5)
        assert await server.devices(session).refresh(person) == Installed((0, 1))


LID = Address.parse("90000000000002@lid")
OWN_LID = Address.parse("90000000000001:1@lid")


class Lists:
    """Answers with the devices that it has by each address, and notes by which it was asked."""

    def __init__(self, **by: list[int]) -> None:
        self.by = by
        self.asked: list[list[str]] = []
        self.there = True

    async def request(self, node: Node) -> Node:
        (usync,) = node.children()
        listing = usync.child("list")
        assert listing is not None
        (user, *_) = listing.children()
        if user.child("contact") is not None:
            self.asked.append(["contact"])
            contact = Node("contact", {"type": "in" if self.there else "out"})
            users = [Node("user", {"jid": ALICE}, (contact,))]
            return Node("iq", {}, (Node("usync", {}, (Node("list", {}, users),)),))
        self.asked.append([one.attrs["jid"] for one in listing.children()])
        users = []
        for jid in self.asked[-1]:
            numbers = self.by.get(jid.replace("@", "_").replace(".", "_"), [])
            devices = [Node("device", {"id": f"{number}"}) for number in numbers]
            part = Node("devices", {}, (Node("device-list", {}, devices),))
            lid = [Node("lid", {"val": str(LID)})] if jid == ALICE else []
            users.append(Node("user", {"jid": jid}, (part, *lid)))
        return Node("iq", {}, (Node("usync", {}, (Node("list", {}, users),)),))


def by(address: Address | str, *numbers: int) -> dict[str, list[int]]:
    return {str(address).replace("@", "_").replace(".", "_"): list(numbers)}


async def test_a_person_is_asked_for_by_the_other_address_where_the_first_names_nobody(
    session: Session,
) -> None:
    """A number's list may be empty, and so may a LID's; either way the cache has the person's."""
    person = Address.parse(ALICE)
    for first, second in ((LID, person), (person, LID)):
        lists = Lists(**by(second, 0, 2))
        people = LidMapping(session, OWN, OWN_LID)
        async with session.transaction():
            people.learn(LID, person)
            session.identities.forget_devices(ALICE)
        devices = Devices(
            session, people, cast("Socket", lists), lambda: 0.0, on_inbox=EngineEvents().on_inbox
        )
        assert await devices.of(person, first) == Installed((0, 2))
        assert lists.asked == [[str(first)], [str(second)]]
        assert devices.cached(person) == Installed((0, 2))
        assert await devices.of_all({person: first}, fresh=True) == {person: Installed((0, 2))}


@pytest.mark.parametrize(
    ("by_lid", "by_number", "found"),
    [((0, 1, 3), (0, 1), (0, 1, 3)), ((0,), (0, 1, 3), (0, 1, 3)), ((), (0, 1), (0, 1))],
    ids=["whole", "without this device", "empty"],
)
async def test_own_devices_are_all_that_either_list_has(
    session: Session, by_lid: tuple[int, ...], by_number: tuple[int, ...], found: tuple[int, ...]
) -> None:
    lists = Lists(**by(OWN_LID.canonical, *by_lid), **by(OWN.canonical, *by_number))
    people = LidMapping(session, OWN, OWN_LID)
    devices = Devices(
        session, people, cast("Socket", lists), lambda: 0.0, on_inbox=EngineEvents().on_inbox
    )
    assert (await devices.of(OWN.canonical, OWN_LID.canonical)).numbers == found
    assert len(lists.asked) == (1 if by_lid == (0, 1, 3) else 2)


async def test_no_device_is_made_up_and_none_is_kept(session: Session) -> None:
    """A person without devices is asked for at the next attempt, by number and by LID."""
    lists, people = Lists(), LidMapping(session, OWN, OWN_LID)
    devices = Devices(
        session, people, cast("Socket", lists), lambda: 0.0, on_inbox=EngineEvents().on_inbox
    )
    person = Address.parse(ALICE)
    for _ in range(2):
        assert await devices.of(person) == Installed()
    assert lists.asked == [*([ALICE], [str(LID)], ["contact"]) * 2]
    lists.there = False
    with pytest.raises(NotOnWhatsApp):
        await devices.of(person)


class OtherNumberLists(Lists):
    """WhatsApp answers for each of these numbers by the other one."""

    pairs = (ALICE, "15550100029@s.whatsapp.net")

    async def request(self, node: Node) -> Node:
        (usync,) = node.children()
        listing = usync.child("list")
        assert listing is not None
        contact = listing.children()[0].child("contact")
        if contact is None:
            return await super().request(node)
        asked = f"{bytes(contact.content or b'').decode().lstrip('+')}@s.whatsapp.net"  # type: ignore[arg-type]
        (other,) = [number for number in self.pairs if number != asked]
        users = [Node("user", {"jid": other}, (Node("contact", {"type": "in"}),))]
        return Node("iq", {}, (Node("usync", {}, (Node("list", {}, users),)),))


async def test_numbers_that_are_answered_by_one_another_are_no_chats(session: Session) -> None:
    """A message would go from one to the other for ever; so it fails, and is tried again as any other."""
    people = LidMapping(session, OWN, OWN_LID)
    for lists in (OtherNumberLists(), OtherNumberLists(**by(OtherNumberLists.pairs[1], 0))):
        devices = Devices(
            session, people, cast("Socket", lists), lambda: 0.0, on_inbox=EngineEvents().on_inbox
        )
        if not lists.by:
            assert await devices.of(Address.parse(ALICE)) == Installed()
            assert session.names.answering(ALICE) == ALICE
            continue
        with pytest.raises(OtherNumber):
            await devices.of(Address.parse(ALICE))
        assert session.names.answering(ALICE) == OtherNumberLists.pairs[1]
