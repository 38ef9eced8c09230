"""The project's simulator, and a paired device on it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.config.sources import resolve_settings
from actors.connection import whatsmeow
from actors.connection.disconnects.causes import Kind
from actors.connection.disconnects.consequences import AwaitRoom, Reconnect, consequence
from actors.connection.engine import (
    EngineEvents,
    InboxFile,
    InboxMessage,
    InboxReceipt,
    Presence,
    Qr,
    SendRequest,
)
from actors.connection.proxy.address import parse
from actors.connection.session import SESSION_FILE
from actors.messages.content import Text
from tests.bare_files import BareFiles
from tests.integration.engine.simulator_process import SimulatorProcess
from tests.processes import forked
from tests.run import answers
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from actors.config.settings import Settings
    from actors.connection.abilities.port import Call
    from actors.connection.disconnects.causes import Cause

ROOT = Path(__file__).parents[3]
CHILD = Path(__file__).parent / "recovery" / "owner" / "crashing_child.py"
ACCOUNT = "15550100001"
CONTACT = "15550100002"
PATIENCE = 60.0
UNTIL_PLACEHOLDER = 5
"""Ciphertexts of one message that are asked for until a placeholder alone is stored."""
GOES_ON = (Reconnect(at_once=False), AwaitRoom())


def chat(number: str) -> str:
    """The address of a person, or of a group that is one already."""
    return number if "@" in number else f"{number}@s.whatsapp.net"


def message_id(number: int, space: int = 0) -> str:
    return f"3EB0{space:06X}{number:012X}"


class Simulator(SimulatorProcess):
    """A WhatsApp server on loopback, by what a test has it do."""

    async def scan(self, number: str, qr: str) -> None:
        await self._call("POST", "/phones", number=number)
        await self._call("POST", f"/phones/{number}/scan", qr=qr)

    async def linking(self, demand: str, number: str = ACCOUNT) -> None:
        """Sets the phone's demand on a client that it scans: `plain`, `refresh` or `passkey`."""
        await self._call("POST", f"/phones/{number}", linking=demand)

    async def resends(self, *, has: bool, number: str = ACCOUNT) -> None:
        """Whether the phone has messages that its devices ask it for."""
        await self._call("POST", f"/phones/{number}", resends=has)

    async def say(self, contact: str, to: str, text: str, **more: Any) -> Any:
        """The contact says it; `device` from which, `count` how often (`text 1` to `text count`)."""
        return await self._call("POST", f"/contacts/{contact}/say", to=to, text=text, **more)

    async def says(self, contact: str, to: str, **message: Any) -> str:
        """The contact says a message of any kind; its id."""
        return str((await self._call("POST", f"/contacts/{contact}/say", to=to, **message))["id"])

    async def phone_says(self, to: str, text: str, account: str = ACCOUNT) -> Any:
        """The account's own phone sends."""
        return await self._call("POST", f"/phones/{account}/say", to=to, text=text)

    async def forget(self, contact: str, account: str = ACCOUNT) -> None:
        """The contact loses its sessions with the account."""
        await self._call("POST", f"/contacts/{contact}/forget", account=account)

    async def address(self, contact: str, mode: str) -> None:
        """Sets the addressing of the contact's stanzas from now on: `lid` or `pn`."""
        await self._call("POST", f"/contacts/{contact}/addressing", mode=mode)

    async def contact(self, number: str, **changes: Any) -> None:
        await self._call("POST", f"/contacts/{number}", **changes)

    async def reinstall(self, number: str, *, notify: bool = True) -> None:
        """The contact gets a new phone: another identity, no sessions."""
        await self._call("POST", f"/contacts/{number}/reinstall", notify=notify)

    async def inbox(self, contact: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await self._call("GET", f"/contacts/{contact}/inbox"))[
            "items"
        ]
        return items

    async def copies(self, account: str = ACCOUNT) -> list[dict[str, Any]]:
        """Returns the copies of sent messages that the account's other devices got, with their readers."""
        items: list[dict[str, Any]] = (await self._call("GET", f"/phones/{account}/inbox"))["items"]
        return items

    async def account(self, number: str) -> dict[str, Any]:
        found: dict[str, Any] = await self._call("GET", f"/accounts/{number}")
        return found

    async def fault(self, kind: str, account: str = ACCOUNT, **details: Any) -> int:
        """Inject a fault; return its number for `struck`."""
        made = await self._call("POST", "/faults", account=account, kind=kind, **details)
        return int(made["id"])

    async def struck(self, number: int) -> int:
        """Returns how often a fault happened: one that never did proves nothing."""
        items = (await self._call("GET", "/faults"))["items"]
        return next(int(item["struck"]) for item in items if item["id"] == number)

    async def rotate(self) -> None:
        """The server gets another static key."""
        await self._call("POST", "/rotate")

    async def trim_prekeys(self, count: int, account: str = ACCOUNT) -> None:
        """The server forgets the account's other one-time prekeys, and tells so."""
        await self._call("POST", f"/accounts/{account}/prekeys", keep=count)

    async def played(self, number: str = CONTACT) -> dict[str, Any]:
        """Returns the contact as the simulator plays it: its LID, devices and keys."""
        found: dict[str, Any] = await self._call("GET", f"/contacts/{number}")
        return found

    async def link(self, number: str = CONTACT, *, notify: bool = True) -> int:
        """The contact links one more device; its number."""
        made = await self._call("POST", f"/contacts/{number}/devices", notify=notify)
        return int(made["device"])

    async def unlink(self, gone: int, number: str = CONTACT, *, notify: bool = True) -> None:
        query = f"notify={str(notify).lower()}"
        await self._call("DELETE", f"/contacts/{number}/devices/{gone}?{query}")

    async def group(self, creator: str, *participants: str, addressing: str = "lid") -> str:
        """A new group; its address."""
        made = await self._call(
            "POST",
            "/groups",
            subject="Us",
            creator=creator,
            participants=list(participants),
            addressing=addressing,
        )
        return str(made["id"])

    async def members(self, group: str, **who: Any) -> None:
        """Members join (`add`) and leave (`remove`), `by` whom."""
        await self._call("POST", f"/groups/{group}/participants", **who)

    async def group_now(self, group: str) -> dict[str, Any]:
        """Returns the group as the server has it."""
        found: dict[str, Any] = await self._call("GET", f"/groups/{group}")
        return found

    async def change_group(self, group: str, **settings: Any) -> None:
        """Changes settings of the group, `by` a member."""
        await self._call("POST", f"/groups/{group}", **settings)

    async def profile(self, number: str, **changes: Any) -> dict[str, Any]:
        """Changes a person's `about` and `picture` (Base64); returns the profile as it is then."""
        if changes:
            await self._call("POST", f"/contacts/{number}/profile", **changes)
        found: dict[str, Any] = await self._call("GET", f"/contacts/{number}/profile")
        return found

    async def invite(self, group: str) -> str:
        """The code of the group's invitation."""
        return str((await self._call("POST", f"/groups/{group}/invite"))["code"])

    async def retry(self, group: str, by: str, message: str, account: str = ACCOUNT) -> None:
        """The devices of a person request a message of the account again, whether or not it was for them."""
        await self._call(
            "POST", f"/groups/{group}/retry", by=by, account=account, message_id=message
        )

    async def history(self, account: str = ACCOUNT, **fields: Any) -> dict[str, Any]:
        """Has the account's phone send a history sync; the answer has the messages' `ids`."""
        made: dict[str, Any] = await self._call("POST", f"/phones/{account}/history", **fields)
        return made

    async def answers(self, **changes: Any) -> None:
        """Sets the clients' time to answer (`seconds`), and the stanzas that count as an answer."""
        await self._call("POST", "/answers", **changes)

    async def late(self) -> list[dict[str, Any]]:
        """Returns the stanzas that clients did not answer in time."""
        found: list[dict[str, Any]] = (await self._call("GET", "/unanswered"))["late"]
        return found

    async def owed(self, seconds: float = 5.0) -> list[tuple[str, list[str]]]:
        """Returns stanzas that the account's devices did not answer within `seconds`, and remarks on each.

        Receipts of people's come after a while, and are waited for.
        """
        with suppress(AssertionError):
            await until(lambda: self._idle(ACCOUNT), seconds)
        report = await self._call("GET", "/unanswered?wait=0.01")
        return [(one["kind"], one["wrong"]) for state in report.values() for one in state]

    async def _idle(self, account: str) -> bool:
        return bool((await self.account(account))["unacknowledged"] == 0)

    async def shows(self, contact: str, text: str, account: str = ACCOUNT) -> str:
        """The contact shows the account a status; its id."""
        return str(
            (await self._call("POST", f"/contacts/{contact}/status", to=account, text=text))["id"]
        )

    async def readdress(self, group: str, mode: str) -> None:
        """Addresses the group's members by `mode` from now on, without a notification."""
        await self._call("POST", f"/groups/{group}", addressing=mode)

    async def rules(self, account: str | None = None, **switches: bool) -> None:
        """Switch rules of the server, for one account or for all."""
        path = "/rules" if account is None else f"/accounts/{account}/rules"
        await self._call("POST", path, **switches)

    async def standing(self, word: str, account: str = ACCOUNT) -> None:
        """Sets the account's standing with WhatsApp: `good`, `locked` or `banned`."""
        await self._call("POST", f"/accounts/{account}", standing=word)

    async def version(self, **changes: Any) -> dict[str, Any]:
        """Which version of WhatsApp Web is `current` and `oldest`, and when it `ends`."""
        found: dict[str, Any] = await self._call("POST", "/version", **changes)
        return found

    async def heal(self) -> None:
        await self._call("DELETE", "/faults")


