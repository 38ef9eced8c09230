"""A drain that is killed: one session file, the real StateManager, a store that refuses one message.

Arguments: the data directory, and the step at which it kills itself (0: never). A step is the moment before
or behind a call of the drain, to the session or to the StateManager. Prints the number of steps.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from actors.connection.owner.inbox_drain import InboxDrain
from actors.connection.owner.sender import Ticket
from actors.connection.session.session import Session
from actors.connection.state_manager.port import StateRefused
from actors.state.actor import StateManager
from actors.state.documents import WriteRefused

if TYPE_CHECKING:
    from actors.redis.leases.lease_record import HeldItems


class Steps:
    """Counts moments, and ends the process at one of them."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.done = 0

    def step(self) -> None:
        self.done += 1
        if self.done == self.last:
            os.kill(os.getpid(), signal.SIGKILL)


class Inbox:
    def __init__(self, session: Session, steps: Steps) -> None:
        self.session, self.steps = session, steps

    async def pending(self, kind: Any, limit: int) -> Any:
        return self.session.inbox.pending(kind, limit)

    async def held_items(self) -> HeldItems:
        return self.session.held_items()

    async def settle(self, keys: Any) -> None:
        self.steps.step()
        async with self.session.transaction():
            self.session.inbox.settle(keys)
        self.steps.step()

    async def set_aside(self, key: int) -> bool:
        self.steps.step()
        async with self.session.transaction():
            done = self.session.refused.set_aside(key)
        self.steps.step()
        return done


class State:
    def __init__(self, manager: StateManager, steps: Steps) -> None:
        self.manager, self.steps = manager, steps

    async def store_messages(self, *arguments: Any) -> bool:
        self.steps.step()
        try:
            return await self.manager.store_messages(*arguments)
        except WriteRefused:
            raise StateRefused from None
        finally:
            self.steps.step()


async def main() -> None:
    data, steps = Path(sys.argv[1]), Steps(int(sys.argv[2]))
    manager = StateManager(str(data), "state")
    with closing(Session.open(data / "sessions" / "shop" / "session.db", 1)) as session:
        inbox, state = Inbox(session, steps), State(manager, steps)
        ticket = Ticket("shop", 1)
        drain = InboxDrain(
            ticket, inbox, cast("Any", None), cast("Any", state), on_lost=lambda _: None
        )
        assert await drain.once()
    await manager.stop()
    print(steps.done, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
