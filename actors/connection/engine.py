"""Declares the interface of the WhatsApp engine to its owner: calls and events.

The engine serves one connection over one socket at a time. It never reconnects by itself: `run`
ends with the cause, and `consequences.py` has its consequence. Received items are committed to the session
file before they are acknowledged, and wait there as inbox
items until the owner has stored them elsewhere and settles them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Protocol, overload

from actors.connection.abilities.app_state_changes import InboxAppState, InboxReplaced
from actors.connection.abilities.port import Account
from actors.connection.address_changes.port import NamedChats
from actors.connection.refused_items.port import RefusedItems

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from actors.connection.abilities.port import Call, Passkey
    from actors.connection.disconnects.causes import Cause
    from actors.connection.limits.account_limits import Limits
    from actors.connection.trace.recorder import Recorder
    from actors.messages.content import Content, ReadMark
    from actors.redis.leases.lease_record import HeldItems


class EngineNotInstalled(Exception):
    """The program `teimoso-whatsmeow` is not installed on this host."""

    code: Final = "engine_not_installed"


@dataclass(frozen=True, slots=True)
class SendRequest:
    """One message to send. `chat` is a canonical address (`15550100002@s.whatsapp.net`).

    `at` is the time of an edit, a reaction or a vote, in seconds since the epoch; None is when it leaves.
    """

    message_id: str
    chat: str
    content: Content
    at: float | None = None


@dataclass(frozen=True, slots=True)
class InboxMessage:
    """A message that is on disk and not yet settled.

    `chat` and `sender` are canonical addresses without device part. `at` is WhatsApp's time in
    seconds since the epoch. `text` is None for a kind that has no text; `type` is ``undecryptable``
    for a placeholder. `from_me` marks what the account's own phone sent. `content` is the whole
    content, encoded, where `type` and `text` do not say it all. `received_at` is its first commit here, by this host's
    clock; `place` the time by which lists order it, greater than that of what arrived before it in its chat. One of a history sync has no `place`. `sender_name` is in the phone's address book, else
    the push name; `sender_lid` the LID of a sender with a number; `chat_name` as `sender_name`, of a group its subject.
    """

    key: int
    chat: str
    sender: str
    message_id: str
    at: int
    type: str
    text: str | None
    from_me: bool = False
    push_name: str | None = None
    source: Literal["live", "offline", "history"] = "live"
    content: str | None = None
    received_at: float | None = None
    place: float | None = None
    sender_name: str | None = None
    sender_lid: str | None = None
    chat_name: str | None = None


@dataclass(frozen=True, slots=True)
class InboxReceipt:
    """A receipt for messages sent by this connection, on disk and not yet settled."""

    key: int
    chat: str
    message_ids: tuple[str, ...]
    status: Literal["delivered", "read"]
    at: int


@dataclass(frozen=True, slots=True)
class InboxStatus:
    """The new status of a settled message that the account's phone sent, not this device; on disk, not yet settled.

    `sender` is the account; None for a message that this device sent, and that has left the queue.
    """

    key: int
    chat: str
    sender: str | None
    message_id: str
    status: Literal["delivered", "read"]
    at: int


@dataclass(frozen=True, slots=True)
class InboxMerge:
    """The chat `old` is one person's with `new`, to which its stored messages belong; on disk, not yet settled."""

    key: int
    old: str
    new: str


FileStatus = Literal["pending", "deferred", "stored", "failed"]


@dataclass(frozen=True, slots=True)
class InboxFile:
    """News of the file of a received message; on disk, not yet settled.

    ``stored``: it is in the media store, whole and checked. ``failed``: `error` is a stable code,
    and it is not fetched without a request any more. ``deferred``: it waits for the end of what `error`
    names. ``pending``: that is over, and it is tried.
    """

    key: int
    chat: str
    sender: str
    message_id: str
    status: FileStatus
    error: str | None = None