@dataclass
class Device:
    """An engine with its session file, run as its owner would: again where the cause says so."""

    engine: Any
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    qrs: asyncio.Queue[Qr] = field(default_factory=asyncio.Queue)
    presences: asyncio.Queue[Presence] = field(default_factory=asyncio.Queue)
    calls: asyncio.Queue[Call] = field(default_factory=asyncio.Queue)
    causes: list[Cause] = field(default_factory=list)
    paired: str | None = None
    reconnect: bool = True
    restart: bool = True
    news: int = 0

    async def run(self) -> None:
        while True:
            cause = await self.engine.run()
            self.opened.clear()
            self.causes.append(cause)
            if cause.kind is Kind.RESTART_REQUIRED and self.restart:
                continue
            if not self.reconnect or consequence(cause) not in GOES_ON:
                return
            await asyncio.sleep(0.1)

    async def send(self, number: int, text: str, to: str = CONTACT, space: int = 0) -> float:
        return await self.engine.send(SendRequest(message_id(number, space), chat(to), Text(text)))

    async def messages(self) -> list[InboxMessage]:
        return list(await self.engine.pending("message", 10_000))

    async def past(self) -> list[InboxMessage]:
        """Returns the messages of the phone's history syncs."""
        return list(await self.engine.pending("history", 100_000))

    async def receipts(self) -> list[InboxReceipt]:
        return list(await self.engine.pending("receipt", 10_000))

    async def files(self) -> list[InboxFile]:
        return list(await self.engine.pending("file", 10_000))

    async def settle_all(self) -> None:
        keys = [message.key for message in await self.messages()]
        await self.engine.settle(keys + [receipt.key for receipt in await self.receipts()])


