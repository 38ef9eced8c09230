"""tryx (whatsapp-rust) as a client program; its words are those of `child.py`.

The library asks WhatsApp's own site for the current version before it connects, unless its
database says that it asked less than a day ago: that is written there before each start.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.clients import child, tryx_groups
else:
    import child  # by its place beside this program: `tests` is not a name to rely on
    import tryx_groups

# calls, by id
_calls: dict[str, Any] = {}

VERSION = (2, 3000, 1_050_000_000)

# settings of chats by their JIDs, from events
_settings: dict[str, dict[str, Any]] = {}


async def store(path: Path) -> Any:
    """The session file with one device in it, whose WhatsApp version counts as fresh."""
    from tryx.backend import SqliteStore

    first = SqliteStore(str(path))
    devices = [one.id for one in await first.list_devices()]
    device = devices[0] if devices else await first.create_new_device()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "update device set app_version_primary = ?, app_version_secondary = ?,"
            " app_version_tertiary = ?, app_version_last_fetched_ms = ? where id = ?",
            (*VERSION, int(time.time() * 1000), device),
        )
    return SqliteStore(str(path), device)


def edited(message: Any) -> str:
    """The text of an edit; the library opens one that is sealed."""
    return str(message.protocolMessage.editedMessage.conversation)


def register_events(app: Any) -> None:
    """Prints the library's events in the words that all clients use."""
    from tryx import events
    from tryx.client import IncomingCallEvent

    def on(kind: Any, name: str) -> None:
        async def handle(_: Any, __: Any) -> None:
            child.emit(name)

        app.on(kind)(handle)

    for kind, name in (
        (events.EvConnected, "connected"),
        (events.EvDisconnected, "disconnected"),
        (events.EvLoggedOut, "logged_out"),
        (events.EvStreamReplaced, "replaced"),
        (events.EvPairSuccess, "paired"),
    ):
        on(kind, name)

    @app.on(events.EvPairingQrCode)
    async def on_qr(_: Any, event: Any) -> None:
        child.emit("qr", qr=event.code)

    @app.on(events.EvMessage)
    async def on_message(_: Any, event: Any) -> None:
        if child.held.is_set():
            await asyncio.Event().wait()
        info = event.data.message_info
        source = info.source
        by_number = (
            source.sender.server in ("s.whatsapp.net", "hosted") or source.sender_alt is None
        )
        child.emit(
            "message",
            id=info.id,
            text=event.data.get_text() or edited(event.data.raw_proto),
            sender=source.sender.user if by_number else source.sender_alt.user,
            from_me=source.is_from_me,
        )

    @app.on(IncomingCallEvent)
    async def on_call(_: Any, event: Any) -> None:
        _calls[event.call_id] = event
        child.emit("call", id=event.call_id)

    @app.on(events.EvUndecryptableMessage)
    async def on_undecryptable(_: Any, event: Any) -> None:
        child.emit("undecryptable", id=event.info.id)

    @app.on(events.EvReceipt)
    async def on_receipt(_: Any, event: Any) -> None:
        kind = str(event.receipt_type).rpartition(".")[2].lower()
        child.emit("receipt", ids=list(event.message_ids), type=kind)


def register_settings(app: Any) -> None:
    """Keeps what the library's events say of chats.

    The library looks for the actions at the top of its module, where they are inside of
    `SyncActionValue`; and an archived chat's it reads as if it were such a value.
    """
    from tryx import events
    from tryx.waproto import whatsapp_pb2

    actions = whatsapp_pb2.SyncActionValue
    for action in ("ContactAction", "MuteAction", "MarkChatAsReadAction"):
        setattr(whatsapp_pb2, action, getattr(actions, action))

    def archived(data: Any) -> bool:
        read: Any = actions.ArchiveChatAction.FromString(data.action.SerializeToString())
        return bool(read.archived)

    def on(kind: Any, name: str, value: Callable[[Any], Any]) -> None:
        async def handle(_: Any, event: Any) -> None:
            chat = f"{event.data.jid.user}@{event.data.jid.server}"
            _settings.setdefault(chat, {})[name] = value(event.data)

        app.on(kind)(handle)

    on(events.EvContactUpdate, "name", lambda data: data.action.fullName)
    on(events.EvMuteUpdate, "muted", lambda data: data.action.muted)
    on(events.EvPinUpdate, "pinned", lambda data: bool(data.pinned))
    on(events.EvArchiveUpdate, "archived", archived)
    on(events.EvMarkChatAsReadUpdate, "read", lambda data: data.action.read)

    @app.on(events.EvStarUpdate)
    async def on_star(_: Any, event: Any) -> None:
        chat = f"{event.data.chat_jid.user}@{event.data.chat_jid.server}"
        _settings.setdefault(chat, {})["star"] = [event.data.message_id, event.data.starred]


async def change(client: Any, number: str, kind: str, *, on: bool) -> None:
    """Pins, archives or mutes the chat with a number, or the reverse."""
    from tryx.types import JID

    verb = f"{'' if on else 'un'}{kind}_chat"
    more = (None,) if kind == "archive" else ()
    await getattr(client.chat_actions, verb)(JID(number, "s.whatsapp.net"), *more)


async def obey(client: Any, command: dict[str, Any]) -> None:
    """Does what a command says."""
    from tryx.types import JID

    if command["do"] == "send":
        user, _, server = command["to"].partition("@")
        sent = await client.send_text(JID(user, server or "s.whatsapp.net"), command["text"])
        child.emit("sent", id=sent.message_id, text=command["text"])
    elif command["do"] == "settings":
        unset = {"name": "", "muted": False, "pinned": False, "archived": False}
        kept = _settings.get(f"{command['chat']}@s.whatsapp.net", {})
        own_name = client.advanced.get_push_name()
        child.emit("settings", **unset | kept, own_name=own_name)
    elif command["do"] == "set":
        await change(client, command["chat"], command["what"], on=command["on"])
        child.emit("set", what=command["what"])
    elif command["do"] == "online":
        shown, hidden = client.presence.set_available, client.presence.set_unavailable
        await (shown if command["online"] else hidden)()
    elif command["do"] == "manage":
        child.emit("managed", **await tryx_groups.manage(client, command))
    elif command["do"] == "hold":
        child.held.set()
        child.emit("held")
    elif command["do"] == "reject":
        await _calls[command["id"]].reject()
    elif command["do"] == "check":
        found = await client.contact.is_on_whatsapp([JID(command["number"], "s.whatsapp.net")])
        chats = [f"{one.jid.user}@{one.jid.server}" for one in found]
        child.emit("checked", registered=[one.is_registered for one in found], chats=chats)


async def main() -> None:
    """Connects, reports events, and executes commands, until standard input closes."""
    asked = child.options()
    from tryx.client import Tryx

    child.point_to("_tryx", asked["ws_url"], asked["root_key"])
    app = Tryx(await store(Path(asked["directory"]) / "session.db"))
    register_events(app)
    register_settings(app)
    tryx_groups.register(app)
    running = asyncio.ensure_future(app.run())
    while line := await asyncio.to_thread(sys.stdin.readline):
        command = json.loads(line)
        try:
            await obey(app.get_client(), command)
        except Exception as error:  # noqa: BLE001 - the parent gets each failure
            child.emit("failed", do=command["do"], error=str(error))
    await app.get_client().advanced.flush_pending_signal_state()
    running.cancel()
    await asyncio.wait([running])
    # The library's threads abort the process if they call into an interpreter that is shutting down.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
