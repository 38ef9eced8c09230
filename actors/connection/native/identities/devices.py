"""Returns people's devices, as their phones' signed lists name them, from the session file's cache or by a usync query."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from actors.connection.native.identities import key_index, usync
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.request_errors import NotOnWhatsApp, OtherNumber
from actors.connection.protocol.session_transactions import transaction

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from actors.connection.native.transport.socket import Socket
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.session.session import Session

DEVICES_FRESH_SECONDS: Final = 86_400.0
"""Seconds that a device list is trusted without news of a change."""


DEVICE_QUERY_PEOPLE: Final = 250
"""People whose devices are asked for in one request."""


@dataclass(frozen=True, slots=True)
class Installed:
    """Numbers of a person's devices: 0 is the phone.

    `hosted` ones are Meta's, for a business: nothing is encrypted for them, and WhatsApp counts them.
    """

    numbers: tuple[int, ...] = ()
    hosted: tuple[int, ...] = ()


class Devices:
    """Device numbers by canonical address. Concurrent questions about one person are one request.

    WhatsApp is asked by the address that is given (`by`), which is that of the stanza to come: a list
    by the other one may be empty (Baileys #2794). Raises what the socket's `request` raises when
    WhatsApp has to be asked and does not answer.
    """

    def __init__(
        self,
        session: Session,
        people: LidMapping,
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
        self._queries: dict[Address, asyncio.Task[Installed]] = {}
        self._changed: set[Address] = set()

    async def of(self, person: Address, by: Address | None = None) -> Installed:
        """The devices of a person, none where WhatsApp lists none. Raises `NotOnWhatsApp`, `OtherNumber`."""
        cached = self.cached(person)
        return await self.refresh(person, by) if cached is None else cached

    def cached(self, person: Address) -> Installed | None:
        """As `of` as far as it is known and fresh; None where WhatsApp has to be asked."""
        cached = self._session.identities.devices(str(person))
        if cached is None or self._clock() - cached.fetched_at >= DEVICES_FRESH_SECONDS:
            return None
        return Installed(cached.numbers, cached.hosted)

    async def refresh(self, person: Address, by: Address | None = None) -> Installed:
        """As `of`, but ask WhatsApp whatever the cache says."""
        query = self._queries.get(person)
        if query is None:
            query = asyncio.create_task(self._request(person, by or person))
            self._queries[person] = query
            query.add_done_callback(partial(self._query_done, person))
        return await asyncio.shield(query)

    async def of_all(
        self, people: Mapping[Address, Address], *, fresh: bool = False
    ) -> dict[Address, Installed]:
        """As `of` (or `refresh`) for many, in few requests; a person without devices has none here.

        `people` has the address to ask by of each person.
        """
        found: dict[Address, Installed] = {}
        missing = list[Address]()
        for person in people:
            cached = None if fresh else self.cached(person)
            if cached is not None:
                found[person] = cached
            else:
                missing.append(person)
        unasked = [one for one in missing if one not in self._queries]
        for start in range(0, len(unasked), DEVICE_QUERY_PEOPLE):
            share = {one: people[one] for one in unasked[start : start + DEVICE_QUERY_PEOPLE]}
            query = asyncio.create_task(self._query_all(share))
            for person in share:
                mine = asyncio.create_task(_part(query, person))
                self._queries[person] = mine
                mine.add_done_callback(partial(self._query_done, person))
        answers = [self._queries[person] for person in missing]
        for person, answer in zip(missing, answers, strict=True):
            try:
                found[person] = await asyncio.shield(answer)
            except NotOnWhatsApp:
                found[person] = Installed()
        return found

    def forget(self, person: Address) -> None:
        """Ask again before the next message, inside a transaction of the session."""
        self._session.identities.forget_devices(str(person))
        if person in self._queries:
            self._changed.add(person)

    async def note_answer(self, person: Address, answered: Address) -> None:
        """Learn that WhatsApp answers for a number by another one, or by itself again."""
        if self._session.names.answering(str(person)) == str(answered):
            return
        async with transaction(self._session, self._socket):
            news = self._session.learn_number(str(person), str(answered))
        if news:
            await self._on_inbox()

    async def _request(self, person: Address, by: Address) -> Installed:
        while True:
            listed, numbers, believed = await self._fetch(person, by)
            async with transaction(self._session, self._socket):
                # An answer that was on its way when the list changed may be the old list.
                stale = person in self._changed
                self._changed.discard(person)
                if not stale:
                    learned = self._save(person, listed, numbers, believed)
            if not stale:
                if learned:
                    await self._on_inbox()
                return Installed(numbers, listed.hosted)

    async def _query_all(self, people: Mapping[Address, Address]) -> dict[Address, Installed]:
        """The devices of those whom WhatsApp lists any for."""
        answer = await self._listed(people)
        found = dict[Address, Installed]()
        changed, learned = list[Address](), False
        async with transaction(self._session, self._socket):
            for person, listed in answer.items():
                numbers, believed = self._vouched(person, listed)
                if not numbers:
                    continue
                found[person] = Installed(numbers, listed.hosted)
                if person in self._changed:
                    changed.append(person)
                else:
                    learned |= self._save(person, listed, numbers, believed)
        if learned:
            await self._on_inbox()
        for person in changed:
            self._changed.discard(person)
            found[person] = await self._request(person, people[person])
        return found

    def _save(
        self, person: Address, listed: usync.Listed, numbers: tuple[int, ...], believed: bytes
    ) -> bool:
        """Keep what WhatsApp listed; whether it named the person's LID."""
        self._session.identities.save_key_list(str(person), believed)
        learned = self._people.learn(person, listed.lid)
        if numbers:
            # A person without any may be listed with some a moment later, and is asked for again.
            self._session.identities.save_devices(
                str(person), numbers, self._clock(), listed.hosted
            )
        return learned

    def _vouched(self, person: Address, listed: usync.Listed) -> tuple[tuple[int, ...], bytes]:
        """The devices that the person's phone vouches for, and the list that says so."""
        name = str(person)
        return key_index.vouched(
            listed.devices,
            listed.indexes,
            listed.signed,
            self._session.keys.identity(name),
            self._session.identities.key_list(name),
        )

    async def _fetch(
        self, person: Address, by: Address
    ) -> tuple[usync.Listed, tuple[int, ...], bytes]:
        answer = await self._listed({person: by})
        listed = answer.get(person, usync.Listed((), None))
        numbers, believed = self._vouched(person, listed)
        if not numbers:
            if not usync.can_be_queried(person):
                raise NotOnWhatsApp
            reply = await self._socket.request(usync.contacts_query(person))
            answered = usync.contact_answer(reply, person)
            if answered is None:
                raise NotOnWhatsApp
            if answered != person and await self._is_listed(answered):
                await self.note_answer(person, answered)
                raise OtherNumber
        return listed, numbers, believed

    async def _is_listed(self, number: Address) -> bool:
        """Whether WhatsApp lists devices for a number: two that are answered by one another are no chat's."""
        listed = (await self._listed({number: number})).get(number)
        return listed is not None and len(self._vouched(number, listed)[0]) > 0

    async def _listed(self, people: Mapping[Address, Address]) -> dict[Address, usync.Listed]:
        """Lists of WhatsApp for these people, asked by the address that each is given with.

        A person with too short a list is queried by the other address as well, where there is one.
        """
        listed = await self._query(people)
        rest = dict[Address, Address]()
        for person, by in people.items():
            found = listed.get(person)
            if found is None or not self._is_whole(person, found):
                lid = None if found is None else found.lid
                other = next(filter(lambda one: one != by, self._addresses(person, lid)), None)
                if other is not None:
                    rest[person] = other
        if rest:
            for person, more in (await self._query(rest)).items():
                first = listed.get(person)
                listed[person] = more if first is None else first.joined(more)
        return listed

    async def _query(self, people: Mapping[Address, Address]) -> dict[Address, usync.Listed]:
        answer = usync.devices_answer(
            await self._socket.request(usync.devices_query(people.values()))
        )
        if len(people) == 1 and len(answer) == 1:
            # One person was asked about, who may be listed under the other address.
            return dict(zip(people, answer.values(), strict=True))
        requested = {by: person for person, by in people.items()}
        named = {requested.get(one) or self._people.canonical(one): answer[one] for one in answer}
        return {person: one for person, one in named.items() if person in people}

    def _is_whole(self, person: Address, listed: usync.Listed) -> bool:
        """Whether the list may be all: the account has this device and its phone."""
        if person == self._people.account:
            return {key_index.PHONE, self._people.device.device} <= set(listed.devices)
        return bool(listed.devices)

    def _addresses(self, person: Address, lid: Address | None) -> list[Address]:
        """The addresses by which the person may be queried; `lid` is from an answer."""
        addresses = [Address.parse(name) for name in self._people.names(person)]
        return addresses if lid is None else [*addresses, lid.canonical]

    def _query_done(self, person: Address, done: asyncio.Task[Installed]) -> None:
        del self._queries[person]
        self._changed.discard(person)
        if not done.cancelled():
            done.exception()  # seen, where everyone who waited was cancelled


async def _part(query: asyncio.Task[dict[Address, Installed]], person: Address) -> Installed:
    found = await asyncio.shield(query)
    if person not in found:
        raise NotOnWhatsApp
    return found[person]
