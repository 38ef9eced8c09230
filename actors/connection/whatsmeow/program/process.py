"""Starts the program `teimoso-whatsmeow` as a child process, and stops or kills it."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

import structlog

from actors.connection.engine import EngineNotInstalled
from actors.connection.whatsmeow.program.pipe import Pipe
from actors.connection.whatsmeow.program.program_log import MAX_LOG_LINE_BYTES, ProgramLog
from actors.connection.whatsmeow.program.timer_slack import SLACK, timer_slack

if TYPE_CHECKING:
    from pathlib import Path

    from actors.connection.whatsmeow.program.pipe import OnEvent, OnRequest

log = structlog.get_logger()

PROGRAM_END_SECONDS: Final = 5.0
"""Seconds that the program has to end once the pipe is closed; then it is killed."""


class Program:
    """One running program, a child of this process: it ends when the pipe or this process does."""

    def __init__(self, process: asyncio.subprocess.Process, pipe: Pipe) -> None:
        self._process = process
        self.pipe = pipe
        self._log = ProgramLog()
        self._hung = False
        assert process.stdout is not None
        self._tasks = (
            asyncio.ensure_future(self._log.follow(process.stdout)),
            asyncio.ensure_future(pipe.run()),
        )
        self.over = asyncio.ensure_future(self._follow())

    @classmethod
    async def start(cls, file: Path | None, *, on_request: OnRequest, on_event: OnEvent) -> Self:
        """Start the executable. Raises `EngineNotInstalled` for None, or OSError where nothing can be started."""
        if file is None:
            raise EngineNotInstalled
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                with timer_slack(SLACK):
                    process = await asyncio.create_subprocess_exec(
                        file,
                        "-fd",
                        str(theirs.fileno()),
                        pass_fds=(theirs.fileno(),),
                        stdin=asyncio.subprocess.DEVNULL,
                        stdout=asyncio.subprocess.PIPE,
                        stderr=asyncio.subprocess.STDOUT,
                        limit=MAX_LOG_LINE_BYTES,
                    )
            except BaseException:
                ours.close()
                raise
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        return cls(process, Pipe(reader, writer, on_request=on_request, on_event=on_event))

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def fell(self) -> str | None:
        """The kind of its end, where it ended by itself: `crashed`, or `hung` at its end; None otherwise."""
        if not self.over.done() or not self.over.result():
            return None
        return "hung" if self._hung else "crashed"

    async def stop(self) -> None:
        """End it: by the end of the pipe, or by a signal where that is not enough."""
        self.pipe.close()
        try:
            async with asyncio.timeout(PROGRAM_END_SECONDS):
                await asyncio.shield(self.over)
        except TimeoutError:
            self._hung = True
            self.kill()
            await self.over

    def kill(self) -> None:
        """End it now."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def _follow(self) -> int:
        """Wait until it is over; return its exit code, negative for a signal."""
        code = await self._process.wait()
        self.pipe.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if code:
            log.error("program died", action="program.died", code=code, where=self._log.crash)
        return code
