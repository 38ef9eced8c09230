"""Decides what follows where WhatsApp refuses messages by 400: the other kind of address, a new login, or a dead letter.

An account whose chats are not named by LID gets 400 for one (whatsapp-rust #941), and an account may get it for every
message until it logs in again.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from actors.connection.protocol.identities.addresses import PHONE_NUMBER

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.protocol.identities.addresses import Address, Kind
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.session.identities.linked_device import LinkedDevice
    from actors.connection.session.session import Session

NUMBERS_PREFERRED_SECONDS: Final = 7 * 86_400.0
"""Seconds for which direct messages go by number before a LID is tried again: accounts migrate."""

RELOGIN_PAUSE_SECONDS: Final = 600.0
"""Seconds between two logins for refused messages, however many are refused."""

MOST_REFUSED: Final = 1000
"""Refused messages that are remembered at most."""


class AddressKinds:
    """Chooses by which kind of address a direct message leaves, and remembers which one WhatsApp took."""

    def __init__(
        self, session: Session, people: LidMapping, clock: Callable[[], float] = time.time
    ) -> None:
        self._session = session
        self._people = people
        self._clock = clock

    def of(self, chat: Address, message_id: str) -> Kind:
        """The kind for a message; one that may have arrived keeps its own, or its recipient may see two (G3)."""
        return self._session.sent.wire(str(chat), message_id) or self._preferred(chat)

    def other(self, chat: Address, kind: Kind) -> Kind | None:
        """The kind by which a message that was refused goes once more; None where it may not.

        A number in place of the LID of an account that is migrated would count as an attempt to write to a stranger
        (OpenWA #717).
        """
        device = self._session.linked_device.read()
        if kind == "number":
            return "lid"
        shown = self._people.canonical(chat).server == PHONE_NUMBER
        return "number" if shown and device is not None and not device.lid_migrated else None

    def taken(self, kind: Kind) -> None:
        """WhatsApp took a kind and not the other; inside a transaction of the session."""
        device = self._session.linked_device.read()
        if device is not None:
            self._session.linked_device.save(
                replace(device, by_number_until=None, lid_migrated=True)
                if kind == "lid"
                else replace(device, by_number_until=self._clock() + NUMBERS_PREFERRED_SECONDS)
            )

    def _preferred(self, chat: Address) -> Kind:
        shown = self._people.canonical(chat).server == PHONE_NUMBER
        device = self._session.linked_device.read()
        return "number" if shown and _by_number(device, self._clock()) else "lid"


def _by_number(device: LinkedDevice | None, now: float) -> bool:
    if device is None or device.lid_migrated is not None:
        return device is not None and not device.lid_migrated
    # A clock that was set back must not make it last.
    left = 0.0 if device.by_number_until is None else device.by_number_until - now
    return 0 < left <= NUMBERS_PREFERRED_SECONDS


class RefusedStanzas:
    """Tells a message that WhatsApp refuses from an account of which it refuses every one; across logins.

    A message is refused for good once others were accepted, or a new login was made, since its first refusal.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: dict[str, int] = {}
        self._accepted = self._in_a_row = 0
        self._asked = False
        self._asked_at = -RELOGIN_PAUSE_SECONDS

    def accepted(self) -> None:
        """WhatsApp took a message."""
        self._accepted += 1
        self._in_a_row, self._asked = 0, False

    def refused(self, message_id: str) -> Literal["again", "login", "dead"]:
        """The consequence of a message's refusal: another attempt, a new login before it, or none."""
        self._in_a_row += 1
        before = self._first.pop(message_id, None)
        if before is not None and (before != self._accepted or self._asked):
            return "dead"
        while len(self._first) >= MOST_REFUSED:
            self._first.pop(next(iter(self._first)))
        self._first[message_id] = self._accepted
        now = self._clock()
        if self._in_a_row < 2 or self._asked or now - self._asked_at < RELOGIN_PAUSE_SECONDS:
            return "again"
        self._asked, self._asked_at = True, now
        return "login"
