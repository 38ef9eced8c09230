"""A driven engine on the simulator, as tests hold it."""

from __future__ import annotations

import itertools
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.messages.content import Content, Text, decode, pack
from tests.conformance.json_process import JsonProcess
from tests.conformance.processes import Simulator, until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PROGRAM = Path(__file__).with_name("driven.py")
ROOT = Path(__file__).parents[3]

_numbers = itertools.count(1)


def chat(number: str) -> str:
    """The address of a person, or of a group that is one already."""
    return number if "@" in number else f"{number}@s.whatsapp.net"


def minted() -> str:
    """An id as the queue mints it."""
    return f"3EB0{next(_numbers):018X}"


class Device:
    """An engine in its process, with one session directory."""

    def __init__(
        self,
        simulator: Simulator,
        directory: Path,
        *,
        epoch: int = 1,
        reconnect: bool = True,
        dies_at: int = 0,
        dies: str = "before_commit",
        victim: str = "self",
        files: bool = False,
        before: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        self.simulator, self.directory, self.epoch = simulator, directory, epoch
        self.files = files
        self.log = directory / "child.log"
        asked = {
            "settings": {
                "data": str(directory),
                "whatsapp_url": simulator.ws_url,
                "whatsapp_root_key": simulator.root_key,
                "whatsapp_media_authority": simulator.media_authority,
                **settings,
            },
            "directory": str(directory),
            "epoch": epoch,
            "reconnect": reconnect,
            "dies_at": dies_at,
            "dies": dies,
            "victim": victim,
            "files": files,
        }
        self.process = JsonProcess(
            [*before, sys.executable, str(PROGRAM), json.dumps(asked)],
            self.log,
            forks=not before,
            PYTHONPATH=str(ROOT),
        )

    def wait(
        self, event: str | tuple[str, ...], seconds: float = 60.0, **values: Any
    ) -> dict[str, Any]:
        return self.process.await_event(event, seconds, **values)

    def pair(self, number: str) -> None:
        self.simulator.post("/phones", number=number)
        self.simulator.post(f"/phones/{number}/scan", qr=self.wait("qr")["qr"])
        self.wait("open")

    def send(self, to: str, said: Content | str) -> str:
        """Send, and wait for WhatsApp's acknowledgement; the service's id."""
        id_ = self.begin(to, said)
        self.wait("sent", id=id_)
        return id_

    def begin(self, to: str, said: Content | str, id_: str | None = None) -> str:
        id_ = id_ or minted()
        content = pack(Text(said) if isinstance(said, str) else said)
        self.process.command(do="send", id=id_, chat=chat(to), content=content)
        return id_

    def pending(self, kind: str) -> list[dict[str, Any]]:
        self.process.command(do="pending", kind=kind)
        items: list[dict[str, Any]] = self.wait("pending")["items"]
        return items

    def settle(self, items: Sequence[dict[str, Any]]) -> None:
        """The items are stored elsewhere."""
        self.process.command(do="settle", keys=[one["key"] for one in items])
        self.wait("settled")

    def drained(self, *tables: str) -> None:
        """Waits until these tables of its session have no rows."""
        until(lambda: self.rows(*tables) == 0)

    def rows(self, *tables: str) -> int:
        """The number of rows in these tables of its session."""
        with closing(sqlite3.connect(self.directory / "session.db")) as file:
            return sum(file.execute(f"SELECT count(*) FROM {one}").fetchone()[0] for one in tables)

    def until_pending(
        self, kind: str, found: Callable[[dict[str, Any]], bool], seconds: float = 30.0
    ) -> dict[str, Any]:
        """The first item of that kind that is looked for, once it is there."""
        matching: list[dict[str, Any]] = []

        def look() -> bool:
            matching[:] = [one for one in self.pending(kind) if found(one)]
            return bool(matching)

        until(look, seconds)
        return matching[0]

    def has_message(self, id_: str) -> dict[str, Any]:
        """Waits for the message of this id, and returns it as the inbox has it."""
        return self.until_pending("message", lambda one: bool(one["message_id"] == id_))

    def said(self, speaker: str, what: dict[str, Any], to: str) -> tuple[dict[str, Any], Content]:
        """Has a person send a message; returns it as the inbox has it, and its content."""
        id_ = self.simulator.post(f"/contacts/{speaker}/say", to=to, **what)["id"]
        item = self.has_message(id_)
        content = decode(item["content"]) if item["content"] else Text(item["text"])
        return item, content

    def arm(self, dies: str, victim: str, at: int = 1) -> None:
        """Has it, or its program, be killed when this step of `steps.py` is reached the `at`-th time from now on."""
        self.process.command(do="arm", dies=dies, victim=victim, at=at)
        self.wait("armed")

    def logins(self, number: str) -> int:
        return sum(self.simulator.account(number)["logins"].values())

    def close(self) -> None:
        assert self.process.stop() == 0, self.log.read_text()[-2000:]
