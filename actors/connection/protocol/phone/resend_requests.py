"""Requests the content of placeholder messages from the account's phone: in the background, and at once on demand."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from actors.connection.engine import SendError
from actors.connection.protocol.identities.addresses import parse_optional
from actors.connection.protocol.phone import placeholder_resend
from actors.connection.protocol.send.send_acks import send_errors
from actors.connection.protocol.session_transactions import transaction
from actors.connection.session.messages.placeholders import Placeholder

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.protocol.session_transactions import SessionLink
    from actors.connection.session.session import Session

log = structlog.get_logger()

UNACKNOWLEDGED: Final = 30.0
"""Seconds until the phone is asked again where WhatsApp did not acknowledge the request."""

PAUSES: Final = (300.0, 3600.0, 43_200.0)
"""Seconds until it is asked again where no answer came: three times, for WhatsApp keeps a request for it."""

SPACING: Final = 0.5
"""Seconds between two requests at least."""


class SendsToPhone(Protocol):
    """Sends messages to the account's phone."""

    async def send(self, number: str, message: bytes) -> None:
        """Send one, not padded, under this id; done once WhatsApp has it. Raises `SendError`."""


class ResendRequests:
    """Asks for each message once, and at most `PAUSES` more; a request is on disk before it leaves.

    Answers are taken by `resent_messages`. The placeholder stays where the phone has nothing or never answers.
    """

    def __init__(
        self,
        session: Session,
        people: LidMapping,
        socket: SessionLink,
        peers: SendsToPhone,
        *,
        counts: Counter[str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._session = session
        self._people = people
        self._socket = socket
        self._peers = peers
        self._counts = counts
        self._clock = clock
        self._look = asyncio.Event()

    def look(self) -> None:
        """There may be another placeholder."""
        self._look.set()

    async def run(self) -> None:
        """Ask for what is due, until the socket ends. Raises `ConnectionLost`."""
        while True:
            self._look.clear()
            while (due := self._session.placeholders.due(self._clock())) is not None:
                try:
                    await self._request(due)
                except SendError as error:
                    self._counts["phone.not_asked"] += 1
                    log.warning("phone not asked", action="phone.not_asked", code=error.code)
                await asyncio.sleep(SPACING)
            next_at = self._session.placeholders.next_at()
            pause = None if next_at is None else max(0.1, min(60.0, next_at - self._clock()))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._look.wait()

    async def request(self, chat: str, sender: str, message_id: str) -> None:
        """Ask for one message now, by canonical addresses, unless its content is here. Raises `SendError`."""
        where, who = parse_optional(chat), parse_optional(sender)
        if where is None or who is None:
            raise SendError("unsupported_chat", permanent=True)
        chat, sender = str(self._people.canonical(where)), str(self._people.canonical(who))
        if self._session.inbox.committed(chat, sender, message_id):
            return
        with send_errors():
            placeholder = self._session.placeholders.find(chat, sender, message_id)
            if placeholder is None:
                account = str(self._people.account)
                stanza = placeholder_resend.attributes(chat, sender, message_id, account)
                placeholder = Placeholder(chat, sender, message_id, stanza)
                async with transaction(self._session, self._socket):
                    self._session.placeholders.note(*placeholder[:3], stanza=stanza, ask_at=None)
            await self._request(placeholder)

    async def _request(self, placeholder: Placeholder) -> None:
        number = f"3EB0{secrets.token_hex(9).upper()}"
        last = placeholder.requests >= len(PAUSES)
        again_at = None if last else self._clock() + UNACKNOWLEDGED
        async with transaction(self._session, self._socket):
            if not self._session.placeholders.note_request(placeholder, number, again_at):
                return
        from_me = placeholder.sender == str(self._people.account)
        await self._peers.send(
            number, placeholder_resend.request(placeholder.stanza, from_me=from_me)
        )
        self._counts["phone.asked"] += 1
        if not last:
            async with transaction(self._session, self._socket):
                self._session.placeholders.reschedule(
                    number, self._clock() + PAUSES[placeholder.requests]
                )