InboxOfState = InboxAppState | InboxReplaced
InboxItem = InboxMessage | InboxReceipt | InboxMerge | InboxStatus | InboxFile | InboxOfState
InboxKind = Literal["message", "history", "receipt", "merge", "status", "file", "app_state"]


@dataclass(frozen=True, slots=True)
class Presence:
    """The presence of a person now: online or not, or typing or not in a chat.

    `who` is the person's canonical address, `chat` the same or a group's. `last_seen` is WhatsApp's
    time in seconds since the epoch, where it is reported.
    """

    chat: str
    who: str
    state: Literal["available", "unavailable", "composing", "recording", "paused"]
    last_seen: int | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """Seconds since something of WhatsApp's was read last; `listening`: bytes that come now would be read."""

    age: float
    listening: bool


@dataclass(frozen=True, slots=True)
class Qr:
    """A QR: the string that its image encodes, and when it expires.

    Since 2026 it begins with ``https://wa.me/settings/linked_devices#``. It holds a secret.
    """

    text: str = field(repr=False)
    expires_at: float


@dataclass(frozen=True, slots=True)
class PairingCode:
    """A code to type on the phone in place of scanning: ``XXXX-XXXX``, and when it is void."""

    text: str = field(repr=False)
    expires_at: float


NO_CODE: Final = PairingCode("", 0.0)
"""The earlier code is void."""


async def _ignore(*_: object) -> None:
    return None


@dataclass(slots=True)
class EngineEvents:
    """Events of an engine for its owner; the engine's own loop awaits each, so keep it short.

    `on_qr` a new QR to show; `on_code` a new code to type, or `NO_CODE`; `on_paired` credentials are
    committed (canonical address of the account); `on_open` logged in; `on_inbox` at least one new item
    was committed; `on_presence` somebody came, went, types or stopped; `on_version_end` WhatsApp accepts
    the announced version until then (seconds since the epoch), or as long as can be seen (None);
    `on_passkey` what linking by passkey waits for, or `NO_PASSKEY`; `on_call` a call rings or is over;
    `on_limits` to whom the account may write, at each login and whenever that changes. `new_chats` is no event: it
    returns how many chats the account may begin on a day, 0 for any number.
    """

    on_qr: Callable[[Qr], Awaitable[None]] = field(default=_ignore)
    on_paired: Callable[[str], Awaitable[None]] = field(default=_ignore)
    on_open: Callable[[], Awaitable[None]] = field(default=_ignore)
    on_inbox: Callable[[], Awaitable[None]] = field(default=_ignore)
    on_presence: Callable[[Presence], Awaitable[None]] = field(default=_ignore)
    on_code: Callable[[PairingCode], Awaitable[None]] = field(default=_ignore)
    on_version_end: Callable[[float | None], Awaitable[None]] = field(default=_ignore)
    on_passkey: Callable[[Passkey], Awaitable[None]] = field(default=_ignore)
    on_call: Callable[[Call], Awaitable[None]] = field(default=_ignore)
    on_limits: Callable[[Limits], Awaitable[None]] = field(default=_ignore)
    new_chats: Callable[[], int] = field(default=int)


