"""Sends media queries through the whatsmeow program: for the server list, and to the phone for a re-upload."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.media.media_servers import connection

if TYPE_CHECKING:
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.protocol.media.download_worker import ReuploadRequest
    from actors.connection.protocol.media.media_servers import MediaConnection, MediaServerQuery
    from actors.connection.session.files.pending_downloads import Transfer
    from actors.connection.whatsmeow.login_channel import Link


def servers(link: Link) -> MediaServerQuery:
    """Asks for the media servers over this link."""

    async def query() -> MediaConnection:
        answer = (await link.call("media_hosts", fresh=True)).header
        hosts = [str(one) for one in answer.get("hosts") or ()]
        seconds = [
            each for name in ("ttl", "auth_ttl") if isinstance(each := answer.get(name), int)
        ]
        return connection(hosts, str(answer.get("auth") or ""), seconds, time.monotonic())

    return query


def phone(link: Link, people: LidMapping) -> ReuploadRequest:
    """Asks the account's phone over this link."""

    async def request(transfer: Transfer) -> None:
        chat = Address.parse(transfer.chat)
        to = people.named(chat, "lid") if chat.is_person else chat
        await link.call(
            "media_retry",
            body=transfer.key,
            chat=str(to),
            sender=transfer.sender,
            message_id=transfer.message_id,
            from_me=transfer.from_me,
        )

    return request
