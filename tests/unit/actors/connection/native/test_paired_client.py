"""A paired device and an unpaired one on a socket that is stood in for: what others cannot do."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from actors.config.sources import resolve_settings
from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.engine import EngineEvents, SendRequest
from actors.connection.limits.ack_errors import SendDeferred
from actors.connection.native.paired_client import PairedClient
from actors.connection.native.pairing import unpaired_client
from actors.connection.native.pairing.unpaired_client import UnpairedClient
from actors.connection.native.receive.offline_queue import STANZAS_PER_REQUEST
from actors.connection.native.send.resend import Resender
from actors.connection.native.signal import prekey_bundles
from actors.connection.native.signal.device_sessions import Signal, new_credentials, new_key_pair
from actors.connection.pairing_window import PairingWindow
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.request_errors import ConnectionLost
from actors.connection.protocol.send.to_proto import Place, write
from actors.connection.protocol.wire_format.nodes import Node
from actors.connection.session.session import Session
from actors.connection.whatsapp_version import Versions
from actors.messages.content import Text
from actors.metrics.mistakes import OWN_MISTAKES
from tests.processes.measured import Measured

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from actors.connection.limits.account_limits import Limits
    from actors.connection.native.transport.socket import Socket
    from actors.connection.session.identities.credentials import Credentials

ACCOUNT = "15550100001@s.whatsapp.net"
DEVICE = "15550100001:4@s.whatsapp.net"
TABLET = "15550100001:5@s.whatsapp.net"
CAROL = "15550100002@s.whatsapp.net"
MALLORY = "15550100003:1@s.whatsapp.net"
NUMBER = "3EB0000000000000000001"
TEXT = write(Text("for Carol alone"), Place(CAROL, CAROL, 0.0))


class Wire:
    """Gives what is put in, notes what is sent."""

    part: PairedClient

    def __init__(self) -> None:
        self.coming: asyncio.Queue[Node | Cause] = asyncio.Queue()
        self.sent: list[Node] = []
        self.counts: Counter[str] = Counter()
        self.cause: Cause | None = None
        self.more = asyncio.Event()

    async def receive(self) -> Node:
        node = await self.coming.get()
        if isinstance(node, Cause):
            raise ConnectionLost(node, written=True)
        return node

    async def send(self, *nodes: Node) -> None:
        self.sent += nodes
        self.more.set()

    def fail(self, cause: Cause) -> None:
        self.cause = cause
        self.coming.put_nowait(cause)
        self.more.set()

    async def acknowledged(self, receipt: Node) -> list[Node]:
        """Returns the stanzas that were sent before the receipt's ack."""
        self.coming.put_nowait(receipt)
        async with asyncio.timeout(5):
            while not (self.sent and self.sent[-1].tag == "ack"):
                assert self.cause is None, self.cause
                self.more.clear()
                await self.more.wait()
        return self.sent[:-1]


def retry_receipt(own: Credentials, prekey: tuple[int, bytes], sender: str, **more: str) -> Node:
    """Returns the retry receipt of a device that could not read a message, with its keys."""
    return Node(
        "receipt",
        {"id": NUMBER, "from": sender, "type": "retry", **more},
        (
            Node("retry", {"count": "1", "id": NUMBER, "t": "900", "v": "1"}),
            Node("registration", {}, own.registration_id.to_bytes(4, "big")),
            Node("keys", {}, prekey_bundles.for_retry(own, prekey)),
        ),
    )


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[Session]:
    """The account's device, which sent a message to Carol."""
    with closing(Session.open(tmp_path / "own.db", 1)) as opened:
        async with opened.transaction():
            opened.credentials.save(
                replace(new_credentials(), account=ACCOUNT, device=DEVICE, device_identity=b"adv")
            )
            opened.sent.remember(CAROL, NUMBER, TEXT, opened.clock())
        yield opened


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Session]:
    with closing(Session.open(tmp_path / "other.db", 1)) as opened:
        yield opened


async def credentials(other: Session) -> tuple[Credentials, tuple[int, bytes]]:
    own = replace(new_credentials(), device_identity=b"adv")
    async with other.transaction():
        other.credentials.save(own)
        (prekey,) = Signal(other).make_prekeys(1)
    return own, prekey