def settings(simulator: Simulator, directory: Path, **more: Any) -> Settings:
    return resolve_settings(
        data=directory,
        **{
            "whatsapp_url": simulator.ws_url,
            "whatsapp_root_key": simulator.root_key,
            "whatsapp_media_authority": simulator.media_authority,
            "whatsapp_ack_timeout": 5000,
            **more,
        },
    )


@asynccontextmanager
async def device(
    simulator: Simulator,
    directory: Path,
    epoch: int = 1,
    *,
    reconnect: bool = True,
    proxy: str | None = None,
    **more: Any,
) -> AsyncIterator[Device]:
    """A running device on the session file in `directory`; closed at the end."""
    events = EngineEvents()
    words = settings(simulator, directory, **more)
    media = BareFiles(directory / "media", reserve=lambda: words.current().disk_reserve)
    engine = whatsmeow.open_engine(words, "shop", epoch, events, directory, media=media)
    await engine.use_proxy(None if proxy is None else parse(proxy))
    made = Device(engine, reconnect=reconnect)

    async def on_open() -> None:
        made.opened.set()

    async def on_paired(account: str) -> None:
        made.paired = account

    async def on_inbox() -> None:
        made.news += 1

    events.on_qr, events.on_open = made.qrs.put, on_open
    events.on_paired, events.on_inbox = on_paired, on_inbox
    events.on_presence, events.on_call = made.presences.put, made.calls.put
    running = asyncio.create_task(made.run())
    try:
        yield made
        # A socket that is closed owes nothing.
        await asyncio.to_thread(answers.CHECK.ask, simulator.control_url)
    finally:
        await engine.close()
        await asyncio.wait_for(running, PATIENCE)


