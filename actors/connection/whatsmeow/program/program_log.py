"""Logs the lines that the whatsmeow program writes to its output, without texts, numbers or ids."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import structlog

if TYPE_CHECKING:
    import asyncio

log = structlog.get_logger()

MAX_LOG_LINE_BYTES: Final = 64 * 1024
"""Bytes of a line; of a longer one nothing is logged."""

MOST_FRAMES: Final = 24
"""Places in the code that are kept of a crash."""

_LEVELS: Final = {"debug": "debug", "info": "info", "warning": "warning", "error": "error"}
_MODULE: Final = re.compile(r"[A-Za-z][A-Za-z0-9/_.-]{0,63}", re.ASCII)
_TEMPLATE: Final = re.compile(r"(?!.*\d{4})[ -?A-~]{1,300}", re.ASCII)
"""Printable, without `@` and without four digits in a row: addresses, numbers and ids have either."""

_FRAME: Final = re.compile(r"\s+(?:\S*/)?([A-Za-z0-9_.-]+\.(?:go|s):\d+)", re.ASCII)
_FATAL: Final = re.compile(r"(panic|fatal error|SIG[A-Z]+)", re.ASCII)


class ProgramLog:
    """Logs what the program writes to its output, line by line.

    Its own lines are JSON, with a level, a module and an event without values. Of a crash the kind
    and the places in the code are kept, in `crash`.
    """

    def __init__(self) -> None:
        self.crash: list[str] = []

    async def follow(self, output: asyncio.StreamReader) -> None:
        """Log until the output ends."""
        while True:
            try:
                line = await output.readline()
            except ValueError:  # longer than the reader takes
                continue
            if not line:
                return
            self.take(line)

    def take(self, line: bytes) -> None:
        """Log one line, as far as it may be."""
        try:
            fields = json.loads(line)
        except ValueError:
            self._of_crash(line.decode("ascii", "replace"))
            return
        if isinstance(fields, dict):
            self._log(fields)

    def _log(self, line: dict[str, Any]) -> None:
        level = _LEVELS.get(str(line.get("level")), "info")
        module, message = str(line.get("module", "")), str(line.get("event", ""))
        fields = {"module": module} if _MODULE.fullmatch(module) else {}
        text = message if _TEMPLATE.fullmatch(message) else "withheld"
        getattr(log, level)(text, action="program.log", **fields)

    def _of_crash(self, line: str) -> None:
        if len(self.crash) >= MOST_FRAMES:
            return
        if (found := _FRAME.match(line)) or (found := _FATAL.match(line)):
            self.crash.append(found[1])