@asynccontextmanager
async def linked(
    session: Session, versions: Versions | None = None, events: EngineEvents | None = None
) -> AsyncIterator[Wire]:
    wire = Wire()
    part = PairedClient(
        session,
        cast("Socket", wire),
        Address.parse(DEVICE),
        None,
        events or EngineEvents(),
        ack_timeout=1,
        signed_prekey_age=1e9,
        counts=wire.counts,
        versions=versions or Versions(resolve_settings()),
    )
    wire.part = part
    running = asyncio.create_task(part.run())
    try:
        yield wire
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError, ConnectionLost):
            await running
        await part.close()


async def test_a_stranger_gets_no_message_of_another_chat(session: Session, other: Session) -> None:
    """G10: the chat is the sender's, whatever chat the retry receipt names."""
    own, prekey = await credentials(other)
    for more in ({"recipient": CAROL}, {"participant": CAROL}, {"participant": TABLET}):
        async with linked(session) as wire:
            receipt = retry_receipt(own, prekey, MALLORY, **more)
            assert await wire.acknowledged(receipt) == []
            assert wire.counts == {"receipt.retry": 1, "resend.unknown": 1}


async def test_who_was_sent_a_message_gets_it_before_the_ack(
    session: Session, other: Session
) -> None:
    own, prekey = await credentials(other)
    async with linked(session) as wire:
        (message,) = await wire.acknowledged(retry_receipt(own, prekey, CAROL))
        assert wire.counts == {"receipt.retry": 1, "resend.resent": 1}
    assert (message.attrs["to"], message.attrs["id"]) == (CAROL, NUMBER)


async def test_stanzas_that_wait_for_no_answer_are_dropped_and_counted(
    session: Session, other: Session
) -> None:
    own, prekey = await credentials(other)
    async with linked(session) as wire:
        for tag in ("presence", "chatstate", "", "ack", "error", "failure"):
            wire.coming.put_nowait(Node(tag, {"id": "A", "from": CAROL}))
        wire.coming.put_nowait(Node("iq", {"id": "B", "from": CAROL, "type": "set"}))
        (message,) = await wire.acknowledged(retry_receipt(own, prekey, CAROL))
        assert message.tag == "message"
        assert wire.counts["presence.heard"] == 1, "it says something"
        assert wire.counts["stanza.dropped"] == 6


@pytest.mark.parametrize(
    ("tag", "error"), [("status", None), ("appdata", None), ("call", None), ("xyzzy", "488")]
)
async def test_every_other_stanza_is_answered(
    session: Session, tag: str, error: str | None
) -> None:
    """Or WhatsApp sends it again and closes the stream for it; one without a name cannot be."""
    async with linked(session) as wire:
        wire.coming.put_nowait(Node(tag, {"from": CAROL}))
        assert await wire.acknowledged(Node(tag, {"id": "A", "from": CAROL, "type": "x"})) == []
        named = {"class": tag, "id": "A", "to": CAROL, "type": "x"}
        assert wire.sent == [Node("ack", named if error is None else {**named, "error": error})]


async def test_the_end_of_the_announced_version_is_reported(
    session: Session, tmp_path: Path
) -> None:
    versions = Versions(resolve_settings(data=tmp_path, whatsapp_version="2.3000.7"))
    await versions.announced()
    reported: asyncio.Queue[float | None] = asyncio.Queue()
    events = EngineEvents(on_version_end=reported.put)
    async with linked(session, versions, events) as wire, asyncio.timeout(10):
        for attrs, end in (({"t": "2000000900"}, 2e9 + 900), ({"t": "x"}, 2e9 + 900), ({}, None)):
            wire.coming.put_nowait(Node("ib", {}, (Node("client_expiration", attrs),)))
            assert await reported.get() == end


async def test_an_announced_limit_holds_for_strangers(session: Session) -> None:
    reported: asyncio.Queue[Limits] = asyncio.Queue()
    async with linked(session, events=EngineEvents(on_limits=reported.put)) as wire:
        said = b'{"data": {"xwa2_notify_account_reachout_timelock": {"is_active": true}}}'
        attrs = {"id": "A", "from": "s.whatsapp.net", "type": "mex"}
        notification = Node("notification", attrs, (Node("update", {}, said),))
        assert await wire.acknowledged(notification) == []
        async with asyncio.timeout(5):
            limits = await reported.get()
        assert limits == session.outreach.limits()
        assert limits.locked_until is not None
        wire.part._logged_in = True
        with pytest.raises(SendDeferred) as deferred:
            await wire.part.send(SendRequest(NUMBER, CAROL, Text("never")))
        assert deferred.value.until == limits.locked_until
        assert [one.tag for one in wire.sent] == ["ack"], "nothing of it left"


