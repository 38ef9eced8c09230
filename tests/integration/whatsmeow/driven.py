"""The engine on whatsmeow in a process of its own, driven through its port: commands in, events out, JSON a line.

Called with one argument, JSON: `settings` (values), `directory`, `epoch`, whether it is to `reconnect` after
what may pass, `files`: whether it has a media store, and `dies_at`: the count of the step `dies` at which the
`victim` is killed (0: never): the process itself, or the program. The command `arm` has it die later.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.config.sources import resolve_settings
from actors.connection.disconnects.causes import Kind
from actors.connection.engine import EngineEvents, SendError, SendRequest
from actors.connection.protocol.phone import resend_requests
from actors.connection.protocol.receive.messages import message_receiver
from actors.connection.session.received.inbox import Inbox
from actors.connection.session.session import Session
from actors.connection.whatsmeow import open_engine
from actors.messages.content import ReadMark, unpack
from actors.runtime.logs import log_to
from tests.bare_files import BareFiles

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.connection.engine import Engine, Qr

said = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what anybody prints is in the log
STALL = 1.0
"""Seconds that the last commit takes, as on a busy disk, before the process dies in it."""

PASSING = (Kind.NETWORK, Kind.KEEPALIVE, Kind.RESTART_REQUIRED)


def tell(event: str, **values: Any) -> None:
    said.write(json.dumps({"event": event, **values}) + "\n")
    said.flush()


def die_before_commit(at: int) -> None:
    """Before a message that arrived is committed."""
    original, added = Session.transaction, Inbox.add
    left, calls = at, 0

    def counted(self: Inbox, **message: Any) -> bool:
        nonlocal calls
        calls += 1
        return added(self, **message)

    @asynccontextmanager
    async def transaction(self: Session) -> AsyncIterator[None]:
        nonlocal calls, left
        async with original(self):
            calls = 0
            yield
            left -= calls
            if calls and left <= 0:
                time.sleep(STALL)  # noqa: ASYNC251 - nothing goes on meanwhile
                os.kill(os.getpid(), signal.SIGKILL)

    Inbox.add = counted  # type: ignore[method-assign]
    Session.transaction = transaction  # type: ignore[assignment,method-assign]


class Driven:
    def __init__(self, asked: dict[str, Any]) -> None:
        self.asked = asked
        self.engine: Engine

    def open(self) -> None:
        events = EngineEvents(self.on_qr, self.on_paired, self.on_open, self.on_inbox)
        self.engine = open_engine(
            resolve_settings(**self.asked["settings"]),
            "shop",
            self.asked["epoch"],
            events,
            Path(self.asked["directory"]),
            media=BareFiles(Path(self.asked["directory"]) / "media")
            if self.asked["files"]
            else None,
        )
        tell("opened", account=self.engine.account)

    async def on_qr(self, qr: Qr) -> None:
        tell("qr", qr=qr.text)

    async def on_paired(self, account: str) -> None:
        tell("paired", account=account)

    async def on_open(self) -> None:
        tell("open", program=self.engine._programs.running.pid)  # type: ignore[attr-defined]

    async def on_inbox(self) -> None:
        tell("inbox")

    async def run(self) -> None:
        while True:
            try:
                cause = await self.engine.run()
            except Exception as error:  # noqa: BLE001 - what it is is what is asked
                tell("raised", error=type(error).__name__)
                return
            tell("ended", kind=cause.kind, detail=cause.detail, until=cause.until)
            if not self.asked["reconnect"] or cause.kind not in PASSING:
                return
            await asyncio.sleep(0.1)

    async def obey(self, command: dict[str, Any]) -> None:
        do, engine = command.pop("do"), self.engine
        if do == "send":
            outgoing = SendRequest(command["id"], command["chat"], unpack(command["content"]))
            tell("sent", id=command["id"], at=await engine.send(outgoing))
        elif do == "pending":
            items = await engine.pending(command["kind"], 10_000)
            tell("pending", items=[asdict(one) for one in items])
        elif do == "settle":
            await engine.settle(command["keys"])
            tell("settled")
        elif do == "lookup":
            tell("looked", chat=await engine.lookup(command["number"]))
        elif do == "probe":
            tell("probed", lives=await engine.probe(command["within"]))
        elif do == "mark":
            await engine.configure(show_online=command["show_online"])
            mark = ReadMark(arrived=time.time())
            await engine.mark_read(command["chat"], mark, time.time())
            tell("marked")
        elif do == "typing":
            await engine.typing(command["chat"], command["state"])
            tell("typed")
        elif do == "logout":
            await engine.logout()
            tell("logged_out", account=engine.account)
        elif do in ("extend", "trace", "run", "arm"):
            await self.attend(do, **command)
        else:
            await self.settings(do, **command)

    async def settings(
        self, do: str, *, chat: str = "", change: str | list[Any] = "", at: float = 0.0
    ) -> None:
        """Change settings of a chat, or ask for all of the account's."""
        if do == "sync":
            await self.engine.sync_app_state()
            tell("synced")
        else:
            await self.engine.change_chat(chat, unpack(change), at)  # type: ignore[arg-type]
            tell("changed")

    async def attend(self, do: str, *, seconds: float = 0.0, on: bool = False, **step: Any) -> None:
        """Runs a command of the owner: `run`, `extend` (the lease), the start and end of a trace; or `arm`."""
        if do == "arm":
            self.arm(**step)
            tell("armed")
            return
        if do == "run":
            self.running = asyncio.create_task(self.run())
            return
        if do == "extend":
            self.engine.extend(seconds)
            tell("extended")
            return
        if on:
            self.engine.recorder.start()
        else:
            await self.engine.recorder.stop()
        tell("traced", **self.engine.recorder.status())

    async def one(self, command: dict[str, Any]) -> None:
        do = command["do"]
        try:
            await self.obey(command)
        except SendError as error:
            tell(
                "failed",
                do=do,
                code=error.code,
                permanent=error.permanent,
                uncertain=error.uncertain,
            )

    def arm(self, *, dies: str, at: int, victim: str) -> None:
        """Have the process, or its program, killed when this step is reached for the `at`-th time from now on."""
        from tests.integration.whatsmeow import steps

        self.asked["victim"] = victim
        steps.kill_at(dies, at, self.kill)

    def kill(self) -> None:
        own = self.asked["victim"] == "self"
        os.kill(os.getpid() if own else self.engine._programs.running.pid, signal.SIGKILL)  # type: ignore[attr-defined]

    async def main(self) -> None:
        # The phone is asked soon, and soon again after a kill.
        resend_requests.UNACKNOWLEDGED, resend_requests.SPACING = 0.5, 0.05  # type: ignore[misc]
        message_receiver.PHONE_DELAY = 0.1
        log_to(Path(self.asked["directory"]) / "engine.log", "info", "driven")
        if self.asked["dies_at"] and self.asked["dies"] != "before_commit":
            self.arm(
                **{name: self.asked[name] for name in ("dies", "victim")}, at=self.asked["dies_at"]
            )
        elif self.asked["dies_at"]:
            die_before_commit(self.asked["dies_at"])
        self.open()
        self.running = asyncio.create_task(self.run())
        tasks = set()
        while line := await asyncio.to_thread(sys.stdin.readline):
            tasks.add(asyncio.create_task(self.one(json.loads(line))))
        await self.engine.close()
        await self.running
        tell("closed")


if __name__ == "__main__":
    asyncio.run(Driven(json.loads(sys.argv[1])).main())
