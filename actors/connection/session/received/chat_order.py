"""Assigns each arriving message its place in its chat (a time that only rises), stored in the session file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from actors.connection.session.session_part import SessionPart

if TYPE_CHECKING:
    from typing import Literal

PLACE_STEP_SECONDS: Final = 1e-6
"""Seconds between the places of two messages of a chat, at least."""

AGREED: Final = 60.0
"""Seconds by which this host's clock and WhatsApp's may differ for an arrival to be a place."""


class ChatOrder(SessionPart):
    """The newest place in each chat, so that an order by place is the order of arrival, whatever clocks do.

    A place is at most `AGREED` away from WhatsApp's time, unless that goes back within a chat.
    """

    def place(self, chat: str, at: int, source: Literal["live", "offline"]) -> float:
        """Return the place of a message that arrives now, in seconds since the epoch; it is behind all others of its chat.

        `at` is WhatsApp's time. A live message stands at its arrival, by the clock that also times acceptance: behind
        all that it can answer, before all that answers it. One that waited at WhatsApp (``offline``) stands at the end
        of its second, and no later than it arrived. Where the clocks do not agree, either stands at the end of its second.
        """
        now, second = self._file.clock(), at + 1.0
        latest = at + AGREED if source == "live" else second
        place = now if at - AGREED <= now <= latest else second
        row = self._file.row("SELECT place FROM chat_order WHERE chat = ?", (chat,))
        if row is not None:
            place = max(place, float(row[0]) + PLACE_STEP_SECONDS)
        self._file.write(
            "INSERT OR REPLACE INTO chat_order (chat, place) VALUES (?, ?)", (chat, place)
        )
        return place

    def move(self, old: str, new: str) -> None:
        """The chat `old` is `new` from now on: later messages are behind those of both."""
        self._file.write(
            "INSERT INTO chat_order (chat, place) SELECT ?, place FROM chat_order WHERE chat = ?"
            " ON CONFLICT DO UPDATE SET place = max(place, excluded.place)",
            (new, old),
        )
        self._file.write("DELETE FROM chat_order WHERE chat = ?", (old,))
