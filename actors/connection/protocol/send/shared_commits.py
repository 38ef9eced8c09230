"""Commits session-file changes of concurrent sends in shared transactions, in call order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.protocol.request_errors import ConnectionLost
from actors.connection.protocol.session_transactions import SessionRefusal, transaction
from actors.runtime.group_commit import GroupCommit, at_most

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from actors.connection.protocol.session_transactions import SessionLink
    from actors.connection.session.session import Session

COMMIT_CHANGES: Final = 32
"""Changes that share a commit at most."""

Made = TypeVar("Made")
_Change: TypeAlias = "tuple[Callable[[], Awaitable[Made]], asyncio.Future[Made]]"


class SharedCommits(Generic[Made]):
    """Makes changes in the order of the calls; those that wait at one time share a commit.

    A change that cannot be made undoes no other.
    """

    def __init__(self, session: Session, link: SessionLink) -> None:
        self._session = session
        self._link = link
        self._changes: GroupCommit[_Change[Made], list[_Change[Made]]] = GroupCommit(
            at_most(COMMIT_CHANGES), self._settle
        )

    def put(self, make: Callable[[], Awaitable[Made]]) -> asyncio.Future[Made]:
        """Call `make` inside a transaction; done, with what it returns, when that is on disk.

        Fails with what `make` raises, then nothing of it has changed, or with `ConnectionLost`. One
        that is cancelled before its turn is not made.
        """
        done: asyncio.Future[Made] = asyncio.get_running_loop().create_future()
        self._changes.put((make, done))
        return done

    async def close(self) -> None:
        """Make nothing more."""
        rest = await self._changes.close()
        _lost(rest, self._link.cause or Cause(Kind.CLOSED), written=False)

    async def _settle(self, share: list[_Change[Made]]) -> None:
        try:
            await self._commit(share)
        except ConnectionLost as lost:
            _lost(share, lost.cause, written=lost.written)
        except BaseException:
            # Cut off somewhere: the callers are not the task that was cancelled.
            _lost(share, self._link.cause or Cause(Kind.CLOSED), written=False)
            raise

    async def _commit(self, share: list[_Change[Made]]) -> None:
        found: list[tuple[Made, asyncio.Future[Made]]] = []
        async with transaction(self._session, self._link):
            for make, done in share:
                if done.done():
                    continue
                try:
                    with self._session.savepoint():
                        made = await make()
                except SessionRefusal:
                    raise
                except Exception as error:  # noqa: BLE001 - the caller of this change gets it
                    if not done.done():
                        done.set_exception(error)
                else:
                    found.append((made, done))
        for made, done in found:
            if not done.done():
                done.set_result(made)


def _lost(share: Iterable[tuple[Any, asyncio.Future[Any]]], cause: Cause, *, written: bool) -> None:
    for _, done in share:
        if not done.done():
            # One each: raised by many, a single exception would gather all their frames.
            done.set_exception(ConnectionLost(cause, written=written))
            done.exception()  # seen, where nobody waits any more
