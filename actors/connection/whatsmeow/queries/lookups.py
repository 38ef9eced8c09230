"""Looks phone numbers up through the whatsmeow program; stores in the session which number WhatsApp answers for another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.engine import SendError
from actors.connection.protocol.identities.addresses import PHONE_NUMBER, Address, parse_optional
from actors.connection.protocol.session_transactions import transaction

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.session.session import Session
    from actors.connection.whatsmeow.login_channel import Link


class Lookups:
    """Looks numbers up over one login."""

    def __init__(
        self,
        session: Session,
        people: LidMapping,
        link: Link,
        *,
        on_inbox: Callable[[], Awaitable[None]],
    ) -> None:
        """`on_inbox` is called where chats may have been joined."""
        self._session = session
        self._people = people
        self._link = link
        self._on_inbox = on_inbox

    async def chat_of(self, number: str) -> str | None:
        """The chat of a phone number that is on WhatsApp: its number there.

        Raises `SendError` for a LID, and what `Link.call` raises.
        """
        person = parse_optional(number)
        if person is None or person.server != PHONE_NUMBER or not person.user.isdigit():
            raise SendError("unsupported_chat", permanent=True)
        answer = (await self._link.call("lookup", number=person.user)).header
        found = parse_optional(answer.get("phone") or answer.get("address"))
        if found is None:
            return None
        await self.note_answer(person, found, parse_optional(answer.get("lid")))
        return str(self._people.canonical(found))

    async def note_answer(self, person: Address, answered: Address, lid: Address | None) -> None:
        """Store that WhatsApp answers for a number by this address: chats of two numbers are one from then on.

        Raises `ConnectionLost`, and what the session refuses with.
        """
        async with transaction(self._session, self._link):
            news = self._people.learn(answered.canonical, None if lid is None else lid.canonical)
            if answered.server == person.server:
                news |= self._session.learn_number(str(person.canonical), str(answered.canonical))
        if news:
            await self._on_inbox()
