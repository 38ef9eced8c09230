"""Sends media queries over the native socket: for the server list, and to the phone for a re-upload."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from actors.connection.protocol.identities.addresses import GROUP, Address
from actors.connection.protocol.media import media_servers, reupload_request
from actors.connection.protocol.wire_format.nodes import Node, iq

if TYPE_CHECKING:
    from actors.connection.native.identities.addressing_mode import Routes
    from actors.connection.native.transport.socket import Socket
    from actors.connection.protocol.media.download_worker import ReuploadRequest
    from actors.connection.protocol.media.media_servers import MediaConnection, MediaServerQuery
    from actors.connection.session.files.pending_downloads import Transfer


def servers(socket: Socket) -> MediaServerQuery:
    """Asks for the media servers over this socket."""

    async def query() -> MediaConnection:
        reply = await socket.request(iq("set", "w:m", (Node("media_conn"),)))
        return media_servers.read(reply, time.monotonic())

    return query


def phone(socket: Socket, account: str, routes: Routes) -> ReuploadRequest:
    """Asks the phone, whose address is `account`, over this socket."""

    async def request(transfer: Transfer) -> None:
        chat = Address.parse(transfer.chat)
        in_group = chat.server == GROUP
        to = str(chat if in_group else routes.stored(chat).to)
        await socket.send(reupload_request.question(transfer, account, to, in_group=in_group))

    return request
