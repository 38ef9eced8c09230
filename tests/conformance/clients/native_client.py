"""The project's own engine as a client program; its words are those of `child.py`.

It is driven through the engine's port alone, and reconnects as its owner in the service would.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actors.connection.engine import Engine, InboxMessage, Qr
    from actors.content import Content
    from actors.media.store import MediaStore
    from tests.conformance.clients import child, native_kinds
else:
    import child
    import native_kinds  # both by their place beside this program: `tests` is not a name to rely on

BACKOFF = 0.2
FETCHED = 15.0
"""Seconds within which a file has to be here."""


def user(address: str) -> str:
    return address.partition("@")[0]


class Owner:
    """Runs the engine again where the cause says so, and tells what it tells."""

    def __init__(self) -> None:
        self.engine: Engine
        self.store: MediaStore
        self.seen: dict[str, InboxMessage] = {}
        self._files: dict[str, str] = {}
        self._filed = asyncio.Condition()
        self._telling = asyncio.Lock()

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
                        self.seen[one.message_id] = one
                        child.emit(
                            "message",
                            id=one.message_id,
                            chat=user(one.chat),
                            **native_kinds.described(one),
                            sender=user(one.sender),
                            from_me=one.from_me,
                        )
                await self.engine.settle([one.key for one in messages])
            while files := await self.engine.pending("file", 1000):
                await self.engine.settle([one.key for one in files])
                async with self._filed:
                    self._files |= {one.message_id: one.error or one.status for one in files}
                    self._filed.notify_all()
            while receipts := await self.engine.pending("receipt", 1000):
                for receipt in receipts:
                    child.emit("receipt", ids=list(receipt.message_ids), type=receipt.status)
                await self.engine.settle([one.key for one in receipts])

    async def run(self) -> None:
        from actors.connection.causes import Kind, Reconnect, consequence

        words = {Kind.REPLACED: "replaced", Kind.LOGGED_OUT: "logged_out"}
        await self.on_inbox()
        while True:
            cause = await self.engine.run()
            child.emit(words.get(cause.kind, "disconnected"))
            follows = consequence(cause)
            if not isinstance(follows, Reconnect):
                return
            if not follows.at_once:
                await asyncio.sleep(BACKOFF)

    async def obey(self, command: dict[str, Any]) -> None:
        from actors.content import Text

        if command["do"] == "hold":
            child.held.set()
            child.emit("held")
            return
        if command["do"] == "download":
            await self._download(command["id"])
            return
        if command["do"] == "say":
            said = await native_kinds.content(command, self.seen, self.store)
            child.emit("sent", id=await self._send(command["to"], said))
            return
        if command["do"] != "send":
            raise NotImplementedError
        number = await self._send(command["to"], Text(command["text"]))
        child.emit("sent", id=number, text=command["text"])

    async def _download(self, number: str) -> None:
        """The engine fetches by itself: wait until it says what became of it."""
        async with asyncio.timeout(FETCHED), self._filed:
            await self._filed.wait_for(lambda: number in self._files)
        if self._files[number] != "stored":
            raise RuntimeError(self._files[number])
        found = await native_kinds.downloaded(self.seen[number], self.store)
        child.emit("downloaded", id=number, **found)

    async def _send(self, to: str, said: Content) -> str:
        from actors.connection.engine import NotConnected, Outgoing

        message_id = f"3EB0{secrets.token_hex(9).upper()}"
        chat = f"{to}@s.whatsapp.net"
        while True:
            try:
                await self.engine.send(Outgoing(message_id, chat, said))
            except NotConnected:  # nothing left: the queue would keep it until the next login
                await asyncio.sleep(BACKOFF)
            else:
                return message_id


async def main() -> None:
    """Connects, reports events, and does what it is told to, until standard input closes."""
    asked = child.options()
    sys.path.insert(0, str(Path(__file__).parents[3]))
    from actors.connection.engine import EngineEvents
    from actors.connection.native import open_engine
    from actors.media.directory import DirectoryStore
    from actors.settings import Settings

    directory, owner = Path(asked["directory"]), Owner()
    settings = Settings.resolve(
        data=directory,
        whatsapp_url=asked["ws_url"],
        whatsapp_root_key=asked["root_key"],
        whatsapp_media_authority=os.environ["SSL_CERT_FILE"],
    )
    events = EngineEvents(owner.on_qr, owner.on_paired, owner.on_open, owner.on_inbox)
    owner.store = DirectoryStore(settings.media)
    owner.engine = open_engine(
        settings, "conformance", time.time_ns(), events, directory, media=owner.store
    )
    running = asyncio.create_task(owner.run())
    while line := await asyncio.to_thread(sys.stdin.readline):
        command = json.loads(line)
        try:
            await owner.obey(command)
        except Exception as error:  # noqa: BLE001 - the parent is told whatever failed
            child.emit("failed", do=command["do"], error=repr(error))
    await owner.engine.close()
    await running


if __name__ == "__main__":
    asyncio.run(main())
