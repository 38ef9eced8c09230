"""Settings of chats, as the engine tells of them and changes them, in the words of `child.py`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from actors.messages.content import ChatChange

if TYPE_CHECKING:
    from actors.connection.engine import Engine
    from tests.conformance.clients import child
else:
    import child  # by its place beside this program: `tests` is not a name to rely on

_WORDS: Final = {"pin": "pinned", "archive": "archived", "mute": "muted"}


class Settings:
    """The last value of each setting, by the address and the setting's name, as the state store would have it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[tuple[str, str], Any] = {}

    async def obey(self, command: dict[str, Any]) -> None:
        """Show the settings of a chat, or change one."""
        chat = f"{command['chat']}@s.whatsapp.net"
        if command["do"] == "settings":
            child.emit("settings", **await self._shown(chat))
            return
        change = ChatChange(**{_WORDS[command["what"]]: command["on"]})
        await self._engine.change_chat(chat, change, time.time())
        child.emit("set", what=command["what"])

    async def _shown(self, chat: str) -> dict[str, Any]:
        from actors.connection.abilities.app_state_changes import InboxAppState

        while items := await self._engine.pending("app_state", 1000):
            for one in items:
                if isinstance(one, InboxAppState):
                    self._known[one.id, one.setting] = one.value
            await self._engine.settle([one.key for one in items])
        session = self._engine._session  # type: ignore[attr-defined]
        name, mute = self._known.get((chat, "name")), self._known.get((chat, "mute"))
        return {
            "name": name and name["full_name"],
            "muted": mute is not None,
            "pinned": bool(self._known.get((chat, "pinned"))),
            "archived": bool(self._known.get((chat, "archived"))),
            "own_name": session.push_names.find(self._engine.account),
        }
