"""Runs a paired device's login by the whatsmeow program: stores items in the session file, sends messages and queries."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import structlog

from actors.connection.abilities.administration import Administration
from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.engine import NotConnected, SendError
from actors.connection.protocol.administration.group_administration import GroupAdministration
from actors.connection.protocol.administration.open_login import OpenLogin
from actors.connection.protocol.administration.profile_administration import ProfileAdministration
from actors.connection.protocol.background_tasks import BackgroundTasks
from actors.connection.protocol.identities.addresses import GROUP, Address, parse_optional
from actors.connection.protocol.identities.group_members import (
    MemberLists,
    NotInGroup,
    UnknownGroup,
)
from actors.connection.protocol.limits import limit_queries
from actors.connection.protocol.limits.limit_enforcement import LimitEnforcement
from actors.connection.protocol.phone.resend_requests import ResendRequests
from actors.connection.protocol.receive.history.history_file import without_messages
from actors.connection.protocol.receive.history.history_worker import HistoryWorker
from actors.connection.protocol.receive.stanza_receiver import Receiver
from actors.connection.protocol.request_errors import ConnectionLost, RequestFailed, RequestTimeout
from actors.connection.protocol.send.resend_permission import may_read_again
from actors.connection.protocol.send.send_acks import send_errors
from actors.connection.protocol.session_transactions import SessionRefusal, cause_of, transaction
from actors.connection.session.chats.unread import readings
from actors.connection.whatsmeow import app_state, media_queries
from actors.connection.whatsmeow.calls import Calls
from actors.connection.whatsmeow.delivery_handler import DeliveryHandler
from actors.connection.whatsmeow.queries.group_requests import ProgramGroupRequests
from actors.connection.whatsmeow.queries.groups import ByProgram
from actors.connection.whatsmeow.queries.lookups import Lookups
from actors.connection.whatsmeow.queries.profile_requests import ProgramProfileRequests
from actors.connection.whatsmeow.sender import PhoneMessages, ProgramSender
from actors.messages.content import Star

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping, Sequence

    from actors.connection.abilities.port import Call
    from actors.connection.engine import EngineEvents, SendRequest
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.protocol.media.transfers import FileTransfers
    from actors.connection.protocol.online_visibility import Visibility
    from actors.connection.protocol.session_transactions import Low
    from actors.connection.protocol.wire_format.nodes import Node
    from actors.connection.session.session import Session
    from actors.connection.whatsmeow.login_channel import Link
    from actors.connection.whatsmeow.refused_stanzas import RefusedStanzas
    from actors.connection.whatsmeow.to_nodes import ProgramDelivery
    from actors.messages.content import ReadMark, SettingChange

log = structlog.get_logger()

HISTORY_SHARE: Final = 4 * 2**20
"""Bytes of a history that the program is given at a time."""

TYPING_STATES: Final = frozenset({"composing", "recording", "paused"})


class PairedAccount:
    """Receives from the first delivery on, and sends once it is `open`; `close` ends it all."""

    def __init__(
        self,
        session: Session,
        people: LidMapping,
        link: Link,
        events: EngineEvents,
        visibility: Visibility,
        *,
        refused: RefusedStanzas,
        ack_timeout: float,
        counts: Counter[str],
        hold: bool,
        carrying: FileTransfers | None,
        low: Low,
    ) -> None:
        """`hold`: stanzas are acknowledged only once they are stored elsewhere; while the disk is `low`, no message."""
        self._session = session
        self._people = people
        self._link = link
        self._events = events
        self._visibility = visibility
        self._counts = counts
        self._carrying = carrying
        self._ack_timeout = ack_timeout
        self._tasks = BackgroundTasks(link)
        self._start = self._tasks.start
        self.logged_in = False
        self._calls = Calls(people)
        self._rosters = MemberLists(
            session, people, link, ByProgram(link), on_inbox=events.on_inbox
        )
        login = OpenLogin(session, people, link, lambda: self.logged_in, events.on_inbox)
        self.administration = Administration(
            GroupAdministration(login, self._rosters, ProgramGroupRequests(link)),
            ProfileAdministration(login, ProgramProfileRequests(link), carrying),
        )
        self._limits = LimitEnforcement(session, link, people, events, counts, start=self._start)
        self._lookups = Lookups(session, people, link, on_inbox=events.on_inbox)
        self._sender = ProgramSender(
            session,
            people,
            self._rosters,
            link,
            self._lookups,
            refused=refused,
            ack_timeout=ack_timeout,
            uploader=None if carrying is None else carrying.uploader,
            permit=self._limits.check,
        )
        phone = PhoneMessages(link, ack_timeout=ack_timeout)
        self._resends = ResendRequests(session, people, link, phone, counts=counts)
        self._incoming = DeliveryHandler(
            session,
            people,
            self._rosters,
            clock=time.time,
            hold=hold,
            pictures=None if carrying is None else carrying.pictures.cache,
        )
        self._receiver = Receiver(
            session,
            link,
            self._incoming,
            counts=counts,
            on_inbox=events.on_inbox,
            on_task=self._on_task,
            low=low,
        )
        self._history = HistoryWorker(
            session,
            people,
            self._rosters,
            link,
            web=None if carrying is None else carrying.web,
            hosts=None if carrying is None else carrying.hosts,
            counts=counts,
            on_inbox=events.on_inbox,
            tell=self._report_history,
            hand_on=self._hand_on,
            hold=hold,
            low=low,
        )
        self._start("receiver", self._receiver.run())

    async def take(self, delivery: ProgramDelivery) -> None:
        """Take a delivery of the program; waits while too many do."""
        await self._receiver.put(delivery)

    def is_stored(self, stanza: ProgramDelivery) -> bool:
        """Whether the message of these addresses is stored."""
        return self._incoming.is_stored(stanza)

    def sent(self, report: Mapping[str, Any]) -> bytes | None:
        """The plaintext of a message that was sent, for a device that could not read it; None for any other."""
        chat = parse_optional(str(report.get("chat", "")))
        device = parse_optional(str(report.get("requester", "")))
        number = str(report.get("message_id", ""))
        if (
            chat is None
            or device is None
            or not may_read_again(
                self._session, self._people, chat=chat, device=device, message_id=number
            )
        ):
            return None
        return self._session.sent.plaintext(str(self._people.canonical(chat)), number)

    async def open(self) -> None:
        """WhatsApp let the device in. Raises what the session refuses with."""
        self.logged_in = True
        self._visibility.requested = None
        if self._carrying is not None:
            self._carrying.attach(
                media_queries.servers(self._link), media_queries.phone(self._link, self._people)
            )
        await self.show()
        await self._limits.open()
        await self._events.on_open()
        self._start("history", self._history.run())
        self._start("phone", self._resends.run())

    async def close(self) -> None:
        """End what runs in the background."""
        self.logged_in = False
        if self._carrying is not None:
            self._carrying.detach()
        await self._sender.close()
        await self._tasks.end()

    async def send(self, message: SendRequest) -> float:
        """See `ProgramSender.send`. Raises `NotConnected` before the login is done."""
        self._require_login()
        try:
            with self._link.within_limit():
                return await self._sender.send(message)
        except SendError as refused:
            await self._limits.met(refused)
            raise
        except ConnectionLost:  # the session refuses: nothing left
            raise NotConnected from None
        except SessionRefusal as refusal:
            self._link.fail(cause_of(refusal))
            raise NotConnected from refusal

    async def mark_read(self, chat: str, mark: ReadMark, at: float) -> None:
        """Tell that messages were read. Raises `NotConnected` before the login is done."""
        self._require_login()
        where = _chat(chat)
        with send_errors():
            async with transaction(self._session, self._link):  # an older owner marks nothing (G6)
                unread = self._session.unread.marked(str(self._people.canonical(where)), mark)
            for reading in readings(unread):
                await self._link.call(
                    "read",
                    chat=reading.origin,
                    sender=reading.author,
                    ids=reading.message_ids,
                    at=at,
                )
            # Only now: marks that a crash cuts off are made once more.
            async with transaction(self._session, self._link):
                self._session.unread.forget(each.number for each in unread)

    async def request_resend(self, chat: str, sender: str, message_id: str) -> None:
        """See `ResendRequests.request`. Raises `NotConnected` before the login is done."""
        self._require_login()
        await self._resends.request(chat, sender, message_id)

    async def sync_app_state(self) -> None:
        """Have all collections fetched anew. Raises `NotConnected` before the login is done."""
        self._require_login()
        with send_errors():
            await self._link.call("app_state_sync", whole=True)

    async def change_chat(self, chat: str, change: SettingChange, at: float) -> None:
        """Change settings of a chat, or star a message. Raises `NotConnected` before the login is done, else `SendError`.

        A person's chat is named by the number where that is known, as whatsmeow's own users do.
        """
        self._require_login()
        where = _chat(chat)
        with self._link.within_limit(), send_errors():
            async with transaction(
                self._session, self._link
            ):  # an older owner changes nothing (G6)
                named = self._people.canonical(where)
            if isinstance(change, Star):
                entries = await self._starring(named, change)
            else:
                entries = app_state.patches(str(named), change, at)
        for collection, changes in entries.items():
            with self._link.within_limit():
                await self._link.post(
                    "app_state_patch",
                    time.time,
                    within=self._ack_timeout,
                    collection=collection,
                    at_ms=int(at * 1000),
                    changes=changes,
                )

    async def _starring(self, chat: Address, change: Star) -> dict[str, list[dict[str, Any]]]:
        """The entries that star a message, whose author has the group's kind of address on a phone."""
        author = change.target.sender
        if author == str(self._people.account):
            author = None
        if author is not None and chat.server == GROUP:
            roster = await self._rosters.of(chat)
            person = self._people.canonical(Address.parse(author))
            author = str(self._rosters.address(person, roster, self._rosters.named(roster)))
        return app_state.star(str(chat), change, author)

    async def reject_call(self, call: str) -> None:
        """Refuse a call that rings. Raises `SendError`, `NotConnected` before the login is done."""
        self._require_login()
        with send_errors():
            await self._calls.reject(self._link, call)

    async def lookup(self, number: str) -> str | None:
        """The chat of a phone number that is on WhatsApp: its number there. Raises `SendError`, for a LID too."""
        self._require_login()
        with send_errors():
            return await self._lookups.chat_of(number)

    async def presence(self, *, available: bool) -> None:
        """Show the account as online or not. Raises `NotConnected`."""
        self._require_login()
        self._visibility.requested = available
        with send_errors():
            await self._link.call("presence", available=available)

    async def show(self) -> None:
        """Show the account as it is to be shown; where that fails the next login does it."""
        if self.logged_in:
            with suppress(ConnectionLost, RequestFailed, RequestTimeout):
                await self._link.call("presence", available=self._visibility.available)

    async def typing(self, chat: str, state: str) -> None:
        """Show what the account does in a chat. Raises `SendError`."""
        self._require_login()
        where = _chat(chat)
        if state not in TYPING_STATES:
            raise SendError("unsupported_chat", permanent=True)
        with send_errors():
            await self._link.call("typing", chat=str(self._to(where)), state=state)

    async def subscribe(self, chat: str) -> None:
        """Subscribe to a person's presence. Raises `SendError`."""
        self._require_login()
        where = _chat(chat)
        if not where.is_person:
            raise SendError("unsupported_chat", permanent=True)
        with send_errors():
            await self._link.call("subscribe", chat=str(self._to(where)))

    async def settled(self, keys: Sequence[int]) -> None:
        """Inbox items are stored elsewhere."""
        with suppress(ConnectionLost):  # what was held for that comes again
            await self._receiver.settled(keys)
        self._history.look()

    def _to(self, chat: Address) -> Address:
        return self._people.named(chat, "lid") if chat.is_person else chat

    def _require_login(self) -> None:
        if not self.logged_in:
            raise NotConnected

    async def _report_history(self, _: str) -> None:
        """The program sends the phone a receipt once the notification is stored."""

    async def _report_call(self, call: Call) -> None:
        await self._events.on_call(call)

    async def _hand_on(self, history: bytes) -> None:
        """The library keeps addresses, tokens and the salt that came with a history; its messages are left out."""
        shares = await asyncio.to_thread(lambda: list(without_messages(history, HISTORY_SHARE)))
        for share in shares:
            with suppress(RequestFailed, RequestTimeout):
                await self._link.call("history_learnt", body=share)

    def _on_task(self, kind: str, stanza: Node) -> None:
        if kind == "history":
            self._history.look(stanza.attrs["id"], lambda: self._link.send(stanza))
        elif kind == "file":
            if self._carrying is not None:
                self._carrying.look()
        elif kind == "placeholder":
            self._resends.look()
        elif kind == "limits":
            self._start(kind, self._limits.report())
        elif kind == "limit_query":
            self._limits.query_limit(limit_queries.lock_query())
        elif kind == "call" and (call := self._calls.call_of(stanza)) is not None:
            self._start(kind, self._report_call(call))
        elif kind == "roster":
            self._start(kind, self._learn_members(stanza))

    async def _learn_members(self, stanza: Node) -> None:
        """Ask who is in the group, then judge the delivery again: it is not answered yet."""
        chat = Address.parse(stanza.attrs["from"])
        try:
            await self._rosters.refresh(chat)
        except (NotInGroup, UnknownGroup, RequestFailed):
            self._incoming.untold.add(chat)
        except RequestTimeout:
            self._link.fail(
                Cause(Kind.NETWORK, "group_no_answer")
            )  # it comes again at the next login
            return
        await self._receiver.put(stanza)


def _chat(named: str) -> Address:
    """The chat of this address. Raises `SendError` for none."""
    chat = parse_optional(named)
    if chat is None or not (chat.is_person or chat.server == GROUP):
        raise SendError("unsupported_chat", permanent=True)
    return chat
