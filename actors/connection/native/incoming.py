"""What an incoming stanza changes, inside a transaction, and what may be said once it committed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, cast

import structlog

from actors.connection.native import bundles, content, receipts
from actors.connection.native.addresses import GROUP, Address, parse_optional
from actors.connection.native.media import asking
from actors.connection.native.media.parts import is_path, transfer_of
from actors.connection.native.media.verdict import GONE
from actors.connection.native.nodes import MalformedMessage
from actors.connection.native.ratchet import Undecryptable
from actors.connection.native.reading import Forged, Scene, content_of
from actors.connection.polls import PollKeys
from actors.content import Other, Poll, encode, is_plain, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.native.devices import Devices
    from actors.connection.native.nodes import Node
    from actors.connection.native.people import People
    from actors.connection.native.signal import Signal
    from actors.connection.session import Session
    from actors.content import Content

log = structlog.get_logger()

UNDECRYPTABLE: Final = "undecryptable"

MAX_RETRIES: Final = 5
"""How often the sender is asked to encrypt one message again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What follows once the transaction is committed.

    `answers` are sent, where there is a `held` only once the inbox item of that key is settled; `news` says that the inbox may have grown; `wanted` is a message whose resend
    was asked for; `task` is work that needs WhatsApp's answers: a retry receipt, prekeys, or a file.
    `counted` names what the stanza turned out to be.
    """

    counted: str
    answers: tuple[Node, ...] = ()
    news: bool = False
    wanted: Node | None = None
    task: Literal["resend", "prekeys", "file"] | None = None
    held: int | None = None


class Key(NamedTuple):
    """What names a message at both ends, by canonical addresses."""

    chat: str
    sender: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where a message comes from; `sender` has a device."""

    chat: Address
    sender: Address
    from_me: bool


