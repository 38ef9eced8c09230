"""A device that waits to be linked, asked for a code: what it tells, and what it takes for a phone."""

from __future__ import annotations

import asyncio
import base64
import time
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, cast

import pytest
from cryptography.exceptions import InvalidTag

from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.engine import (
    NO_CODE,
    EngineEvents,
    NotConnected,
    PairingCode,
    Qr,
    SendError,
)
from actors.connection.native.pairing.unpaired_client import UnpairedClient
from actors.connection.native.signal.device_sessions import new_credentials
from actors.connection.pairing_window import PairingWindow
from actors.connection.protocol.request_errors import ConnectionLost, RequestFailed, RequestTimeout
from actors.connection.protocol.wire_format.nodes import Node
from actors.connection.session.session import Session
from tests.unit.actors.connection.native.code_phone import REF, CodePhone, notification
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.connection.native.transport.socket import Socket

PHONE = "15550100001@s.whatsapp.net"
ASKED = Node(
    "iq", {}, (Node("link_code_companion_reg", {}, (Node("link_code_pairing_ref", {}, REF),)),)
)


class Server:
    """WhatsApp, before a device that is not linked: refs for QRs, and a ref for each code."""

    def __init__(self) -> None:
        self.coming: asyncio.Queue[Node | Cause] = asyncio.Queue()
        self.sent: list[Node] = []
        self.requests: list[Node] = []
        self.refuses: dict[str, Exception] = {}
        self.silent: set[str] = set()
        self.cause: Cause | None = None
        refs = tuple(Node("ref", {}, f"2@{n}".encode()) for n in range(6))
        self.coming.put_nowait(Node("iq", {"id": "1"}, (Node("pair-device", {}, refs),)))

    async def receive(self) -> Node:
        node = await self.coming.get()
        if isinstance(node, Cause):
            raise ConnectionLost(node, written=True)
        return node

    async def send(self, *nodes: Node) -> None:
        self.sent += nodes

    async def request(self, node: Node, timeout: float = 0) -> Node:  # noqa: ARG002, ASYNC109
        self.requests.append(node)
        about = node.child("link_code_companion_reg")
        assert about is not None
        if (refusal := self.refuses.get(about.attrs["stage"])) is not None:
            raise refusal
        if about.attrs["stage"] in self.silent:
            await asyncio.Event().wait()
        return ASKED

    def fail(self, cause: Cause) -> None:
        self.cause = cause
        self.coming.put_nowait(cause)

    async def close(self, cause: Cause) -> None:
        self.fail(cause)


class Desk:
    """Events that the owner of the device got."""

    def __init__(self, server: Server, part: UnpairedClient, offering: PairingWindow) -> None:
        self.server, self.part, self.offering = server, part, offering
        self.qrs: list[Qr] = []
        self.codes: list[PairingCode] = []
        self.paired: list[str] = []

    async def code(self) -> PairingCode:
        seconds = await self.offering.left(lambda: None)
        return await self.part.linking.open(PHONE, seconds)

    async def answered(self, requests: int) -> None:
        """The device asked WhatsApp so many things."""
        await eventually("an answer", lambda: len(self.server.requests) >= requests, 5)

    async def typed(self, code: str) -> CodePhone:
        """A phone on which this was typed, once the device answered it."""
        phone = CodePhone(code, self.server.requests[0])
        self.server.coming.put_nowait(phone.hello())
        await self.answered(2)
        return phone


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[Session]:
    with closing(Session.open(tmp_path / "own.db", 1)) as opened:
        yield opened


@asynccontextmanager
async def waiting(session: Session) -> AsyncIterator[Desk]:
    server, offering, events = Server(), PairingWindow(), EngineEvents()
    own = new_credentials()
    async with session.transaction():
        session.credentials.save(own)
    part = UnpairedClient(session, cast("Socket", server), own, events, offering)
    desk = Desk(server, part, offering)

    async def on_qr(qr: Qr) -> None:
        desk.qrs.append(qr)

    async def on_code(code: PairingCode) -> None:
        desk.codes.append(code)

    async def on_paired(account: str) -> None:
        desk.paired.append(account)

    events.on_qr, events.on_code, events.on_paired = on_qr, on_code, on_paired
    running = asyncio.create_task(part.run())
    try:
        yield desk
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await part.close()


