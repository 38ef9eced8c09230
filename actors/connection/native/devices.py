"""Which devices a person has, from the session's cache or from WhatsApp."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from actors.connection.native import key_index, usync
from actors.connection.native.addresses import Address
from actors.connection.native.committing import transaction

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.connection.native.people import People
    from actors.connection.native.socket import Socket
    from actors.connection.session import Session

FRESH: Final = 86_400.0
"""Seconds that a device list is trusted without being told that it changed."""


class NotOnWhatsApp(Exception):  # noqa: N818 - reads as what it is
    """WhatsApp knows nobody under this address."""


class Devices:
    """Device lists by canonical address. Concurrent questions about one person are one request.

    Raises what the socket's `request` raises when WhatsApp has to be asked and does not answer.
    """

    def __init__(
        self,
        session: Session,
        people: People,
        socket: Socket,
        clock: Callable[[], float],
        *,
        on_inbox: Callable[[], Awaitable[None]],
    ) -> None:
        self._session = session
        self._people = people
        self._socket = socket
        self._clock = clock
        self._on_inbox = on_inbox
        self._asking: dict[Address, asyncio.Task[tuple[Address, ...]]] = {}
        self._changed: set[Address] = set()

    async def of(self, person: Address) -> tuple[Address, ...]:
        """The devices of a person. Raises `NotOnWhatsApp`."""
        cached = self.cached(person)
        return await self.refresh(person) if cached is None else cached

    def cached(self, person: Address) -> tuple[Address, ...] | None:
        """As `of` as far as it is known and fresh; None where WhatsApp has to be asked."""
        cached = self._session.devices(str(person))
        if cached is None or self._clock() - cached.fetched_at >= FRESH:
            return None
        return tuple(Address.parse(device) for device in cached.devices)

    async def refresh(self, person: Address) -> tuple[Address, ...]:
        """As `of`, but ask WhatsApp whatever the cache says."""
        asking = self._asking.get(person)
        if asking is None:
            asking = asyncio.create_task(self._ask(person))
            self._asking[person] = asking
            asking.add_done_callback(lambda done: self._asked(person, done))
        return await asyncio.shield(asking)

    def forget(self, person: Address) -> None:
        """Ask again before the next message, inside a transaction of the session."""
        self._session.forget_devices(str(person))
        if person in self._asking:
            self._changed.add(person)

    async def _ask(self, person: Address) -> tuple[Address, ...]:
        while True:
            listed, devices, believed = await self._fetch(person)
            async with transaction(self._session, self._socket):
                # An answer that was on its way when the list changed may be the old list.
                stale = person in self._changed
                self._changed.discard(person)
                if not stale:
                    self._session.save_key_list(str(person), believed)
                    learned = self._people.learn(person, listed.lid)
                    self._session.save_devices(
                        str(person), [str(device) for device in devices], self._clock()
                    )
            if not stale:
                if learned:
                    await self._on_inbox()
                return devices

    async def _fetch(self, person: Address) -> tuple[usync.Listed, tuple[Address, ...], bytes]:
        answer = usync.devices_answer(await self._socket.request(usync.devices_query([person])))
        # One person was asked about, who may be listed under the other address.
        listed = next(iter(answer.values()), usync.Listed((), None))
        name = str(person)
        numbers, believed = key_index.vouched(
            listed.devices,
            listed.indexes,
            listed.signed,
            self._session.identity(name),
            self._session.key_list(name),
        )
        if not numbers:
            if not usync.can_be_asked(person):
                raise NotOnWhatsApp
            if not usync.is_contact(await self._socket.request(usync.contacts_query(person))):
                raise NotOnWhatsApp
            numbers = (0,)
        found = tuple(Address(person.user, person.server, number) for number in numbers)
        return listed, found, believed

    def _asked(self, person: Address, done: asyncio.Task[tuple[Address, ...]]) -> None:
        del self._asking[person]
        self._changed.discard(person)
        if not done.cancelled():
            done.exception()  # seen, where everyone who waited was cancelled
