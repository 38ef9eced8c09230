"""The project's own engine as a client program; its words are those of `child.py`.

It is driven through the engine's port alone, and reconnects as its owner in the service would.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.messages.content import (
    Card,
    Contact,
    Delete,
    Edit,
    Location,
    Media,
    Poll,
    PollVote,
    Quote,
    Reaction,
    ReadMark,
    Target,
    Text,
    decode,
)

if TYPE_CHECKING:
    from actors.connection.abilities.port import Call
    from actors.connection.engine import Engine, InboxMessage, Presence, Qr
    from actors.messages.content import Content
    from tests.conformance.clients import child, engine_files, engine_groups, engine_settings
else:
    import child
    import engine_files
    import engine_groups
    import engine_settings  # by their place beside this program: `tests` is not a name to rely on

BACKOFF = 0.2


def user(address: str) -> str:
    return address.partition("@")[0]


def address(named: str) -> str:
    """Of a person by the number, or of a group."""
    return named if "@" in named else f"{named}@s.whatsapp.net"


def described(said: Content, text: str | None) -> dict[str, Any]:
    """Returns the content of a message, in the words of `child.py`."""
    words: dict[str, Any] = {"type": said.type, "text": text or ""}
    if isinstance(said, Text) and said.reply_to is not None:
        words["reply_to"] = said.reply_to.target.message_id
    if isinstance(said, Reaction | Edit | Delete | PollVote):
        words["target"] = said.target.message_id
    if isinstance(said, Reaction):
        words["text"] = said.emoji
    elif isinstance(said, Edit):
        words["text"] = said.text
    elif isinstance(said, Location):
        words |= {"text": said.name, "place": [said.latitude, said.longitude]}
    elif isinstance(said, Contact):
        words |= {"text": said.cards[0].name, "vcard": said.cards[0].vcard}
    elif isinstance(said, Poll):
        words |= {"text": said.question, "options": list(said.options)}
    elif isinstance(said, PollVote):
        chosen = [hashlib.sha256(one.encode()).hexdigest() for one in said.options or ("?",)]
        words |= {"type": "vote", "chosen": chosen}
    elif isinstance(said, Media):
        words |= {"mimetype": said.file.mime, "length": said.file.size}
    return words


class Owner:
    """Runs the engine again where the cause says so, and tells what it tells."""

    def __init__(self) -> None:
        self.engine: Engine
        self.files: engine_files.Files
        self.parts: dict[str, engine_groups.Groups | engine_settings.Settings] = {}
        self._telling = asyncio.Lock()
        self._seen: dict[str, InboxMessage] = {}
        self._polls: dict[str, Poll] = {}

    async def on_qr(self, qr: Qr) -> None:
        child.emit("qr", qr=qr.text)

    async def on_paired(self, _: str) -> None:
        child.emit("paired")

    async def on_open(self) -> None:
        child.emit("connected")

    async def on_inbox(self) -> None:
        if child.held.is_set():
            return
        async with self._telling:
            while messages := await self.engine.pending("message", 1000):
                for one in messages:
                    if one.type == "undecryptable":
                        child.emit("undecryptable", id=one.message_id)
                    else:
                        self._tell(one)
                await self.engine.settle([one.key for one in messages])
            while files := await self.engine.pending("file", 1000):
                await self.engine.settle([one.key for one in files])
                await self.files.tell(files)
            while past := await self.engine.pending("history", 1000):
                engine_groups.tell_history(past)
                await self.engine.settle([one.key for one in past])
            while receipts := await self.engine.pending("receipt", 1000):
                for receipt in receipts:
                    child.emit("receipt", ids=[*receipt.message_ids], type=receipt.status)
                await self.engine.settle([one.key for one in receipts])

    async def on_presence(self, heard: Presence) -> None:
        if heard.state in ("available", "unavailable"):
            child.emit("presence", who=heard.who, available=heard.state == "available")
        else:
            child.emit("typing", chat=heard.chat, state=heard.state)

    async def on_call(self, call: Call) -> None:
        if call.state == "offered":
            child.emit("call", id=call.id)

    def _tell(self, message: InboxMessage) -> None:
        said: Content = Text(message.text or "")
        if message.content is not None:
            said = decode(message.content)
        self._seen[message.message_id] = message
        if isinstance(said, Poll):
            self._polls[message.message_id] = said
        child.emit(
            "message",
            id=message.message_id,
            chat=message.chat,
            sender=user(message.sender),
            from_me=message.from_me,
            **described(said, message.text),
        )

    async def _content(self, command: dict[str, Any]) -> Content:
        """Returns the content of a `say` command."""
        kind, text = command["type"], command.get("text", "")
        if kind in engine_files.MIMETYPES:
            return await self.files.content(command)
        if kind == "text":
            quoted = self._seen[command["reply_to"]]
            return Text(text, Quote(self._target(quoted.message_id), quoted.text))
        if kind == "location":
            return Location(command["latitude"], command["longitude"], command["name"])
        if kind == "contact":
            return Contact((Card(command["name"], command["vcard"]),))
        if kind == "poll":
            return Poll(text, tuple(command["options"]), 1, secrets.token_hex(32))
        target = self._target(command["target"])
        if kind == "vote":
            secret = self._polls[target.message_id].secret
            return PollVote(target, tuple(command["options"]), secret)
        if kind == "reaction":
            return Reaction(target, text)
        return Edit(target, text) if kind == "edit" else Delete(target)

    def _target(self, message_id: str) -> Target:
        seen = self._seen.get(message_id)
        return Target(message_id, None if seen is None else seen.sender)

    async def run(self) -> None:
        from actors.connection.disconnects.causes import Kind
        from actors.connection.disconnects.consequences import AwaitRoom, Reconnect, consequence

        words = {Kind.REPLACED: "replaced", Kind.LOGGED_OUT: "logged_out"}
        await self.on_inbox()
        while True:
            cause = await self.engine.run()
            child.emit(words.get(cause.kind, "disconnected"))
            follows = consequence(cause)
            if not isinstance(follows, Reconnect | AwaitRoom):
                return
            if isinstance(follows, AwaitRoom) or not follows.at_once:
                await asyncio.sleep(BACKOFF)

    async def _ask(self, command: dict[str, Any]) -> None:
        what, phone = command["do"], address(command.get("number", ""))
        if what in ("reject", "read"):
            await self._attend(what, command["id"])
        elif what == "link":
            child.emit("link_code", code=(await self.engine.pairing_code(phone)).text)
        else:
            found = await self.engine.lookup(phone)
            child.emit("checked", registered=[found is not None], chats=[found])

    async def _show(self, command: dict[str, Any]) -> None:
        if command["do"] == "online":
            await self.engine.presence(available=command["online"])
        elif command["do"] == "subscribe":
            await self.engine.subscribe(address(command["to"]))
        else:
            await self.engine.typing(address(command["to"]), command["state"])

    async def _attend(self, do: str, number: str) -> None:
        if do == "reject":
            await self.engine.reject_call(number)
            return
        seen = self._seen[number]
        mark = ReadMark((Target(seen.message_id, seen.sender),))
        await self.engine.mark_read(seen.chat, mark, time.time())

    async def obey(self, command: dict[str, Any]) -> None:
        from actors.connection.engine import NotConnected, SendRequest

        if command["do"] == "hold":
            child.held.set()
            child.emit("held")
            return
        if (part := self.parts.get(command["do"])) is not None:
            await part.obey(command)
            return
        if command["do"] == "download":
            number = command["id"]
            brought = decode(self._seen[number].content or "")
            assert isinstance(brought, Media)
            child.emit("downloaded", id=number, **await self.files.downloaded(number, brought))
            return
        if command["do"] in ("online", "subscribe", "type"):
            await self._show(command)
            return
        if command["do"] in ("link", "check", "reject", "read"):
            await self._ask(command)
            return
        assert command["do"] in ("send", "say"), f"no command {command['do']}"
        chat = address(command["to"])
        message_id = f"3EB0{secrets.token_hex(9).upper()}"
        said: Content = Text(command.get("text", ""))
        if command["do"] == "say":
            said = await self._content(command)
        while True:
            try:
                await self.engine.send(SendRequest(message_id, chat, said))
                break
            except NotConnected:  # nothing left: the queue would keep it until the next login
                await asyncio.sleep(BACKOFF)
        if isinstance(said, Poll):
            self._polls[message_id] = said
        child.emit("sent", id=message_id, text=command.get("text"))


async def main() -> None:
    """Connects, reports events, and executes commands, until standard input closes."""
    asked = child.options()
    sys.path.insert(0, str(Path(__file__).parents[3]))
    from actors.config.sources import resolve_settings
    from actors.connection.engine import EngineEvents
    from actors.connection.whatsmeow import open_engine
    from tests.bare_files import BareFiles

    directory, owner = Path(asked["directory"]), Owner()
    settings = resolve_settings(
        data=directory,
        whatsapp_url=asked["ws_url"],
        whatsapp_root_key=asked["root_key"],
        whatsapp_media_authority=os.environ["SSL_CERT_FILE"],
    )
    events = EngineEvents(
        owner.on_qr, owner.on_paired, owner.on_open, owner.on_inbox, owner.on_presence
    )
    events.on_call = owner.on_call
    store = BareFiles(settings.media)
    owner.files = engine_files.Files(store)
    owner.engine = open_engine(
        settings, "conformance", time.time_ns(), events, directory, media=store
    )
    running = asyncio.create_task(owner.run())
    groups, settings_ = engine_groups.Groups(owner.engine), engine_settings.Settings(owner.engine)
    owner.parts = {"group": groups, "groups": groups, "settings": settings_, "set": settings_}
    watching = asyncio.create_task(groups.watch())
    while line := await asyncio.to_thread(sys.stdin.readline):
        command = json.loads(line)
        try:
            await owner.obey(command)
        except Exception as error:  # noqa: BLE001 - the parent gets each failure
            child.emit("failed", do=command["do"], error=repr(error))
    watching.cancel()
    await owner.engine.close()
    await running


if __name__ == "__main__":
    asyncio.run(main())
