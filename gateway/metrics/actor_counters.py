"""Reads counters of all Ray actors from the metrics file that the root actor writes, for the gateway's metrics route.

`supervision/reports/metrics_file.py` has the file's format.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from supervision.reports import metrics_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from actors.metrics.counters import Sample

METRICS_READ_TIMEOUT = 2.0  # seconds: a disk that hangs must not make a scrape hang
TREE_SILENCE_SECONDS = 15.0
"""Seconds without a new word after which the tree counts as down."""


@dataclass(frozen=True, slots=True)
class ActorTotals:
    """Totals rise for ever; `gauges` are of living processes, and none where the tree is not `up`."""

    up: bool
    totals: Sequence[Sample]
    gauges: Sequence[Sample]


NO_TOTALS = ActorTotals(up=False, totals=(), gauges=())


class ActorCounters:
    """Answers within `METRICS_READ_TIMEOUT`, without asking an actor: no scrape costs the tree anything.

    Where the root is silent its totals stay as they were, and what was true of a moment is gone.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._written: int | None = None
        self._seen_at = 0.0
        self._last = NO_TOTALS

    async def look(self) -> ActorTotals:
        """The counters that the root wrote last."""
        try:
            async with asyncio.timeout(METRICS_READ_TIMEOUT):
                await asyncio.to_thread(self._read)
        except (OSError, TimeoutError):
            pass
        if self._last.up and time.monotonic() - self._seen_at > TREE_SILENCE_SECONDS:
            self._last = ActorTotals(up=False, totals=self._last.totals, gauges=())
        return self._last

    def _read(self) -> None:
        written = (self._data / metrics_file.METRICS_FILE).stat().st_mtime_ns
        if written == self._written:
            return
        plain = metrics_file.read(self._data)
        if plain is None:
            return
        # Of the first file nobody here saw when it was written; the clock has to do.
        fresh = self._written is not None or abs(time.time() - written / 1e9) < TREE_SILENCE_SECONDS
        self._written, self._seen_at = written, time.monotonic()
        self._last = ActorTotals(
            up=fresh,
            totals=_samples(plain.get("totals")),
            gauges=_samples(plain.get("gauges")) if fresh else (),
        )


def _samples(rows: Any) -> list[Sample]:
    return [(name, labels, value) for name, labels, value in rows or ()]
