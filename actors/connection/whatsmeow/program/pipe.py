"""Exchanges requests, answers and events with the whatsmeow program over a pipe, matching answers to requests."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any, Final

import structlog

from actors.connection.whatsmeow.program import frames
from actors.connection.whatsmeow.program.frames import Frame, Frames, MalformedFrame

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    OnRequest = Callable[[int, str, Frame], Awaitable[None]]
    OnEvent = Callable[[str, Frame], Awaitable[None]]

log = structlog.get_logger()

PIPE_READ_BYTES: Final = 64 * 1024
"""Bytes that are read at once, at most."""

REQUEST_TIMEOUT: Final = 40.0
"""Seconds that a request waits for its answer; the program waits 30 for WhatsApp's."""


class PipeLost(Exception):
    """The program is gone. `written`: it may have read the request."""

    def __init__(self, *, written: bool) -> None:
        super().__init__("pipe lost")
        self.written = written


class PipeTimeout(Exception):
    """The program did not answer a request in time."""


class ProgramError(Exception):
    """The program answered with an error: its stable `code`, and whatever else it says."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.code = str(answer.get("code", "failed"))
        super().__init__(self.code)
        self.uncertain = bool(answer.get("uncertain"))
        self.permanent = bool(answer.get("permanent"))
        number = answer.get("number")
        self.number = number if isinstance(number, int) else None
        self.phone, self.lid = str(answer.get("phone", "")), str(answer.get("lid", ""))


class Pipe:
    """One end of the pipe. Frames are handled in their order; a handler that has to wait does so elsewhere.

    `on_request` is called with the program's requests, which `answer` answers; `on_event` with
    what it reports. `run` ends when the program does, and everybody who waits gets `PipeLost`.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        on_request: OnRequest,
        on_event: OnEvent,
    ) -> None:
        self._reader, self._writer = reader, writer
        self._on_request, self._on_event = on_request, on_event
        self._numbers = itertools.count(1, 2)
        self._waiting: dict[int, asyncio.Future[Frame]] = {}
        self._leaving: list[bytes] = []
        self._lost = False

    async def run(self) -> None:
        """Read until the program ends, or writes what is no frame."""
        arriving = Frames()
        try:
            while piece := await self._reader.read(PIPE_READ_BYTES):
                for frame in arriving.take(piece):
                    await self._handle(frame)
        except MalformedFrame as error:
            log.error("pipe broken", action="pipe.malformed", reason=str(error))  # noqa: TRY400
        except OSError:
            return
        finally:
            self._lose()

    async def request(
        self,
        do: str,
        *,
        body: bytes = b"",
        within: float = REQUEST_TIMEOUT,
        **values: Any,
    ) -> Frame:
        """Have the program do something; return what it answers.

        Raises `PipeLost`, `PipeTimeout` or `ProgramError`.
        """
        if self._lost:
            raise PipeLost(written=False)
        number = next(self._numbers)
        answered: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answered
        try:
            self._write({"id": number, "do": do, **values}, body)
            async with asyncio.timeout(within):
                await self._writer.drain()
                return await answered
        except TimeoutError:
            raise PipeTimeout from None
        except OSError:
            raise PipeLost(written=True) from None
        finally:
            self._waiting.pop(number, None)

    def instruct(self, do: str, **values: Any) -> None:
        """Have the program do something that needs no answer; nothing where it is gone."""
        if not self._lost:
            self._write({"id": next(self._numbers), "do": do, **values}, b"")

    def answer(
        self, number: int, ok: Mapping[str, Any] | None = None, *, body: bytes = b""
    ) -> None:
        """Answer a request of the program; nothing where the program is gone."""
        if not self._lost:
            self._write({"id": number, "ok": ok or {}}, body)

    def refuse(self, number: int, code: str) -> None:
        """Answer a request of the program with an error."""
        if not self._lost:
            self._write({"id": number, "error": {"code": code}}, b"")

    def close(self) -> None:
        """Close this end: the program ends."""
        self._flush()
        self._lose()
        self._writer.close()

    def _write(self, header: Mapping[str, Any], body: bytes) -> None:
        """Write a frame, in one piece with all that others write now."""
        if not self._leaving:
            asyncio.get_running_loop().call_soon(self._flush)
        self._leaving.append(frames.encode(header, body))

    def _flush(self) -> None:
        leaving, self._leaving = self._leaving, []
        # A program that has just ended has closed the pipe before its end is read.
        if leaving and not self._lost and not self._writer.is_closing():
            self._writer.write(b"".join(leaving))

    async def _handle(self, frame: Frame) -> None:
        header = frame.header
        number, do, event = header.get("id"), header.get("do"), header.get("event")
        if isinstance(event, str):
            await self._on_event(event, frame)
        elif isinstance(number, int) and isinstance(do, str):
            await self._on_request(number, do, frame)
        elif isinstance(number, int):
            self._settle(number, frame)
        else:
            raise MalformedFrame("neither request nor answer nor event")

    def _settle(self, number: int, frame: Frame) -> None:
        answered = self._waiting.pop(number, None)
        if answered is None or answered.done():
            return  # nobody waits any more
        error = frame.header.get("error")
        if isinstance(error, dict):
            answered.set_exception(ProgramError(error))
        else:
            ok = frame.header.get("ok")
            answered.set_result(Frame(ok if isinstance(ok, dict) else {}, frame.body))

    def _lose(self) -> None:
        self._lost = True
        waiting, self._waiting = self._waiting, {}
        for answered in waiting.values():
            if not answered.done():
                answered.set_exception(PipeLost(written=True))
                answered.exception()  # seen, where nobody waits any more