async def pair(simulator: Simulator, made: Device, number: str = ACCOUNT) -> None:
    qr = await asyncio.wait_for(made.qrs.get(), PATIENCE)
    await simulator.scan(number, qr.text)
    await asyncio.wait_for(made.opened.wait(), PATIENCE)


async def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait until the condition (or what it awaits) is true; return its value."""
    return await eventually("the condition holds", condition, seconds)


async def prepare(simulator: Simulator, directory: Path, *, talked: bool) -> None:
    """Pair; with `talked` both have a session that the other has answered on."""
    async with device(simulator, directory) as phone:
        await pair(simulator, phone)
        if talked:
            await phone.send(0, "opening", space=9)
            await until(lambda: simulator.inbox(CONTACT))
            await simulator.say(CONTACT, ACCOUNT, "opening")
            await until(phone.messages)
            await phone.send(1, "opening 2", space=9)
        await until(lambda: nothing_waits(simulator))
        await phone.settle_all()


async def nothing_waits(simulator: Simulator) -> bool:
    return bool((await simulator.account(ACCOUNT))["unacknowledged"] == 0)


def counted(directory: Path, what: str) -> int:
    """Returns the count that a query gives in the session file, which nobody has open."""
    with closing(sqlite3.connect(directory / SESSION_FILE)) as file:
        return int(file.execute(what).fetchone()[0])


async def died(child: forked.Popen, directory: Path) -> None:
    """The child killed itself: without that the test proves nothing."""
    try:
        await asyncio.to_thread(child.wait, PATIENCE)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
        raise AssertionError("the step was never reached") from None
    assert child.returncode == -signal.SIGKILL, (directory / "child.log").read_text()[-2000:]


def start(
    simulator: Simulator,
    directory: Path,
    point: str,
    *,
    at: int,
    sends: Sequence[tuple[str, str, str | dict[str, Any]]],
    batch: int = 4,
) -> forked.Popen:
    """The engine in a process of its own, which kills itself (`crashing_child.py`)."""
    asked = {
        "settings": {
            "data": str(directory),
            "whatsapp_url": simulator.ws_url,
            "whatsapp_root_key": simulator.root_key,
            "whatsapp_media_authority": simulator.media_authority,
        },
        "directory": str(directory),
        "epoch": 2,
        "point": point,
        "at": at,
        "sends": sends,
        "batch": batch,
    }
    with (directory / "child.log").open("wb") as log:
        return forked.Popen(
            [sys.executable, str(CHILD), json.dumps(asked)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
        )