class Incoming:
    """Takes stanzas one by one, each inside its own savepoint of the session's transaction.

    A message is decrypted once: its ratchet step, its prekey and its inbox row commit together,
    and one that comes again is only acknowledged again (G5). With `hold` that happens once it is
    stored elsewhere, so that it outlives this disk.
    """

    def __init__(
        self,
        session: Session,
        signal: Signal,
        people: People,
        devices: Devices,
        clock: Callable[[], float],
        *,
        hold: bool = False,
    ) -> None:
        self._hold = hold
        self._session = session
        self._signal = signal
        self._people = people
        self._devices = devices
        self._clock = clock

    async def take(self, stanza: Node) -> Outcome:
        """Apply one stanza. Raises nothing for what a stanza may contain."""
        if not stanza.attrs.get("id") or not stanza.attrs.get("from"):
            # There is nothing that an ack could name.
            return Outcome("stanza.nameless")
        learned = self._people.learn_from(stanza)
        outcome = await self._taken(stanza)
        return replace(outcome, news=True) if learned else outcome

    async def _taken(self, stanza: Node) -> Outcome:
        if stanza.tag == "message":
            return await self._message(stanza)
        if stanza.tag == "receipt":
            return self._receipt(stanza)
        if stanza.tag == "notification":
            return self._notification(stanza)
        # A call: it must not come again at every login.
        return Outcome("call.ignored", (receipts.ack(stanza),))

    def give_up(self, stanza: Node) -> Outcome:
        """Put a placeholder where no resend came; one that comes later still replaces it."""
        source = self._source(stanza)
        if source is None or self._session.seen(*self._key(stanza, source)):
            return Outcome("message.repeated")
        added = self._add(stanza, source, Other(UNDECRYPTABLE))
        counted = "message.placeholder" if added else "message.repeated"
        held = self._held(*self._key(stanza, source))
        return Outcome(counted, (receipts.ack(stanza),), news=added, held=held)

    def lapse(self, patience: float) -> Outcome:
        """As `give_up`, for all that was last asked for so many seconds ago, on whatever socket."""
        shown = self._session.show_wanted(self._clock() - patience)
        return Outcome("message.placeholder" if shown else "message.repeated", news=shown > 0)

    async def _message(self, stanza: Node) -> Outcome:
        source = self._source(stanza)
        if source is None:
            return Outcome("message.ignored", (receipts.ack(stanza),))
        answers = (
            receipts.ack(stanza),
            receipts.delivery(stanza, from_me=source.from_me),
        )
        if self._session.seen(*self._key(stanza, source)):
            held = self._held(*self._key(stanza, source))
            return Outcome("message.repeated", answers, held=held)
        try:
            with self._session.savepoint():
                plaintext = await self._decrypt(stanza, source)
                found = content.read(plaintext)
        except (Undecryptable, MalformedMessage) as error:
            return self._undecryptable(stanza, source, error)
        if found is None:
            self._session.bury(**self._key(stanza, source)._asdict())
            return Outcome("message.silent", answers)
        try:
            said = self._said(stanza, source, found)
        except Forged:
            # Acknowledged as any other, or it would come again for ever.
            log.warning("refused message", action="message.refused")
            self._session.bury(**self._key(stanza, source)._asdict())
            return Outcome("message.refused", answers)
        added = self._add(stanza, source, said, found.destination, plaintext)
        counted = "message.stored" if added else "message.repeated"
        key = self._named(stanza, source, found.destination)
        expected = added and self._expect_file(key, source, found)
        task: Literal["file"] | None = "file" if expected else None
        return Outcome(counted, answers, news=added, held=self._held(*key), task=task)

    def _expect_file(self, key: Key, source: Source, found: content.Received) -> bool:
        """Note with the message what its file takes, or why there will be none; True for the former."""
        transfer = transfer_of(found, **key._asdict(), from_me=source.from_me)
        if isinstance(transfer, str):
            self._session.add_file(*key, "failed", transfer)
        elif transfer is not None:
            self._session.add_transfer(transfer)
            return True
        return False

    async def _decrypt(self, stanza: Node, source: Source) -> bytes:
        part = stanza.child("enc")
        if part is None or not _for_one_device(stanza):
            raise Undecryptable("invalid_message")
        padded = await self._signal.decrypt(
            str(self._people.known_as(source.sender)),
            cast("Literal['pkmsg', 'msg']", part.attrs["type"]),
            part.data,
        )
        return padded if part.attrs.get("v") == "3" else content.unpad(padded)

    def _undecryptable(
        self, stanza: Node, source: Source, error: Undecryptable | MalformedMessage
    ) -> Outcome:
        reason = error.reason if isinstance(error, Undecryptable) else "malformed"
        key = self._key(stanza, source)
        count = self._session.count_retry("asked", *key)
        log.warning(
            "undecryptable message", action="message.undecryptable", reason=reason, count=count
        )
        own = self._session.credentials()
        if count > MAX_RETRIES or own is None or not _for_one_device(stanza):
            return self.give_up(stanza)
        self._session.want(
            **key._asdict(),
            at=stanza.number("t") or int(self._clock()),
            from_me=source.from_me,
            push_name=stanza.attrs.get("notify"),
            source=_arrival(stanza),
        )
        (prekey,) = self._signal.make_prekeys(1)
        asked = receipts.retry(
            stanza,
            count=count,
            registration_id=own.registration_id,
            keys=bundles.for_retry(own, prekey),
        )
        return Outcome("message.asked_for", (asked,), wanted=stanza)

    def _said(self, stanza: Node, source: Source, found: content.Received) -> Content:
        """Raises `Forged`."""
        account = self._people.account
        chat = self._chat(stanza, source, found.destination)
        scene = Scene(
            chat=chat,
            sender=self._people.canonical(source.sender),
            account=account,
            canonical=self._people.canonical,
            from_phone=lambda number: self._session.knows(str(chat), str(account), number),
            poll=lambda author, number: self._session.poll(str(chat), str(author), number),
            names=self._people.names,
        )
        return content_of(found, scene)

    def _chat(self, stanza: Node, source: Source, destination: str | None) -> Address:
        """The chat of a message, which the copy of one that another own device sent names itself."""
        named = parse_optional(destination)
        if source.from_me and named is not None and "recipient" not in stanza.attrs:
            return self._people.canonical(named)
        return source.chat

    def _add(
        self,
        stanza: Node,
        source: Source,
        said: Content,
        destination: str | None = None,
        plaintext: bytes = b"",
    ) -> bool:
        key = self._named(stanza, source, destination)
        if key != (first := self._key(stanza, source)):
            # The stanza alone names it differently when it comes again.
            self._session.bury(**first._asdict())
        if isinstance(said, Poll) and said.secret is not None:
            poll = PollKeys(bytes.fromhex(said.secret), said.options)
            self._session.remember_poll(*key, poll)
        return self._session.add_message(
            **key._asdict(),
            at=stanza.number("t") or int(self._clock()),
            type=said.type,
            text=text_of(said),
            from_me=source.from_me,
            push_name=stanza.attrs.get("notify"),
            source=_arrival(stanza),
            body=None if said.type in ("text", UNDECRYPTABLE) else plaintext,
            content=None if is_plain(said) else encode(said),
        )

    def _named(self, stanza: Node, source: Source, destination: str | None) -> Key:
        chat = str(self._chat(stanza, source, destination))
        return self._key(stanza, source)._replace(chat=chat)

    def _held(self, *key: str) -> int | None:
        return self._session.unsettled(*key) if self._hold else None

    def _receipt(self, stanza: Node) -> Outcome:
        receipt = receipts.read(stanza)
        if receipt.status == "retry":
            return Outcome("receipt.retry", task="resend")
        sender = parse_optional(stanza.attrs.get("from"))
        answers = (receipts.ack(stanza),)
        if (
            receipt.status is None
            or sender is None
            or not sender.is_person
            or self._people.is_account(sender)
        ):
            return Outcome("receipt.ignored", answers)
        chat, at = str(self._people.canonical(sender)), receipt.at or int(self._clock())
        self._session.add_receipt(
            chat=chat, message_ids=receipt.message_ids, status=receipt.status, at=at
        )
        # WhatsApp tells every device of the account, whichever of them sent the message, and in
        # the same words.
        for message_id in receipt.message_ids:
            if self._session.sent_plaintext(chat, message_id) is None:
                self._session.add_status(
                    chat=chat,
                    sender=str(self._people.account),
                    message_id=message_id,
                    status=receipt.status,
                    at=at,
                )
        return Outcome("receipt.stored", answers, news=True)

    def _notification(self, stanza: Node) -> Outcome:
        answers = (receipts.ack(stanza),)
        kind = stanza.attrs.get("type")
        if kind == "encrypt" and stanza.child("count") is not None:
            return Outcome("notification.prekeys", answers, task="prekeys")
        if kind == "mediaretry":
            return self._uploaded_again(stanza, answers)
        person = parse_optional(stanza.attrs.get("from"))
        if kind == "account_sync":
            self._devices.forget(self._people.account)
            return Outcome("notification.devices", answers)
        if kind not in ("encrypt", "devices") or person is None or not person.is_person:
            return Outcome("notification.ignored", answers)
        person = self._people.canonical(person)
        self._devices.forget(person)
        if kind == "devices":
            return Outcome("notification.devices", answers)
        if stanza.child("identity") is None:
            return Outcome("notification.ignored", answers)
        # As WhatsApp's own clients do: the next key is believed, and what goes out from now on is
        # not encrypted for the installation that is gone.
        self._signal.distrust(str(person))
        return Outcome("notification.identity", answers)

    def _uploaded_again(self, stanza: Node, answers: tuple[Node, ...]) -> Outcome:
        """The account's phone was asked for a file that the servers lost."""
        for transfer in self._session.transfers_of(stanza.attrs["id"]):
            found = asking.answer(stanza, transfer)
            if found is None:
                continue
            if found.direct_path is None:
                self._session.end_transfer(transfer, "failed", GONE)
                return Outcome("notification.file_lost", answers, news=True)
            if is_path(found.direct_path):
                self._session.find_transfer_at(transfer, found.direct_path)
                return Outcome("notification.file", answers, task="file")
        return Outcome("notification.ignored", answers)

    def _source(self, stanza: Node) -> Source | None:
        """None for what is no message between people: channels, status updates, broadcasts."""
        origin = parse_optional(stanza.attrs.get("from"))
        if origin is None or not stanza.attrs.get("id"):
            return None
        if origin.server == GROUP:
            sender = parse_optional(stanza.attrs.get("participant"))
            if sender is None:
                return None
            return Source(origin, sender, self._people.is_account(sender))
        if not origin.is_person:
            return None
        if not self._people.is_account(origin):
            return Source(self._people.canonical(origin), origin, from_me=False)
        recipient = parse_optional(stanza.attrs.get("recipient")) or origin
        return Source(self._people.canonical(recipient), origin, from_me=True)

    def _key(self, stanza: Node, source: Source) -> Key:
        sender = self._people.canonical(source.sender)
        return Key(str(source.chat), str(sender), stanza.attrs["id"])


def _arrival(stanza: Node) -> Literal["live", "offline"]:
    return "offline" if "offline" in stanza.attrs else "live"


def _for_one_device(stanza: Node) -> bool:
    """Whether the message is encrypted for this device alone, and not with a group's key."""
    kinds = {part.attrs.get("type") for part in stanza.children("enc")}
    return bool(kinds) and kinds <= {"pkmsg", "msg"}
