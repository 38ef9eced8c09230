"""Starts and stops the whatsmeow program of one connection (anew for another proxy), and copies the database."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from actors.connection.backup.quarantine import move_aside
from actors.connection.engine import NotConnected
from actors.connection.whatsmeow.program import database_copies
from actors.connection.whatsmeow.program.executable import DATABASE, find
from actors.connection.whatsmeow.program.process import Program
from actors.metrics.counters import measures
from actors.runtime.public_addresses import PRIVATE_NETWORKS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from actors.config.settings import Settings
    from actors.connection.proxy.address import ProxyAddress
    from actors.connection.trace.recorder import Recorder
    from actors.connection.whatsmeow.program.pipe import OnEvent, OnRequest, Pipe


class Supervisor:
    """Holds at most one program, which has the database in `directory` open for `epoch`.

    It goes to WhatsApp through `proxy` alone; where that is another one since, `start` starts another program.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Path,
        epoch: int,
        recorder: Recorder,
        *,
        on_request: OnRequest,
        on_event: OnEvent,
    ) -> None:
        self._settings = settings
        self._database = directory / DATABASE
        self._epoch = epoch
        self._recorder = recorder
        self._on_request, self._on_event = on_request, on_event
        self.proxy: ProxyAddress | None = None
        self._program: Program | None = None
        self._fell: str | None = None
        self._through: ProxyAddress | None = None
        self._until: float | None = None
        recorder.on_turn = self._trace

    @property
    def running(self) -> Program | None:
        """The program, while it runs."""
        program = self._program
        return None if program is None or program.over.done() else program

    @property
    def goes_astray(self) -> bool:
        """Whether the program that runs goes another way than through `proxy`."""
        return self._through != self.proxy

    @property
    def pipe(self) -> Pipe:
        """The pipe to it. Raises `NotConnected`."""
        if (program := self.running) is None:
            raise NotConnected
        return program.pipe

    async def start(self) -> tuple[Program, Mapping[str, Any] | None]:
        """The program, and what a new one says of its device. Raises what starting it raises, or `Refused`."""
        if self.goes_astray:
            await self.stop()
        if (running := self.running) is not None:
            return running, None
        if (former := self._program) is not None:
            self._fell = former.fell
        self._through = through = self.proxy
        program = await Program.start(
            self._file, on_request=self._on_request, on_event=self._on_event
        )
        self._program = program
        if self._fell is not None:
            measures.count("teimoso_restarts", role="program", cause=self._fell)
            self._fell = None
        authority = self._settings.whatsapp_media_authority
        answer = await program.pipe.request(
            "hello",
            epoch=self._epoch,
            database=str(self._database),
            url=self._settings.whatsapp_url,
            root_key=self._settings.whatsapp_root_key,
            media_authority="" if authority is None else str(authority),
            proxy="" if through is None else through.url,
            refused=[]
            if through is None or through.private
            else [str(network) for network in PRIVATE_NETWORKS],
            trace=self._recorder.on,
        )
        if self._until is not None:
            self.extend(self._until - time.monotonic())
        return program, answer.header

    async def stop(self) -> None:
        """End it, where it runs."""
        program, self._program = self._program, None
        if program is not None:
            await program.stop()
            self._fell = program.fell

    async def set_keys_aside(self) -> None:
        """End the program, and move its database among the damaged files of the connection. Raises OSError."""
        await self.stop()
        await asyncio.to_thread(move_aside, self._database, self._epoch)

    def extend(self, seconds: float) -> None:
        """Let it send for so long from now, also while this process hangs."""
        self._until = time.monotonic() + seconds
        if (program := self.running) is not None:
            program.pipe.instruct("deadline", ms=int(seconds * 1000))

    async def copy_keys(self, target: Path) -> str | None:
        """Copy its database; see the port."""
        if not self._database.exists():
            return None
        if (program := self.running) is None:
            await database_copies.copy(self._database, self._epoch, target, self._file)
        else:
            await database_copies.copy_by(program.pipe, target)
        return DATABASE

    @property
    def _file(self) -> Path | None:
        """The executable of this connection now."""
        return find(self._settings.data, self._database.parent.name)

    def _trace(self, on: bool) -> None:
        if (program := self.running) is not None:
            program.pipe.instruct("trace", on=on)
