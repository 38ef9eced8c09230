"""What the Ray shells of all actors share: start once, be watched, answer for one's own health.

No Ray in here. The tree calls `watch` and keeps the call pending: it breaks when the process dies.
`health` runs in a loop of its own (a concurrency group), so that it answers while the main loop is
blocked; it therefore reports how far the main loop lags.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from pathlib import Path
from typing import Any

import structlog

from actors.settings import Settings

PULSE = 0.25
"""Seconds between two signs of life of the main loop."""


class Shell:
    """The base of an actor. A room's actor overrides `_start`, `_stop`, `_peers` and `_health`."""

    def __init__(self, data: str, name: str) -> None:
        self.data = Path(data)
        self.name = name
        self._born = self._beat = time.monotonic()
        self._starting: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._ended: asyncio.Event = asyncio.Event()
        self._reason: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<{self.name}>"

    async def start(self) -> dict[str, Any]:
        """Be ready; idempotent, also when called again while it still starts."""
        if self._starting is None:
            self._pulsing = asyncio.ensure_future(self._pulse())
            self._starting = asyncio.ensure_future(self._begin())
        await asyncio.shield(self._starting)
        return {"pid": os.getpid()}

    async def watch(self) -> dict[str, Any]:
        """Pend for as long as the actor lives; return why it ended where it did so on purpose."""
        await self._ended.wait()
        return self._reason

    async def health(self) -> dict[str, Any]:
        """The pid and the main loop's lag in seconds, and what the actor says of itself."""
        now = time.monotonic()
        lag = max(0.0, now - self._beat - PULSE) if self._starting is not None else 0.0
        return {"pid": os.getpid(), "lag": lag, "uptime": now - self._born, **self._health()}

    async def peers(self, **handles: Any) -> None:
        """Take the handles of the others; again whenever one of them was replaced."""
        await self._peers(**handles)

    async def stop(self) -> None:
        """End on purpose: finish what is begun, let go, end `watch`. Idempotent."""
        if self._stopping is None:
            self._stopping = asyncio.ensure_future(self._stop())
        try:
            await asyncio.shield(self._stopping)
        finally:
            self._end("stopped")

    def _end(self, reason: str, **more: Any) -> None:
        if not self._ended.is_set():
            self._reason = {"reason": reason, **more}
            self._ended.set()

    async def _begin(self) -> None:
        settings = Settings.load(self.data)
        log_to(settings.logs / f"{self.name.partition(':')[0]}.log", settings.log_level, self.name)
        await self._start()

    async def _pulse(self) -> None:
        while True:
            self._beat = time.monotonic()
            await asyncio.sleep(PULSE)

    async def _start(self) -> None:
        """What has to be there before the first call."""

    async def _stop(self) -> None:
        """What has to be done before the process may be killed."""

    async def _peers(self, **handles: Any) -> None:
        """Use these handles from now on."""

    def _health(self) -> dict[str, Any]:
        """More about this actor; called from another thread than the main loop's."""
        return {}


def log_to(file: Path, level: str, name: str) -> None:
    """Send this process's logs to `file`, one JSON object a line.

    Actors of one kind share a file: each line is one write to a file opened for appending.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _Named(name),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(file.open("a", buffering=1)),
        cache_logger_on_first_use=False,
    )


class _Named:
    """Puts the name of the actor and its pid into each line."""

    def __init__(self, name: str) -> None:
        self._by = f"{name}/{os.getpid()}"

    def __call__(self, _: object, __: str, event: structlog.typing.EventDict) -> Any:
        event.setdefault("by", self._by)
        return event
