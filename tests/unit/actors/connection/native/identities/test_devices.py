"""Device lists against a server that keeps, and gives again, what it was given once."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, cast

from actors.connection.engine import EngineEvents
from actors.connection.native.identities.addresses import Address
from actors.connection.native.identities.devices import Devices
from actors.connection.native.identities.lid_mapping import People
from actors.connection.native.signal import signatures
from actors.connection.native.signal.device_sessions import new_key_pair
from actors.connection.native.transport.nodes import Node, proto
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
        people = People(session, OWN, None)
        socket = cast("Socket", self)
        return Devices(session, people, socket, lambda: 0.0, on_inbox=EngineEvents().on_inbox)


async def test_a_device_that_was_unlinked_stays_so_after_a_restart(tmp_path: Path) -> None:
    server = Server()
    person, linked = Address.parse(ALICE), Address.parse("15550100002:1@s.whatsapp.net")
    with closing(Session.open(tmp_path / "session.db", 1)) as session:
        async with session.transaction():
            session.save_identity(ALICE, PHONE[1])
        before = server.signs(1, 5)
        assert await server.devices(session).of(person) == (person, linked)
        server.signs(2)
        assert await server.devices(session).refresh(person) == (person,)
        async with session.transaction():
            session.forget_devices(ALICE)
    with closing(Session.open(tmp_path / "session.db", 2)) as session:
        for replayed in (before, b""):
            server.list = replayed
            assert await server.devices(session).refresh(person) == (person,)
        server.signs(3, 5)
        assert await server.devices(session).refresh(person) == (person, linked)