async def test_the_phone_on_which_the_code_is_typed_links_the_device(session: Session) -> None:
    async with waiting(session) as desk:
        code = await desk.code()
        assert desk.codes == [code]
        assert len(code.text) == 9
        assert 155 < code.expires_at - time.time() <= 160, "as long as the QRs of this socket"
        phone = await desk.typed(code.text)
        assert [one.attrs for one in desk.server.sent if one.tag == "ack"] == [
            {
                "class": "notification",
                "id": "9",
                "to": "@s.whatsapp.net",
                "type": "link_code_companion_reg",
            }
        ]
        device = phone.finish(desk.server.requests[1])
        desk.server.coming.put_nowait(phone.success(device))
        await eventually("paired", lambda: desk.paired, 5)
        assert desk.paired == [PHONE]
        assert desk.server.sent[-1].child("pair-device-sign") is not None
        own = session.credentials.read()
        assert own is not None
        assert own.device == "15550100001:4@s.whatsapp.net"
        assert own.account_signature_key == phone.identity.public_key().public_bytes_raw()
        assert NO_CODE not in desk.codes


async def test_after_a_wrong_code_the_qr_serves(session: Session) -> None:
    async with waiting(session) as desk:
        code = await desk.code()
        wrong = "Z" if code.text[0] != "Z" else "Y"
        phone = await desk.typed(wrong + code.text[1:])
        assert desk.paired == []
        secret = desk.qrs[0].text.split(",")[3]
        own = session.credentials.read()
        assert own is not None
        desk.server.coming.put_nowait(phone.success(own.identity_public, base64.b64decode(secret)))
        await eventually("paired", lambda: desk.paired, 5)


async def test_a_second_try_with_the_right_code_links(session: Session) -> None:
    async with waiting(session) as desk:
        code = await desk.code()
        wrong = "Z" if code.text[0] != "Z" else "Y"
        await desk.typed(wrong + code.text[1:])
        await asyncio.sleep(0)
        phone = CodePhone(code.text, desk.server.requests[0])
        desk.server.coming.put_nowait(phone.hello())
        await desk.answered(3)
        desk.server.coming.put_nowait(phone.success(phone.finish(desk.server.requests[2])))
        await eventually("paired", lambda: desk.paired, 5)


async def test_a_newer_code_voids_the_older_one(session: Session) -> None:
    async with waiting(session) as desk:
        first, second = await desk.code(), await desk.code()
        assert desk.codes == [first, second]
        assert first.text != second.text
        phone = CodePhone(first.text, desk.server.requests[0])
        desk.server.coming.put_nowait(phone.hello())
        await desk.answered(3)
        with pytest.raises(InvalidTag):
            phone.finish(desk.server.requests[2])


@pytest.mark.parametrize(
    "stanza",
    [
        notification("primary_hello", Node("link_code_pairing_ref", {}, b"another")),
        notification("refresh_code", Node("link_code_pairing_ref", {}, b"another")),
        notification("primary_hello"),
        Node("notification", {"id": "1", "type": "link_code_companion_reg"}),
    ],
)
async def test_what_is_about_no_code_of_ours_changes_nothing(
    session: Session, stanza: Node
) -> None:
    async with waiting(session) as desk:
        desk.server.coming.put_nowait(stanza)
        code = await desk.code()
        desk.server.coming.put_nowait(stanza)
        await eventually("acks", lambda: [one.tag for one in desk.server.sent].count("ack") == 2, 5)
        await asyncio.sleep(0.05)
        assert desk.codes == [code]
        assert len(desk.server.requests) == 1


async def test_a_code_that_is_to_be_replaced_is_void(session: Session) -> None:
    async with waiting(session) as desk:
        code = await desk.code()
        desk.server.coming.put_nowait(
            notification("refresh_code", Node("link_code_pairing_ref", {}, REF))
        )
        await eventually("void", lambda: desk.codes == [code, NO_CODE], 5)
        desk.server.coming.put_nowait(CodePhone(code.text, desk.server.requests[0]).hello())
        await asyncio.sleep(0.2)
        assert len(desk.server.requests) == 1, "it is answered no more"
        assert await desk.code() != code


async def test_what_waits_for_the_end_of_a_code_holds_up_nothing(session: Session) -> None:
    """WhatsApp may void a code in place of an answer; and a new one may be asked for meanwhile."""
    async with waiting(session) as desk:
        desk.server.silent = {"companion_finish"}
        code = await desk.code()
        await desk.typed(code.text)
        desk.server.coming.put_nowait(
            notification("refresh_code", Node("link_code_pairing_ref", {}, REF))
        )
        await eventually("void", lambda: desk.codes == [code, NO_CODE], 5)
        for _ in range(2):  # the second while the first still waits
            code, before = await desk.code(), len(desk.server.requests)
            phone = CodePhone(code.text, desk.server.requests[-1])
            desk.server.coming.put_nowait(phone.hello())
            await desk.answered(before + 1)
        desk.server.coming.put_nowait(phone.success(phone.finish(desk.server.requests[-1])))
        await eventually("paired", lambda: desk.paired, 5)


