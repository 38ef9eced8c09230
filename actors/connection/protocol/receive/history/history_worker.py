"""Stores messages of the phone's history syncs in the session file's inbox, each once, in the background."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog

from actors.connection.protocol.identities.addresses import (
    GROUP,
    LID,
    PHONE_NUMBER,
    Address,
    parse_optional,
)
from actors.connection.protocol.identities.group_members import NotInGroup, UnknownGroup
from actors.connection.protocol.media.cipher import MEDIA_KINDS
from actors.connection.protocol.receive.disappearing_timer import MAX_TIMER_SECONDS
from actors.connection.protocol.receive.from_proto import (
    LONGEST_ID,
    Forged,
    content_of,
    unsealed,
)
from actors.connection.protocol.receive.history.history_file import (
    Later,
    UnusableHistory,
    bring,
    split,
)
from actors.connection.protocol.receive.history.past_message import Past
from actors.connection.protocol.receive.message_source import MessageKey
from actors.connection.protocol.receive.messages.edit_opener import EditOpener
from actors.connection.protocol.receive.messages.message_context import scene_of
from actors.connection.protocol.receive.wrappers import of_web, read_parsed
from actors.connection.protocol.request_errors import ConnectionLost, RequestFailed, RequestTimeout
from actors.connection.protocol.session_transactions import (
    SessionRefusal,
    require_room,
    transaction,
)
from actors.connection.protocol.wire_format.nodes import MAX_NUMBER, MalformedMessage, parse, proto
from actors.connection.session.identities.push_names import MAX_PUSH_NAME
from actors.connection.session.messages.message_secrets import SECRET_SECONDS
from actors.messages.content import Poll, encode, is_plain, text_of
from actors.metrics.counters import measures
from actors.metrics.mistakes import log_mistake
from actors.runtime.backoff import doubled

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Awaitable, Callable, Sequence

    from actors.connection.protocol.identities.group_members import MemberLists
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.protocol.media.http_client import HttpClient
    from actors.connection.protocol.media.media_servers import MediaServers
    from actors.connection.protocol.receive.from_proto import Scene
    from actors.connection.protocol.session_transactions import Low, SessionLink
    from actors.connection.session.received.history_syncs import StoredNotification
    from actors.connection.session.session import Session

    Answer = Callable[[], Awaitable[None]]

log = structlog.get_logger()

COMMIT_MESSAGES: Final = 100
"""Messages, or names, that share a commit; stanzas that arrive now have their turn in between."""

MAX_FILE_ATTEMPTS: Final = 60
FIRST_FILE_PAUSE, LONGEST_FILE_PAUSE = 2.0, 3600.0
"""Tries of a file that cannot be had, over two days, and the seconds between them."""

NOT_FETCHED: Final = "media_not_fetched"
"""The outcome of the file of such a message: most are gone from the servers."""


class HistoryWorker:
    """Stores each message once (G5), however often it comes, and over any crash.

    A notification is in the session file until all of it is; how far it got commits with what was
    stored. A message that came by itself, or was sent from here, stays as it is. The phone gets its receipt once all
    is stored.

    With `hold` that is once all is stored elsewhere, and only then the notification is acknowledged:
    where the disk is lost before, WhatsApp sends it again. Nothing else waits for that.

    While the disk is `low` nothing more of one is stored: the socket ends as with a full disk, and the next goes on.
    """

    def __init__(
        self,
        session: Session,
        people: LidMapping,
        rosters: MemberLists,
        socket: SessionLink,
        *,
        web: HttpClient | None,
        hosts: MediaServers | None,
        counts: Counter[str],
        on_inbox: Callable[[], Awaitable[None]],
        tell: Callable[[str], Awaitable[None]],
        hand_on: Callable[[bytes], Awaitable[None]] | None = None,
        clock: Callable[[], float] = time.time,
        hold: bool = False,
        low: Low | None = None,
    ) -> None:
        """Without `web` and `hosts` nothing is fetched, and waits.

        `tell` reports to the phone that all is stored of the notification in the message of this id;
        `hand_on` is given each history before its messages are stored: who reads one can answer it.
        """
        self._session = session
        self._people = people
        self._edits = EditOpener(session, people)
        self._rosters = rosters
        self._socket = socket
        self._web, self._hosts = web, hosts
        self._counts = counts
        self._on_inbox = on_inbox
        self._tell, self._hand_on = tell, hand_on
        self._clock = clock
        self._hold, self._low = hold, low
        self._unanswered: dict[str, Answer] = {}
        self._until: dict[str, int] = {}
        self._look = asyncio.Event()

    def look(self, message_id: str | None = None, answer: Answer | None = None) -> None:
        """A notification came, in the message of that id; or something was stored elsewhere.

        `answer` acknowledges the message, once that is due.
        """
        if message_id is not None and answer is not None and self._hold:
            self._unanswered[message_id] = answer
            measures.count("teimoso_acks_withheld", reason="store")
        if message_id is not None or self._until:
            self._look.set()

    async def run(self) -> None:
        """Store what there is, and what comes, until the socket ends. Raises `ConnectionLost`."""
        while True:
            self._look.clear()
            await self._finish()
            while (sync := self._session.history_syncs.due(self._clock())) is not None:
                await self._take(sync)
                await self._finish()
            next_at = self._session.history_syncs.next_at()
            pause = None if next_at is None else max(0.1, min(60.0, next_at - self._clock()))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._look.wait()

    async def _take(self, sync: StoredNotification) -> None:
        try:
            await self._store(sync)
        except (ConnectionLost, *SessionRefusal):
            raise
        except (UnusableHistory, MalformedMessage) as error:
            await self._abandon(sync, str(error))
            return
        except Later as later:
            log.warning("history put off", action="history.put_off", reason=str(later))
            await self._put_off(sync, str(later))
            return
        except Exception as error:  # noqa: BLE001 - what a phone tells must not end the connection
            log_mistake("history put off", "history.put_off", error)
            await self._put_off(sync, type(error).__name__)
            return
        async with transaction(self._session, self._socket):
            self._session.history_syncs.end(sync.message_id)
        self._counts["history.stored"] += 1

    async def _finish(self) -> None:
        """Tell the phone of what is stored as it has to be, and forget it."""
        for message_id in self._session.history_syncs.ended():
            if self._hold and self._session.inbox.holds_any(
                self._until.setdefault(message_id, self._session.inbox.last_arrival())
            ):
                continue
            await self._tell(message_id)
            await self._forget(message_id)
        for message_id in list(self._unanswered):
            # It ended before its stanza came here.
            if not self._session.history_syncs.has(message_id):
                await self._answer(message_id)

    async def _forget(self, message_id: str) -> None:
        """Nothing more is to come of it: answer it, where that was held back.

        Where it did not come on this socket it comes again, and is answered then.
        """
        async with transaction(self._session, self._socket):
            self._session.history_syncs.forget(message_id)
        self._until.pop(message_id, None)
        await self._answer(message_id)

    async def _answer(self, message_id: str) -> None:
        answer = self._unanswered.pop(message_id, None)
        if answer is not None:
            await answer()

    async def _put_off(self, sync: StoredNotification, reason: str) -> None:
        """Try it again later; not for ever."""
        if sync.attempts >= MAX_FILE_ATTEMPTS:
            await self._abandon(sync, reason)
            return
        self._counts["history.put_off"] += 1
        pause = doubled(sync.attempts + 1, FIRST_FILE_PAUSE, LONGEST_FILE_PAUSE)
        async with transaction(self._session, self._socket):
            self._session.history_syncs.put_off(sync.message_id, self._clock() + pause)

    async def _abandon(self, sync: StoredNotification, reason: str) -> None:
        self._counts["history.lost"] += 1
        log.warning("history not read", action="history.lost", reason=reason)
        await self._forget(sync.message_id)

    async def _store(self, sync: StoredNotification) -> None:
        notification = parse(proto.Message.HistorySyncNotification, sync.notification)
        inline = bool(notification.initialHistBootstrapInlinePayload)
        if not inline and (self._web is None or self._hosts is None):
            raise Later("nothing is fetched")
        if notification.syncType == proto.HistorySync.HistorySyncType.INITIAL_STATUS_V3:
            return
        await require_room(self._socket, self._low)
        history = await bring(notification, self._web, self._hosts)  # type: ignore[arg-type]
        await self._learn(history)
        if self._hand_on is not None:
            await self._hand_on(history)
        done, passed = sync.done, 0
        share: list[Past] = []
        for name, part in split(history):
            if name != "conversations":
                continue
            for past in await self._conversation(part):
                passed += 1
                if passed <= done:
                    continue
                share.append(past)
                if len(share) == COMMIT_MESSAGES:
                    await self._commit(sync, share, passed)
                    share = []
            await asyncio.sleep(0)
        if share:
            await self._commit(sync, share, passed)

    async def _learn(self, history: bytes) -> None:
        """Store identities and push names, before the messages."""
        facts = [(name, part) for name, part in split(history) if name != "conversations"]
        for start in range(0, len(facts), COMMIT_MESSAGES):
            news = False
            await require_room(self._socket, self._low)
            async with transaction(self._session, self._socket):
                for name, part in facts[start : start + COMMIT_MESSAGES]:
                    if name == "phoneNumberToLidMappings":
                        pair = parse(proto.PhoneNumberToLIDMapping, part)
                        news |= self._pair(pair.pnJid, pair.lidJid)
                    else:
                        news |= self._name(parse(proto.Pushname, part))
            if news:
                await self._on_inbox()
            await asyncio.sleep(0)

    def _pair(self, number: str, lid: str) -> bool:
        one, other = parse_optional(number), parse_optional(lid)
        if one is None or other is None or not (one.is_person and other.is_person):
            return False
        return self._people.learn(one.canonical, other.canonical)

    def _name(self, entry: Any) -> bool:
        """Store the name of a person; whether it is news of the account."""
        person = parse_optional(entry.id)
        if person is None or not person.is_person:
            return False
        named = str(self._people.canonical(person))
        return self._session.push_names.save(named, entry.pushname) and self._people.is_account(
            person
        )

    async def _conversation(self, part: bytes) -> Sequence[Past]:
        """The messages of a conversation that are any, in the order of their time."""
        conversation = parse(proto.Conversation, part)
        named = parse_optional(conversation.id)
        if named is None or not (named.is_person or named.server == GROUP):
            return ()
        listed = sorted(
            conversation.messages, key=lambda one: (one.message.messageTimestamp, one.msgOrderId)
        )
        messages = [one.message for one in listed]
        if named.server == GROUP:
            await self._meet_members(named, messages)
        else:
            await self._learn_chat(
                conversation,
                conversation.pnJid or (conversation.id if named.server == PHONE_NUMBER else ""),
                conversation.lidJid or (conversation.id if named.server == LID else ""),
            )
        pasts = (self._past(self._people.canonical(named), info) for info in messages)
        return tuple(past for past in pasts if past is not None)

    async def _learn_chat(self, conversation: Any, number: str, lid: str) -> None:
        """A conversation may say itself whose number its LID is, and when its messages disappear."""
        set_at = conversation.ephemeralSettingTimestamp
        async with transaction(self._session, self._socket):
            news = self._pair(number, lid)
            seconds = min(conversation.ephemeralExpiration, MAX_TIMER_SECONDS)
            if (seconds or set_at) and set_at <= self._clock():
                chat = str(self._people.canonical(Address.parse(conversation.id)))
                self._session.timers.note(chat, seconds, float(set_at))
        if news:
            await self._on_inbox()

    async def _meet_members(self, chat: Address, messages: Sequence[Any]) -> None:
        """Query the members of a group, where they may have the numbers of its LIDs."""
        members = {parse_optional(one.key.participant or one.participant) for one in messages}
        if all(one is None or self._people.session_address(one).server != LID for one in members):
            return
        if self._rosters.cached(chat) is not None:
            return
        with suppress(NotInGroup, UnknownGroup, RequestFailed, RequestTimeout):
            await self._rosters.refresh(chat)

    def _past(self, chat: Address, info: Any) -> Past | None:
        key = info.key
        named = parse_optional(key.participant or info.participant)
        if key.fromMe:
            sender = self._people.account
        elif chat.server != GROUP:
            sender = chat
        elif named is not None and named.is_person:
            sender = self._people.canonical(named)
        else:
            return None
        if not info.HasField("message") or not 0 < len(key.id) <= LONGEST_ID:
            return None
        if not 0 < info.messageTimestamp <= MAX_NUMBER:
            return None
        return Past(
            chat,
            sender,
            key.id,
            info.messageTimestamp,
            key.fromMe,
            info.pushName[:MAX_PUSH_NAME] or self._session.push_names.find(str(sender)),
            of_web(info),
        )

    async def _commit(self, sync: StoredNotification, share: Sequence[Past], passed: int) -> None:
        stored = 0
        await require_room(self._socket, self._low)
        async with transaction(self._session, self._socket):
            for past in share:
                stored += self._add(past)
            self._session.history_syncs.note(sync.message_id, passed)
        self._counts["history.messages"] += stored
        if stored:
            await self._on_inbox()
        await asyncio.sleep(0)

    def _add(self, past: Past) -> bool:
        """Put one message in, where it is one and is not there yet."""
        key = MessageKey(str(past.chat), str(past.sender), past.message_id)
        if past.from_me and self._session.sent.was_sent(key.chat, key.message_id):
            return False
        if self._session.inbox.committed(*key):
            return False
        found = read_parsed(past.message)
        if found is None:
            return False
        scene = self._scene(past)
        try:
            found = unsealed(found, scene)
            content = content_of(found, scene)
        except Forged:
            return False
        if isinstance(content, Poll) or past.at > self._clock() - SECRET_SECONDS:
            self._edits.learn(key, content, found.secret)
        added = self._session.inbox.add(
            **key._asdict(),
            at=past.at,
            type=content.type,
            text=text_of(content),
            from_me=past.from_me,
            push_name=past.push_name,
            source="history",
            body=None,
            content=None if is_plain(content) else encode(content),
        )
        if added and content.type in MEDIA_KINDS:
            self._session.downloads.add_file(*key, "failed", NOT_FETCHED, past=True)
        return added

    def _scene(self, past: Past) -> Scene:
        scene = scene_of(self._session, self._people, past.chat, past.sender)
        was_sent = partial(self._session.sent.was_sent, str(past.chat))
        return replace(scene, from_phone=lambda number: not was_sent(number))
