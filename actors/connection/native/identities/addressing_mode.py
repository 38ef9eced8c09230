"""Chooses whether a direct message's stanza has LIDs or phone numbers, and whether a refused one is sent by number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from actors.connection.engine import SendError
from actors.connection.native.identities.recipient_devices import everyone
from actors.connection.protocol.identities.addresses import LID, PHONE_NUMBER

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.native.identities.devices import Devices, Installed
    from actors.connection.native.identities.recipient_devices import Everyone
    from actors.connection.protocol.identities.addresses import Address, Kind
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.session.identities.credentials import Credentials
    from actors.connection.session.session import Session

REFUSED_STANZA: Final = "refused_400"
"""The code of the refusal of a stanza that is not as WhatsApp wants it."""

BY_NUMBER_SECONDS: Final = 7 * 86_400.0
"""Seconds for which direct messages go by number before a LID is tried again: accounts migrate."""


@dataclass(frozen=True, slots=True)
class Route:
    """Addresses of one kind: WhatsApp refuses a stanza with both (whatsapp-rust #636, #730).

    `to` is the person, `own` this device. `number` is the person's phone number where `to` is a LID
    and the number is known: the stanza names it beside (``peer_recipient_pn``).
    """

    to: Address
    own: Address
    number: Address | None = None

    @property
    def kind(self) -> Kind:
        """The kind of all its addresses."""
        return "lid" if self.to.server == LID else "number"

    def everyone(self, theirs: Installed, own: Installed) -> Everyone:
        """All devices of the person and of the account."""
        return everyone(self.to, theirs, self.own, own)


def prefers_numbers(own: Credentials | None, now: float) -> bool:
    """Whether the account's direct messages go by number: its chats are not named by LID, as it seems."""
    if own is None or own.lid_migrated is not None:
        return own is not None and not own.lid_migrated
    # A clock that was set back must not make it last.
    return own.by_number_until is not None and 0 < own.by_number_until - now <= BY_NUMBER_SECONDS


def may_go_by_number(own: Credentials | None, refusal: str, wire: Kind | None) -> bool:
    """Whether a message that left by `wire` and was refused may go once more, by number.

    An account whose chats are not named by LID gets 400 for one (whatsapp-rust #941); it says that
    nothing was delivered. A number in place of the LID of an account that is migrated would count
    as an attempt to write to a stranger (OpenWA #717).
    """
    migrated = own is not None and own.lid_migrated is not None
    return refusal == REFUSED_STANZA and wire == "lid" and not migrated


class Routes:
    """Chooses the addresses of stanzas to persons: LIDs, where both are known (whatsmeow, send.go).

    A person's canonical address, by which everything here is named, does not depend on it.
    """

    def __init__(
        self, session: Session, people: LidMapping, devices: Devices, clock: Callable[[], float]
    ) -> None:
        self._session = session
        self._people = people
        self._devices = devices
        self._clock = clock

    def stored(self, person: Address, kind: Kind | None = None) -> Route:
        """The route to a person by what is known; `kind` is one that has to be kept, where it can be."""
        person = self._people.canonical(person)
        device = self._people.device
        own = device if self._people.lid is None else device.of(self._people.lid)
        if person.server == LID:
            return Route(person, own)
        lid = self._people.named(person, "lid")
        by_number = kind == "number" or (kind is None and self._prefers_numbers())
        if own.server != LID or lid.server != LID or by_number:
            return Route(person, device)
        return Route(lid, own, person)

    async def to(self, person: Address, kind: Kind | None = None) -> Route:
        """As `stored`, after asking WhatsApp for a LID that is not.

        Raises what `Devices.of` raises, and `SendError` where the account's LID would be needed.
        """
        route = self.stored(person, kind)
        if route.to.server == LID and route.own.server != LID:
            # WhatsApp names it at a login: the next one may bring it.
            raise SendError("lid_unknown")
        if route.kind == "number" and kind is None and self._uses_lids():
            # The answer has the LID as well, and is asked for as often as it gets old.
            await self._devices.of(route.to)
            route = self.stored(person)
        return route

    def may_go_by_number(self, person: Address, refusal: str, number: str) -> bool:
        """See the function; `number` is the message's id. False where the person shows no number."""
        person = self._people.canonical(person)
        wire = self._session.sent.wire(str(person), number)
        shown = person.server == PHONE_NUMBER
        return shown and may_go_by_number(self._session.credentials.read(), refusal, wire)

    def prefer_numbers(self) -> None:
        """Have all direct messages go by number for a while, inside a transaction of the session."""
        own = self._session.credentials.read()
        if own is not None:
            until = self._clock() + BY_NUMBER_SECONDS
            self._session.credentials.save(replace(own, by_number_until=until))

    def _prefers_numbers(self) -> bool:
        return prefers_numbers(self._session.credentials.read(), self._clock())

    def _uses_lids(self) -> bool:
        """Whether a person's LID would be used."""
        return self._people.lid is not None and not self._prefers_numbers()
