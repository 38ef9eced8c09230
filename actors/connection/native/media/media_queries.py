"""Sends media queries over the native socket: for the server list, and to the phone for a re-upload."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from actors.connection.native.identities.addresses import GROUP, Address
from actors.connection.native.media import hosts, reupload_request
from actors.connection.native.transport.nodes import Node, iq

if TYPE_CHECKING:
    from actors.connection.native.identities.routes import Routes
    from actors.connection.native.media.download_worker import AskPhone
    from actors.connection.native.media.hosts import Ask, MediaConnection
    from actors.connection.native.transport.socket import Socket
    from actors.connection.session.files.downloads import Transfer


def servers(socket: Socket) -> Ask:
    """Asks for the media servers over this socket."""

    async def ask() -> MediaConnection:
        reply = await socket.request(iq("set", "w:m", (Node("media_conn"),)))
        return hosts.read(reply, time.monotonic())

    return ask


def phone(socket: Socket, account: str, routes: Routes) -> AskPhone:
    """Asks the phone, whose address is `account`, over this socket."""

    async def ask(transfer: Transfer) -> None:
        chat = Address.parse(transfer.chat)
        in_group = chat.server == GROUP
        to = str(chat if in_group else routes.known(chat).to)
        await socket.send(reupload_request.question(transfer, account, to, in_group=in_group))

    return ask
