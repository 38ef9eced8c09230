"""Stores chats' disappearing timers in SQLite, adds them to people's messages, counts client messages without one.

The server stores the timer of a group alone; people send each other a setting, and each message has the
seconds after which it disappears (whatsmeow `send.go` SetDisappearingTimer). A message without them
stays on the phones of its recipients: the server cannot detect that, but the simulator, which plays the
recipients, adds a remark.
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
        """Returns the timer of a chat in seconds, 0 for never.

        `chat` is a group's address, or one person's number; `number` the other's.
        """
        return int(self._properties.get(_key(chat, number), _TIMER) or 0)

    def set(self, seconds: int, chat: str, number: str = "") -> None:
        """Sets the timer of a chat, named as for `timer`; seconds, 0 for never."""
        self._properties.put(_key(chat, number), _TIMER, str(seconds) if seconds else None)

    def with_timer(self, message: Any, chat: str, number: str) -> Any:
        """Returns a simulated person's message with the timer of its chat; a timer setting changes the timer."""
        self._learn(message, chat, number)
        seconds = self.timer(chat, number)
        return message_content.expiring(message, seconds) if seconds else message

    def observe(self, message: Any, chat: str, sender: str, message_id: str) -> None:
        """Observes a message of a client, once for each inbox.

        A setting changes the timer; a message without the timer is one remark, for any number of
        recipients in a group.
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
    """Returns the key of a chat: the address of a group, or two numbers in sorted order."""
    return chat if "@" in chat else "/".join(sorted((chat, number)))
