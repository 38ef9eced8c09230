"""Which devices a person has, from the session's cache or from WhatsApp."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from actors.connection.native.identities import key_index, usync
from actors.connection.native.identities.addresses import Address
from actors.connection.native.receive.transactions import transaction

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from actors.connection.native.identities.lid_mapping import People
    from actors.connection.native.transport.socket import Socket
    from actors.connection.session.session import Session

FRESH: Final = 86_400.0
"""Seconds that a device list is trusted without being told that it changed."""


AT_ONCE: Final = 250
"""People whose devices are asked for in one request."""


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
            asking.add_done_callback(partial(self._asked, person))
        return await asyncio.shield(asking)

    async def of_all(
        self, people: Sequence[Address], *, fresh: bool = False
    ) -> dict[Address, tuple[Address, ...]]:
        """As `of` (or `refresh`) for many, in few requests; who has no devices has none here."""
        found: dict[Address, tuple[Address, ...]] = {}
        missing = list[Address]()
        for person in dict.fromkeys(people):
            cached = None if fresh else self.cached(person)
            if cached is not None:
                found[person] = cached
            else:
                missing.append(person)
        unasked = [one for one in missing if one not in self._asking]
        for start in range(0, len(unasked), AT_ONCE):
            share = unasked[start : start + AT_ONCE]
            asking = asyncio.create_task(self._ask_all(share))
            for person in share:
                mine = asyncio.create_task(_part(asking, person))
                self._asking[person] = mine
                mine.add_done_callback(partial(self._asked, person))
        answers = [self._asking[person] for person in missing]
        for person, answer in zip(missing, answers, strict=True):
            try:
                found[person] = await asyncio.shield(answer)
            except NotOnWhatsApp:
                found[person] = ()
        return found

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

    async def _ask_all(self, people: Sequence[Address]) -> dict[Address, tuple[Address, ...]]:
        """The devices of those whom WhatsApp lists any for."""
        answer = usync.devices_answer(await self._socket.request(usync.devices_query(people)))
        wanted, found = set(people), dict[Address, tuple[Address, ...]]()
        changed, learned = list[Address](), False
        async with transaction(self._session, self._socket):
            for named, listed in answer.items():
                person = named if named in wanted else self._people.canonical(named)
                numbers, believed = self._vouched(person, listed)
                if person not in wanted or not numbers:
                    continue
                found[person] = _addresses(person, numbers)
                if person in self._changed:
                    changed.append(person)
                    continue
                self._session.save_key_list(str(person), believed)
                learned |= self._people.learn(person, listed.lid)
                self._session.save_devices(
                    str(person), [str(device) for device in found[person]], self._clock()
                )
        if learned:
            await self._on_inbox()
        for person in changed:
            self._changed.discard(person)
            found[person] = await self._ask(person)
        return found

    def _vouched(self, person: Address, listed: usync.Listed) -> tuple[tuple[int, ...], bytes]:
        """The devices that the person's phone vouches for, and the list that says so."""
        name = str(person)
        return key_index.vouched(
            listed.devices,
            listed.indexes,
            listed.signed,
            self._session.identity(name),
            self._session.key_list(name),
        )

    async def _fetch(self, person: Address) -> tuple[usync.Listed, tuple[Address, ...], bytes]:
        answer = usync.devices_answer(await self._socket.request(usync.devices_query([person])))
        # One person was asked about, who may be listed under the other address.
        listed = next(iter(answer.values()), usync.Listed((), None))
        numbers, believed = self._vouched(person, listed)
        if not numbers:
            if not usync.can_be_asked(person):
                raise NotOnWhatsApp
            if not usync.is_contact(await self._socket.request(usync.contacts_query(person))):
                raise NotOnWhatsApp
            numbers = (0,)
        return listed, _addresses(person, numbers), believed

    def _asked(self, person: Address, done: asyncio.Task[tuple[Address, ...]]) -> None:
        del self._asking[person]
        self._changed.discard(person)
        if not done.cancelled():
            done.exception()  # seen, where everyone who waited was cancelled


def _addresses(person: Address, numbers: Iterable[int]) -> tuple[Address, ...]:
    return tuple(Address(person.user, person.server, number) for number in numbers)


async def _part(
    asking: asyncio.Task[dict[Address, tuple[Address, ...]]], person: Address
) -> tuple[Address, ...]:
    found = await asyncio.shield(asking)
    if person not in found:
        raise NotOnWhatsApp
    return found[person]