async def test_a_limit_holds_from_its_commit_on_before_its_report(session: Session) -> None:
    """Between the two a message would meet WhatsApp's refusal, which is for good."""
    reported: asyncio.Queue[Limits] = asyncio.Queue()
    acknowledges, may_go_on = asyncio.Event(), asyncio.Event()
    async with linked(session, events=EngineEvents(on_limits=reported.put)) as wire:

        async def slowly(*nodes: Node) -> None:
            acknowledges.set()
            await may_go_on.wait()
            wire.sent += nodes

        wire.send = slowly  # type: ignore[method-assign]
        wire.part._logged_in = True
        said = b'{"data": {"xwa2_notify_account_reachout_timelock": {"is_active": true}}}'
        attrs = {"id": "A", "from": "s.whatsapp.net", "type": "mex"}
        wire.coming.put_nowait(Node("notification", attrs, (Node("update", {}, said),)))
        async with asyncio.timeout(5):
            await acknowledges.wait()
        assert session.outreach.limits().locked_until is not None, (
            "it is on disk before it is acknowledged"
        )
        assert reported.empty(), "and it is not reported yet"
        with pytest.raises(SendDeferred) as deferred:
            await wire.part.send(SendRequest(NUMBER, CAROL, Text("never")))
        assert deferred.value.until == session.outreach.limits().locked_until
        assert (wire.sent, reported.qsize()) == ([], 0)
        may_go_on.set()
        async with asyncio.timeout(5):
            assert await reported.get() == session.outreach.limits()


async def test_forged_keys_in_a_retry_receipt_end_nothing(session: Session, other: Session) -> None:
    """G9: or anybody could keep a connection down."""
    own, prekey = await credentials(other)
    forged = replace(own, identity_public=new_key_pair()[1])
    async with linked(session) as wire:
        assert await wire.acknowledged(retry_receipt(forged, prekey, CAROL)) == []


async def test_a_retry_receipt_that_breaks_the_handler_is_refused(
    session: Session, other: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would come again at each login; the connection goes on."""
    own, prekey = await credentials(other)
    measured = Measured()

    async def break_down(*_: object) -> str:
        raise KeyError

    monkeypatch.setattr(Resender, "resend", break_down)
    async with linked(session) as wire:
        assert await wire.acknowledged(retry_receipt(own, prekey, CAROL)) == []
        assert wire.sent[-1].attrs["error"] == "500"
        assert wire.counts == {"receipt.retry": 1, "resend.refused": 1}
    assert measured.rise(OWN_MISTAKES, action="resend.failed") == 1


async def test_the_queue_is_asked_for_to_its_end(session: Session) -> None:
    """All kinds of stanzas from it count; an empty queue is not requested."""
    async with linked(session) as wire:

        async def asked(count: int) -> None:
            async with asyncio.timeout(2):  # less than the patience with a silent server
                while len([one for one in wire.sent if one.tag == "ib"]) < count:
                    wire.more.clear()
                    await wire.more.wait()

        for count in ("0", f"{STANZAS_PER_REQUEST + 1}"):
            wire.coming.put_nowait(Node("ib", {}, (Node("offline_preview", {"count": count}),)))
        await asked(1)
        for number in range(STANZAS_PER_REQUEST):
            tag = ("receipt", "notification", "call", "presence")[number % 4]
            wire.coming.put_nowait(
                Node(tag, {"id": f"{number}", "from": CAROL, "offline": "1", "t": "5"})
            )
        await asked(2)
        wire.coming.put_nowait(
            Node("ib", {}, (Node("offline", {"count": f"{STANZAS_PER_REQUEST + 1}"}),))
        )
        await wire.acknowledged(Node("call", {"id": "last", "from": CAROL}))
        assert len([one for one in wire.sent if one.tag == "ib"]) == 2


async def test_without_an_offer_to_pair_the_socket_ends(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G8."""
    monkeypatch.setattr(unpaired_client, "OFFER_TIMEOUT", 0.05)
    wire = Wire()
    part = UnpairedClient(
        session, cast("Socket", wire), new_credentials(), EngineEvents(), PairingWindow()
    )
    with pytest.raises(ConnectionLost):
        await asyncio.wait_for(part.run(), 5)
    assert wire.cause == Cause(Kind.NETWORK, "no_offer")