@pytest.mark.parametrize("refusal", [RequestFailed(400), RequestTimeout()])
async def test_a_code_whose_end_is_refused_is_void(session: Session, refusal: Exception) -> None:
    async with waiting(session) as desk:
        desk.server.refuses["companion_finish"] = refusal
        code = await desk.code()
        await desk.typed(code.text)
        await eventually("void", lambda: desk.codes == [code, NO_CODE], 5)
        assert desk.server.cause is None, "the QRs go on"


async def test_a_phone_that_speaks_nonsense_ends_nothing(session: Session) -> None:
    async with waiting(session) as desk:
        code = await desk.code()
        desk.server.coming.put_nowait(
            notification("primary_hello", Node("link_code_pairing_ref", {}, REF))
        )
        await eventually("void", lambda: desk.codes == [code, NO_CODE], 5)
        assert desk.server.cause is None


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (RequestFailed(429), "pairing_code_limited"),
        (RequestFailed(400), "pairing_code_refused"),
        (RequestTimeout(), "not_connected"),
        (ConnectionLost(Cause(Kind.NETWORK), written=True), "not_connected"),
    ],
)
async def test_a_refused_code_has_a_reason(session: Session, refusal: Exception, code: str) -> None:
    async with waiting(session) as desk:
        desk.server.refuses["companion_hello"] = refusal
        with pytest.raises(SendError) as told:
            await desk.code()
        assert told.value.code == code
        assert desk.codes == []


async def test_a_code_is_asked_for_only_while_somebody_has_time_to_type_it() -> None:
    now, renewed = 100.0, []
    offering = PairingWindow(lambda: now)
    offering.begin(160)
    now += 60
    assert await offering.left(lambda: renewed.append(now)) == 100
    now += 10

    def renew() -> None:
        renewed.append(now)
        asyncio.get_running_loop().call_soon(offering.begin, 160)

    assert await offering.left(renew) == 160
    assert renewed == [170.0]


async def test_without_a_socket_no_code_is_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.connection.pairing_window.CODE_SOCKET_TIMEOUT", 0.05)
    offering = PairingWindow()
    with pytest.raises(NotConnected):
        await offering.left(lambda: None)
    offering.begin(160)
    offering.end()
    with pytest.raises(NotConnected):
        await offering.left(lambda: None)


def beyond(kind: str, *children: Node) -> Node:
    return Node("notification", {"id": "n", "from": "@s.whatsapp.net", "type": kind}, children)


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (beyond("passkey_prologue_request"), Kind.PASSKEY_REQUIRED),
        (
            beyond("passkey_prologue_request", Node("passkey_request_options", {}, b"{}")),
            Kind.PASSKEY_REQUIRED,
        ),
        (
            beyond("companion_reg_refresh", Node("companion_reg_refresh")),
            Kind.PAIRING_REFRESH,
        ),
        (
            beyond("companion_reg_refresh", Node("pair-device-rotate-qr")),
            Kind.PAIRING_REFRESH,
        ),
    ],
)
async def test_what_is_asked_beyond_a_scan_is_acknowledged_and_ends_the_pairing(
    session: Session, asked: Node, kind: Kind
) -> None:
    async with waiting(session) as desk:
        desk.server.coming.put_nowait(asked)
        await eventually("the end", lambda: desk.server.cause, 5)
        assert desk.server.cause == Cause(kind)
        assert [one.attrs["id"] for one in desk.server.sent if one.tag == "ack"] == ["n"]


async def test_other_notifications_end_no_pairing(session: Session) -> None:
    async with waiting(session) as desk:
        desk.server.coming.put_nowait(beyond("companion_reg_refresh", Node("something-else")))
        desk.server.coming.put_nowait(beyond("account_sync"))
        await eventually("acks", lambda: [one.tag for one in desk.server.sent].count("ack") == 2, 5)
        assert desk.server.cause is None


async def test_a_code_that_was_typed_needs_no_other_secret_but_may_need_a_passkey(
    session: Session,
) -> None:
    async with waiting(session) as desk:
        code = await desk.code()
        await desk.typed(code.text)
        refresh = beyond("companion_reg_refresh", Node("companion_reg_refresh"))
        desk.server.coming.put_nowait(refresh)
        await eventually("acks", lambda: [one.tag for one in desk.server.sent].count("ack") == 2, 5)
        assert desk.server.cause is None
        desk.server.coming.put_nowait(beyond("passkey_prologue_request"))
        await eventually("the end", lambda: desk.server.cause, 5)
        assert desk.server.cause == Cause(Kind.PASSKEY_REQUIRED)
