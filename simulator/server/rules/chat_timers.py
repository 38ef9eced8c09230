"""Disappearing messages: the timer of each chat, and remarks on messages that lack it.

The timer of a chat is in none of the server's hands but a group's: people tell each other of it by a
setting, and each message says after how many seconds it disappears (whatsmeow `send.go`
SetDisappearingTimer). A message without it stays on the phones of the others, which the server cannot
see and the simulator, who plays those others, remarks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simulator.contacts import message_content

if TYPE_CHECKING:
    from simulator.server.rules.properties import Properties
    from simulator.server.rules.remarks import Remarks
    from simulator.store import Store

_TIMER: Final = "timer"
REMARK: Final = "expiration"


class ChatTimers:
    """The timer of each chat: of a group, or of two numbers; it survives a restart."""

    def __init__(self, store: Store, properties: Properties, remarks: Remarks) -> None:
        self._store = store
        self._properties = properties
        self._remarks = remarks

    def timer(self, chat: str, number: str = "") -> int:
        """Seconds after which messages of the chat disappear, 0 for never.

        `chat` is a group's address, or one person's number; `number` the other's.
        """
        return int(self._properties.get(_key(chat, number), _TIMER) or 0)

    def set(self, seconds: int, chat: str, number: str = "") -> None:
        self._properties.put(_key(chat, number), _TIMER, str(seconds) if seconds else None)

    def with_timer(self, message: Any, chat: str, number: str) -> Any:
        """The words of a played person in a chat, as the chat's timer has it; a setting changes that."""
        self._learn(message, chat, number)
        seconds = self.timer(chat, number)
        return message_content.expiring(message, seconds) if seconds else message

    def observe(self, message: Any, chat: str, sender: str, message_id: str) -> None:
        """Looks at what an account's client sent, once for each inbox that it came to.

        A setting changes the timer; a message that does not bear the timer is one remark, however
        many members of a group got it.
        """
        self._learn(message, chat, sender)
        seconds, borne = self.timer(chat, sender), message_content.expiration(message)
        if borne is None or borne == seconds:
            return
        inboxes = "SELECT count(*) FROM inbox WHERE sender = ? AND id = ?"
        if self._store.number(inboxes, sender, message_id) == 1:
            self._remarks.add(sender, REMARK)

    def _learn(self, message: Any, chat: str, number: str) -> None:
        seconds = message_content.timer_in(message)
        if seconds is not None:
            self.set(seconds, chat, number)


def _key(chat: str, number: str) -> str:
    """A group by its address; two people by both their numbers, whoever is named first."""
    return chat if "@" in chat else "/".join(sorted((chat, number)))
