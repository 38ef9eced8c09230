"""Stanzas on their way out: made in transactions that they share, written once that is on disk."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from actors.connection.causes import Cause, Kind
from actors.connection.native.receive.transactions import SessionRefusal, transaction
from actors.connection.native.transport.errors import ConnectionLost

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from actors.connection.native.transport.nodes import Node
    from actors.connection.native.transport.socket import Socket
    from actors.connection.session.session import Session

    Make = Callable[[], Awaitable[Node]]

SHARE: Final = 32
"""Stanzas that share a commit at most."""


class Departures:
    """Writes stanzas in the order of the calls, each only after what it was made of is on disk.

    A ratchet step commits before the bytes that used it leave; those who wait for the disk at one
    time wait for one commit. One that cannot be made takes nothing of the others with it.
    """

    def __init__(self, session: Session, socket: Socket) -> None:
        self._session = session
        self._socket = socket
        self._waiting: list[tuple[Make, asyncio.Future[None]]] = []
        self._working: asyncio.Task[None] | None = None

    def put(self, make: Make) -> asyncio.Future[None]:
        """Call `make` inside a transaction and send what it returns; done when that is written.

        Fails with what `make` raises, then nothing of it has changed, or with `ConnectionLost`. One
        that is cancelled before its turn is not made.
        """
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((make, done))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return done

    async def close(self) -> None:
        """Make nothing more."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
        rest, self._waiting = self._waiting, []
        _lost(rest, self._socket.cause or Cause(Kind.CLOSED), written=False)

    async def _work(self) -> None:
        while self._waiting:
            share, self._waiting = self._waiting[:SHARE], self._waiting[SHARE:]
            try:
                await self._depart(share)
            except ConnectionLost as lost:
                _lost(share, lost.cause, written=lost.written)
            except BaseException:
                # Cut off somewhere: who waits is not the one that was cancelled.
                _lost(share, self._socket.cause or Cause(Kind.CLOSED), written=True)
                raise

    async def _depart(self, share: list[tuple[Make, asyncio.Future[None]]]) -> None:
        made: list[tuple[Node, asyncio.Future[None]]] = []
        async with transaction(self._session, self._socket):
            for make, done in share:
                if done.done():
                    continue
                try:
                    with self._session.savepoint():
                        node = await make()
                except SessionRefusal:
                    raise
                except Exception as error:  # noqa: BLE001 - told to whoever waits for this one
                    if not done.done():
                        done.set_exception(error)
                else:
                    made.append((node, done))
        if made:
            await self._socket.send(*(node for node, _ in made))
        for _, done in made:
            if not done.done():
                done.set_result(None)


def _lost(
    share: Iterable[tuple[Make, asyncio.Future[None]]], cause: Cause, *, written: bool
) -> None:
    for _, done in share:
        if not done.done():
            # One each: raised by many, a single exception would gather all their frames.
            done.set_exception(ConnectionLost(cause, written=written))
            done.exception()  # seen, where nobody waits any more