class SendError(Exception):
    """A send that was not acknowledged. `code` is stable, `uncertain` says that bytes left.

    `permanent` means that the same message will be refused again: it goes to the dead letters.
    `wait` is the number of seconds after which a request is worth trying again, None where it is not known.
    """

    def __init__(
        self,
        code: str,
        *,
        permanent: bool = False,
        uncertain: bool = False,
        wait: float | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.permanent = permanent
        self.uncertain = uncertain
        self.wait = wait


class NotConnected(SendError):
    """The socket is not open, or the chat has another name now: no attempt was made, nothing left."""

    def __init__(self) -> None:
        super().__init__("not_connected")


class RequestsLimited(NotConnected):
    """WhatsApp takes no request of the account for so many `seconds`: no attempt was made, nothing left."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class Engine(Account, NamedChats, RefusedItems, Protocol):
    """One WhatsApp account on one socket."""

    @property
    def recorder(self) -> Recorder:
        """Records the shape of the traffic while it is on."""

    @property
    def account(self) -> str | None:
        """The canonical address of the paired account, None before pairing."""

    @property
    def linked_at(self) -> float | None:
        """The time at which the account was linked first, in seconds since the epoch; None where nothing is known."""

    async def run(self) -> Cause:
        """Connect, pair or log in, serve until the socket closes; return why. Raises only cancellation."""

    async def send(self, message: SendRequest) -> float:
        """Send under the caller's message id; return the server's time when it acknowledged.

        Raises `NotConnected` before anything left, also where the chat turns out to be another (`address_changes.port`),
        `SendDeferred` where a limit of the account keeps it from leaving, `SendError` otherwise. Safe to call
        concurrently; several are in flight at once.
        """

    async def mark_read(self, chat: str, mark: ReadMark, at: float) -> None:
        """Tell WhatsApp what was read, `at` seconds since the epoch; may be repeated, raises as `send`."""

    @property
    def traffic(self) -> Traffic | None:
        """The newest traffic of the socket; None where none is open and logged in."""

    async def probe(self, within: float) -> bool:
        """Whether WhatsApp answered anything within so many seconds. Raises `NotConnected`."""

    async def pairing_code(self, phone: str) -> PairingCode:
        """A code that links the device, typed on the phone of this canonical address.

        The one before is void then. It goes with the socket; QRs go on being shown. Raises `NotConnected`,
        and `SendError`: `already_linked`, `pairing_code_limited`, `pairing_code_refused`.
        """

    async def lookup(self, number: str) -> str | None:
        """The chat of a phone number (a canonical address) that is on WhatsApp, None if it is not.

        This and the next three raise `SendError`, and `NotConnected` where nothing left.
        """

    async def presence(self, *, available: bool) -> None:
        """Show the account as online or not, until the socket ends."""

    async def configure(self, *, show_online: bool) -> None:
        """Take over settings, also while no socket is open; raises nothing.

        `show_online`: shown as online from each login on, with the second tick; else by `presence` alone.
        """

    async def typing(self, chat: str, state: str) -> None:
        """Show in a chat what the account does: ``composing``, ``recording`` or ``paused``."""

    async def subscribe(self, chat: str) -> None:
        """Have WhatsApp report a person's presence (`on_presence`), as long as the socket lasts."""

    @overload
    async def pending(
        self, kind: Literal["message", "history"], limit: int
    ) -> Sequence[InboxMessage]: ...

    @overload
    async def pending(self, kind: Literal["receipt"], limit: int) -> Sequence[InboxReceipt]: ...

    @overload
    async def pending(self, kind: Literal["merge"], limit: int) -> Sequence[InboxMerge]: ...

    @overload
    async def pending(self, kind: Literal["status"], limit: int) -> Sequence[InboxStatus]: ...

    @overload
    async def pending(self, kind: Literal["file"], limit: int) -> Sequence[InboxFile]: ...

    @overload
    async def pending(self, kind: Literal["app_state"], limit: int) -> Sequence[InboxOfState]: ...

    async def pending(self, kind: InboxKind, limit: int) -> Sequence[InboxItem]:
        """The oldest unsettled inbox items of that kind, oldest first."""

    async def settle(self, keys: Sequence[int]) -> None:
        """Forget the bodies of items that are stored elsewhere; tombstones stay."""

    async def held_items(self) -> HeldItems:
        """The numbers of inbox items and files that are held back; whether more have room aside is not known here."""

    async def copy_keys(self, target: Path) -> str | None:
        """Copy what is beside the session file, also after `close`; its name, or None. Raises its errors."""

    async def logout(self) -> None:
        """Tell WhatsApp to unlink this device (where connected) and forget the credentials."""

    async def close(self) -> None:
        """Close the socket and the session file. `run` returns."""
