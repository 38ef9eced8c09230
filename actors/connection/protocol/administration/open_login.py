"""Holds what changes of the account over one login need: its session, people and link; turns failures into `SendError`."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actors.connection.engine import NotConnected
from actors.connection.protocol.administration.refusals import refused_with
from actors.connection.protocol.send.send_acks import send_errors
from actors.connection.protocol.session_transactions import transaction

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from actors.connection.protocol.identities.addresses import Address
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.protocol.session_transactions import SessionLink
    from actors.connection.session.session import Session


@dataclass(frozen=True, slots=True)
class OpenLogin:
    """One login; nothing is asked over it before `logged_in`. `on_inbox` is called where chats may have been joined."""

    session: Session
    people: LidMapping
    link: SessionLink
    logged_in: Callable[[], bool]
    on_inbox: Callable[[], Awaitable[None]]

    @contextmanager
    def request_errors(self, codes: Mapping[int, str] | None = None) -> Iterator[None]:
        """Raises `SendError` for what a request raises; a refusal has the code of its number, where there are `codes`."""
        if not self.logged_in():
            raise NotConnected
        with send_errors(), nullcontext() if codes is None else refused_with(codes):
            yield

    async def require_owner(self) -> None:
        """Raise `ConnectionLost` where a newer owner has the session: an older one changes nothing (G6)."""
        async with transaction(self.session, self.link):
            pass

    async def learn(self, person: Address, other: Address) -> None:
        """Note that two addresses are one person's. Raises `ConnectionLost` where the session refuses."""
        async with transaction(self.session, self.link):
            news = self.people.learn(person, other)
        if news:
            await self.on_inbox()
