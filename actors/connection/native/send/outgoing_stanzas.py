"""Writes stanzas of concurrent sends to the native socket in call order, each once its changes are in the session file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.protocol.send.shared_commits import SharedCommits
from actors.connection.protocol.wire_format.nodes import Node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.connection.native.transport.socket import Socket
    from actors.connection.session.session import Session


class OutgoingStanzas(SharedCommits[Node]):
    """Writes stanzas in the order of the calls, each only after what it was made of is on disk.

    A ratchet step commits before the bytes that used it leave: `put` is done when these are written.
    """

    leaves = True

    def __init__(self, session: Session, socket: Socket) -> None:
        super().__init__(session, socket)
        self._socket = socket

    async def _committed(self, made: Sequence[Node]) -> None:
        await self._socket.send(*made)
