"""An engine whose socket a test holds in its hand, and a state manager that can be away."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from actors.connection.abilities.administration import Administration, Group, GroupMember
from actors.connection.abilities.app_state_changes import InboxAppState, InboxReplaced
from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.engine import (
    EngineEvents,
    InboxFile,
    InboxMerge,
    InboxMessage,
    InboxReceipt,
    InboxStatus,
    NotConnected,
    PairingCode,
    Qr,
    SendError,
    SendRequest,
    Traffic,
)
from actors.connection.refused_items.port import RefusedItem
from actors.connection.state_manager.port import StateAway
from actors.connection.trace.recorder import Recorder
from actors.redis.leases.lease_record import HeldItems
from tests.integration.queue.names import Learnt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from actors.connection.engine import InboxItem, InboxKind
    from actors.connection.proxy.address import ProxyAddress
    from actors.connection.state_manager.port import Cleared
    from actors.messages.content import ReadMark, SettingChange

ACCOUNT = "15550100001@s.whatsapp.net"


class ScriptedEngine(Learnt):
    """Opens at once, unless `opens` is off, and closes with the cause that the test gives."""

    recorder = Recorder(Path(), "whatsmeow")
    """Off; a test that records has one of its own."""
    linked_at: float | None = None

    def __init__(self, events: EngineEvents | None = None, *, opens: bool = True) -> None:
        self.events = events or EngineEvents()
        self.opens = opens
        self.account: str | None = ACCOUNT
        self.runs: list[float] = []
        self.asked = self.cancelled = 0
        self.sent: list[SendRequest] = []
        self.marked: list[tuple[str, ReadMark]] = []
        self.changed: list[tuple[str, SettingChange]] = []
        self.inbox: dict[int, InboxItem] = {}
        self.aside: dict[int, InboxItem] = {}
        self.room_aside = 1000
        self.deferred = 0, 0
        self.in_flight = self.most_in_flight = 0
        self.closed = self.logged_out = False
        self.strangers: set[str] = set()
        self.told: list[str] = []
        self.read: Traffic | None = None
        self.probed = 0
        self.live: Callable[[float], Awaitable[bool]] = self._lives
        self.answer: Callable[[SendRequest], Awaitable[float]] = self._acknowledge
        self._causes: asyncio.Queue[Cause] = asyncio.Queue()

    def close_socket(
        self, kind: Kind, until: float | None = None, stanza: str | None = None
    ) -> None:
        self._causes.put_nowait(Cause(kind, until=until, stanza=stanza))

    async def use_proxy(self, proxy: ProxyAddress | None) -> None:
        """It goes to nobody."""

    async def run(self) -> Cause:
        self.runs.append(time.monotonic())
        if self.closed:
            return Cause(Kind.CLOSED)
        if self.opens and self.account is None:
            await self.events.on_qr(Qr(f"2@{len(self.runs)}", time.time() + 20))
        elif self.opens:
            await self.events.on_open()
        try:
            cause = await self._causes.get()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if cause.kind is Kind.LOGGED_OUT:
            self.account = None
        return cause

    async def scan(self, account: str) -> None:
        """A phone scans the QR; WhatsApp then asks for a new connection."""
        self.account = account
        await self.events.on_paired(account)
        self.close_socket(Kind.RESTART_REQUIRED)

    @property
    def traffic(self) -> Traffic | None:
        return self.read

    async def probe(self, within: float) -> bool:
        if self.read is None:
            raise NotConnected
        self.probed += 1
        return await self.live(within)

    async def _lives(self, _: float) -> bool:
        return True

    async def pairing_code(self, phone: str) -> PairingCode:
        if self.account is not None:
            raise SendError("already_linked")
        if not self.opens or self.closed:
            raise NotConnected
        self.told.append(f"code {phone}")
        code = PairingCode(f"CODE-{len(self.told):04}", time.time() + 100)
        await self.events.on_code(code)
        return code

    async def lookup(self, number: str) -> str | None:
        if not self.opens or self.closed:
            raise NotConnected
        return None if number in self.strangers else number

    def extend(self, seconds: float) -> None:
        """Nothing outlives this process."""

    async def copy_keys(self, target: Path) -> str | None:  # noqa: ARG002 - the port's
        return None

    async def passkey_assertion(self, assertion: str) -> None:  # noqa: ARG002 - the port's
        raise SendError("no_passkey_challenge")

    async def confirm_passkey(self) -> None:
        raise SendError("no_passkey_challenge")

    async def sync_app_state(self) -> None:
        return None

    async def request_resend(self, *_: str) -> None:
        raise NotConnected

    async def reject_call(self, call: str) -> None:  # noqa: ARG002 - the port's
        raise NotConnected

    @property
    def administration(self) -> Administration:
        mine = cast("Any", self)
        return Administration(mine, mine)

    async def all(self) -> list[Group]:
        if not self.opens or self.closed:
            raise NotConnected
        return [Group("120363000000000001@g.us", "Us", (GroupMember("1@s.whatsapp.net", True),))]

    async def one(self, chat: str) -> Group:
        found = [one for one in await self.all() if one.chat == chat]
        if not found:
            raise SendError("unknown_group", permanent=True)
        return found[0]

    async def presence(self, *, available: bool) -> None:
        self.told.append(f"available={available}")

    async def mark_read(self, chat: str, mark: ReadMark, at: float) -> None:
        if not self.opens or self.closed:
            raise NotConnected
        await self.answer(SendRequest("", chat, mark, at))
        self.marked.append((chat, mark))

    async def change_chat(self, chat: str, change: SettingChange, at: float) -> None:
        if not self.opens or self.closed:
            raise NotConnected
        await self.answer(SendRequest("", chat, change, at))
        self.changed.append((chat, change))

    async def configure(self, *, show_online: bool) -> None:
        self.shows_online = show_online

    async def typing(self, chat: str, state: str) -> None:
        self.told.append(f"{chat} {state}")

    async def subscribe(self, chat: str) -> None:
        if not self.opens or self.closed:
            raise NotConnected
        self.told.append(f"subscribed {chat}")

    async def send(self, message: SendRequest) -> float:
        self.asked += 1
        if not self.opens or self.closed:
            raise NotConnected
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            self.sent.append(message)
            return await self.answer(message)
        finally:
            self.in_flight -= 1

    async def _acknowledge(self, _: SendRequest) -> float:
        await asyncio.sleep(0.002)
        return time.time()

    async def pending(self, kind: InboxKind, limit: int) -> Any:
        of = {
            "message": InboxMessage,
            "history": InboxMessage,
            "receipt": InboxReceipt,
            "merge": InboxMerge,
            "status": InboxStatus,
            "file": InboxFile,
            "app_state": InboxAppState | InboxReplaced,
        }[kind]
        found = [item for _, item in sorted(self.inbox.items()) if isinstance(item, of)]
        past = kind == "history"
        return [
            item
            for item in found
            if not isinstance(item, InboxMessage) or (item.source == "history") is past
        ][:limit]

    async def settle(self, keys: Sequence[int]) -> None:
        for key in keys:
            self.inbox.pop(key, None)

    async def count_words(self, sender: str, size: int) -> None:
        """Nothing is counted."""

    async def set_aside(self, key: int) -> bool:
        if len(self.aside) >= self.room_aside:
            return False
        self.aside[key] = self.inbox.pop(key)
        return True

    async def held_items(self) -> HeldItems:
        return HeldItems(len(self.aside), *self.deferred)

    async def refused_items(self, limit: int, after: int) -> list[RefusedItem]:
        return [
            RefusedItem(key, "message", ACCOUNT, ACCOUNT, "ID", "text", 1.0, 2.0, 2, "hi")
            for key in sorted(self.aside)
            if key > after
        ][:limit]

    async def retry_refused(self, key: int) -> bool:
        if (item := self.aside.pop(key, None)) is not None:
            self.inbox[key] = item
            await self.events.on_inbox()
        return item is not None

    async def discard_refused(self, key: int) -> bool:
        there = self.aside.pop(key, None) is not None
        await self.events.on_inbox()
        return there

    async def logout(self) -> None:
        self.account, self.logged_out = None, True
        self.close_socket(Kind.LOGGED_OUT)

    async def close(self) -> None:
        self.closed = True
        self.close_socket(Kind.CLOSED)


class Shelf:
    """A state manager that keeps what it is given from `epoch` on, while it is not `away`."""

    def __init__(self) -> None:
        self.away = False
        self.asked = 0
        self.epoch = 0
        self.messages: dict[str, dict[str, Any]] = {}
        self.observed: list[dict[str, Any]] = []
        self.notices: list[dict[str, Any]] = []
        self.limits: list[dict[str, Any]] = []
        self.calls: list[dict[str, Any]] = []
        self.app_state: list[dict[str, Any]] = []

    def _takes(self, epoch: int) -> bool:
        """Returns whether an owner of this epoch may write. Raises StateAway while it is away."""
        if self.away:
            raise StateAway("away")
        return epoch >= self.epoch

    async def store_messages(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        self.asked += 1
        if not self._takes(epoch):
            return False
        self.messages |= {f"{connection}.{item['message_id']}": item for item in items}
        return True

    async def note_statuses(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        if not self._takes(epoch):
            return False
        for item in items:
            self.messages[f"{connection}.{item['message_id']}"]["status"] = item["status"]
        return True

    async def note_files(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        if not self._takes(epoch):
            return False
        for item in items:
            self.messages[f"{connection}.{item['message_id']}"]["media"] = item["status"]
        return True

    async def note_app_state(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        if not self._takes(epoch):
            return False
        self.app_state += [item | {"connection": connection} for item in items]
        return True

    async def clear_app_state(
        self, connection: str, epoch: int, replaced: dict[str, Any], after: str | None
    ) -> Cleared:
        if not self._takes(epoch):
            return "lost", None
        self.app_state.append(replaced | {"connection": connection, "after": after})
        return ("more", "1") if after is None else ("done", None)

    async def merge_chat(
        self, connection: str, epoch: int, old: str, new: str
    ) -> Literal["more", "done", "lost"]:
        if not self._takes(epoch):
            return "lost"
        found = {each["message_id"]: each for each in self.messages.values() if each["chat"] == old}
        self.messages |= {f"{connection}.{one}": {**it, "chat": new} for one, it in found.items()}
        return "done"

    async def note_pairing(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        if not self._takes(epoch):
            return False
        self.notices += [item | {"connection": connection} for item in items]
        return True

    async def note_calls(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        if not self._takes(epoch):
            return False
        self.calls += [item | {"connection": connection} for item in items]
        return True

    async def note_limit(self, connection: str, epoch: int, limit: dict[str, Any]) -> bool:
        if not self._takes(epoch):
            return False
        self.limits.append(limit | {"connection": connection})
        return True

    async def report_state(self, connection: str, observed: dict[str, Any]) -> None:
        if self.away:
            raise StateAway("away")
        self.observed.append(observed | {"connection": connection})
