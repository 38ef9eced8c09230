"""Groups and the time before, as the engine tells of them, in the words of `child.py`."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.connection.engine import Engine, InboxMessage
    from tests.conformance.clients import child
else:
    import child  # by its place beside this program: `tests` is not a name to rely on

APART = 0.3


class Groups:
    """Asks for the groups again and again: the port has no event for who joins and leaves."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._members: dict[str, set[str]] = {}

    async def watch(self) -> None:
        from actors.connection.engine import SendError

        while True:
            with suppress(SendError):
                await self.look()
            await asyncio.sleep(APART)

    async def look(self) -> dict[str, tuple[str, set[str]]]:
        """Subject and members of each group; tells what changed."""
        found = {
            one.chat: (one.subject, {each.address.partition("@")[0] for each in one.members})
            for one in await self._engine.administration.groups.all()
        }
        for group, (_, members) in found.items():
            before = self._members.get(group)
            if before is None:
                child.emit("joined", group=group)
            elif before != members:
                joined, left = len(members - before), len(before - members)
                child.emit("members", group=group, joined=joined, left=left)
            self._members[group] = members
        return found

    async def obey(self, command: dict[str, Any]) -> None:
        found = await self.look()
        if command["do"] == "groups":
            child.emit("groups", groups=sorted(found))
            return
        subject, members = found[command["group"]]
        child.emit("group", group=command["group"], subject=subject, members=sorted(members))


def tell_history(past: Sequence[InboxMessage]) -> None:
    """The messages by their chats; how chats and people are called is not on the port."""
    chats: dict[str, list[list[str | None]]] = {}
    for one in past:
        chats.setdefault(one.chat, []).append([one.message_id, one.text])
    conversations = [{"chat": chat, "messages": messages} for chat, messages in chats.items()]
    child.emit("history", conversations=conversations)
