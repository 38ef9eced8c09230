"""The device in a login, and the stored parts of WhatsApp's answer."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from pyaileys.proto import WAProto_pb2
from websockets.asyncio.server import ServerConnection, serve

from actors.connection.native.signal.device_sessions import new_credentials
from actors.connection.native.transport import login
from actors.connection.native.transport.client_payload import MOST_LOGINS
from actors.connection.native.transport.socket import Socket
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.identities.lid_mapping import LidMapping
from actors.connection.protocol.request_errors import ConnectionLost
from actors.connection.protocol.wire_format.nodes import Node, parse, proto
from actors.connection.session.session import Session
from actors.connection.trace.recorder import Recorder

if TYPE_CHECKING:
    from pathlib import Path

    from actors.connection.session.identities.credentials import Credentials

VERSION = "2.3000.1045649367"
ACCOUNT, DEVICE = "15550100001@s.whatsapp.net", "15550100001:4@s.whatsapp.net"
LID = "90000000000001:4@lid"
UNPAIRED = new_credentials()
PAIRED = replace(UNPAIRED, account=ACCOUNT, device=DEVICE, server_key=bytes(32), routing=b"edge")


def said(own: Credentials) -> Any:
    return parse(proto.ClientPayload, login.words(own, VERSION, bytes(32)).payload)


def test_a_login_names_the_device_and_how_many_there_were() -> None:
    payload = said(PAIRED)
    assert (payload.username, payload.device) == (15550100001, 4)
    assert (payload.passive, payload.pull, payload.lidDbMigrated) == (True, True, True)
    assert payload.userAgent.HasField("manufacturer")
    assert not payload.HasField("devicePairingData")
    assert payload.lc == 1
    assert said(replace(PAIRED, logins=41)).lc == 42
    assert said(replace(PAIRED, logins=2**40)).lc == MOST_LOGINS


def test_a_pairing_says_which_history_is_read() -> None:
    payload = said(UNPAIRED)
    assert not payload.HasField("lc")
    properties = WAProto_pb2.DeviceProps.FromString(payload.devicePairingData.deviceProps)
    history = properties.historySyncConfig
    assert (history.storageQuotaMb, history.thumbnailSyncDaysLimit) == (10_240, 60)
    assert history.inlineInitialPayloadInE2EeMsg
    assert history.supportGroupHistory
    assert not history.HasField("fullSyncDaysLimit")


def test_a_pairing_trusts_nothing_of_an_earlier_login() -> None:
    before = login.words(PAIRED, VERSION, bytes(32))
    assert (before.server_key, before.routing) == (bytes(32), b"edge")
    again = login.words(replace(PAIRED, device=None), VERSION, bytes(32))
    assert (again.server_key, again.routing) == (None, None)


@pytest.mark.parametrize(
    ("told", "kept"),
    [({}, None), ({"lid": LID}, LID), ({"lid": "x"}, None), ({"lid": ACCOUNT}, None)],
)
async def test_each_login_is_counted(
    tmp_path: Path, told: dict[str, str], kept: str | None
) -> None:
    with closing(Session.open(tmp_path / "session.db", 1)) as session:
        async with session.transaction():
            session.credentials.save(PAIRED)
        people = LidMapping(session, Address.parse(DEVICE), None)
        for count in (1, 2):
            await login.note_success(session, people, cast("Socket", None), Node("success", told))
            own = session.credentials.read()
            assert own is not None
            assert (own.logins, own.lid) == (count, kept)
        assert people.lid == (None if kept is None else Address.parse(kept))
        if kept is not None:
            assert session.identities.pn_for("90000000000001@lid") == ACCOUNT
            await login.note_success(session, people, cast("Socket", None), Node("success"))
            assert str(people.lid) == kept, "an answer without it leaves it"


async def test_no_library_is_named_in_the_headers(tmp_path: Path) -> None:
    heard: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def hear(connection: ServerConnection) -> None:
        assert connection.request is not None
        heard.set_result(connection.request.headers["User-Agent"])

    async with serve(hear, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws/chat"
        with pytest.raises(ConnectionLost):
            await Socket.open(
                url,
                login.words(PAIRED, VERSION, bytes(32)),
                Recorder(tmp_path / "trace.jsonl", "native"),
            )
        agent = await asyncio.wait_for(heard, 10)
    assert agent.startswith("Mozilla/5.0 ")
    assert "python" not in agent.lower()
    assert "websockets" not in agent.lower()
