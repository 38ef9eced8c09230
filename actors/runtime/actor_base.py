"""Defines the base class of all actors: idempotent start and stop, a watch for the actor's death, health reports.

No Ray in here. The tree calls `watch` and keeps the call pending: it breaks when the process dies.
`health` runs in a loop of its own (a concurrency group), so that it answers while the main loop is
blocked; it therefore reports for how long the main loop is silent.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.config import settings_transfer
from actors.config.settings import Settings
from actors.metrics.counters import measures
from actors.runtime import child_processes, host_identity, processes
from actors.runtime.logs import log_to
from actors.runtime.loop_watchdog import LoopWatchdog

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Sequence

    from actors.metrics.counters import Sample

STATM = Path("/proc/self/statm")

CPU = "teimoso_process_cpu_seconds"
PROGRAM_ROLE = "program"
"""The role of a program that an actor started, in series that have roles."""


class Shell:
    """The base of an actor. The actor of a package overrides `_start`, `_stop`, `_peers` and `_health`."""

    def __init__(self, data: str, name: str) -> None:
        self.data = Path(data)
        self.name = name
        self.shown: type = type(self)
        """The class by whose name Ray makes the process's title."""
        self.ray_node: str | None = None
        """The id of this host in the Ray cluster, where Ray made the actor."""
        self._born = time.monotonic()
        self._watchdog = LoopWatchdog()
        self._programs: Sequence[child_processes.ChildProcess] = ()
        self._programs_cpu = child_processes.ProcessorTime()
        self._starting: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._ended: asyncio.Event = asyncio.Event()
        self._reason: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<{self.name}>"

    async def start(self, nice: int = 0, settings: str | None = None) -> dict[str, Any]:
        """Be ready; idempotent, also when called again while it still starts.

        The process steps back to the priority `nice`, never forwards: only root may do that.
        `settings` are handed over, where this host may have a directory of its own.
        """
        if self._starting is None:
            # Before any thread is made: a priority is a thread's.
            back = max(nice, os.getpriority(os.PRIO_PROCESS, 0))
            os.setpriority(os.PRIO_PROCESS, 0, back)
            self._watchdog.start()
            self._starting = asyncio.ensure_future(self._begin(settings))
        await asyncio.shield(self._starting)
        return {"pid": os.getpid(), "node": host_identity.here(), "ray_node": self.ray_node}

    async def watch(self) -> dict[str, Any]:
        """Pend for as long as the actor lives; return why it ended where it did so on purpose.

        With it the last word on what it counted.
        """
        await self._ended.wait()
        return {**self._reason, "measures": measures.samples}

    async def health(self) -> dict[str, Any]:
        """The pid, the main loop's lag in seconds, resident bytes, what it measured and what it adds.

        `memory` is with the programs that it started, `own_memory` without.
        """
        now = time.monotonic()
        own, programs = resident(), child_processes.running()
        self._programs = programs
        return {
            "pid": os.getpid(),
            "node": host_identity.here(),
            "ray_node": self.ray_node,
            "lag": self._watchdog.lag(now),
            "uptime": now - self._born,
            "memory": own + sum(one.memory for one in programs),
            "own_memory": own,
            "measures": [*measures.samples, *cpu(), *self._cpu_of_programs()],
            "gauges": [*self._gauges(), *_of(programs)],
            "lagged": self._watchdog.worst(now),
            **self._health(),
        }

    async def end_neighbour(self, pid: int, started: str, within: float) -> bool:
        """End the actor of this host that had `pid` and `started`; whether it is certainly gone.

        Asked in the group of `health`, for a caller on a host that cannot reach these processes.
        """
        return processes.end(pid, started, within)

    async def peers(self, *, settings: str | None = None, **handles: Any) -> None:
        """Take the handles of the others; again whenever one of them was replaced.

        With `settings` where they were written anew. Raises what `settings_transfer.take` raises.
        """
        await self._peers(**handles)
        if settings is not None:
            await asyncio.to_thread(settings_transfer.take, self.data, settings)

    async def stop(self) -> None:
        """End on purpose: finish what is begun, let go, end `watch`. Idempotent."""
        if self._stopping is None:
            self._stopping = asyncio.ensure_future(self._stop())
        try:
            await asyncio.shield(self._stopping)
        finally:
            self._end("stopped")

    def _entitle(self, words: str) -> None:
        """Give the process this title, and behind it the programs that it started.

        Ray makes the title of the class's name, anew at each call.
        """
        pids = "".join(f", {PROGRAM_ROLE} {one.pid}" for one in self._programs)
        self.shown.__name__ = f"{words}{pids}"

    def _end(self, reason: str, **more: Any) -> None:
        if not self._ended.is_set():
            self._reason = {"reason": reason, **more}
            self._ended.set()

    async def _begin(self, handed: str | None) -> None:
        if handed is not None:
            await asyncio.to_thread(settings_transfer.take, self.data, handed)
        settings = Settings.load(self.data)
        log_to(settings.logs / f"{self.name.partition(':')[0]}.log", settings.log_level, self.name)
        await self._start()
        # The worker imports without collections (`ray_worker.py`), and these modules stay for its life.
        gc.freeze()
        gc.enable()

    async def _start(self) -> None:
        """Prepare everything that the first call needs."""

    async def _stop(self) -> None:
        """Finish everything that has to be done before the process may be killed."""

    async def _peers(self, **handles: Any) -> None:
        """Use these handles from now on."""

    def _cpu_of_programs(self) -> list[Sample]:
        """Their processor time; nothing before the first one."""
        seconds = self._programs_cpu.add(self._programs)
        return [(CPU, {"role": PROGRAM_ROLE}, seconds)] if seconds or self._programs else []

    def _gauges(self) -> list[Sample]:
        """The gauges of this actor for Prometheus; called from another thread, too."""
        return []

    def _health(self) -> dict[str, Any]:
        """More about this actor; called from another thread than the main loop's."""
        return {}


class LoopShell(Shell):
    """The base of an actor with one loop, which lasts until the actor stops; a loop that breaks ends the actor.

    `_start` calls `_run_for_life`, and `_close` lets go of what `_start` opened.
    """

    def _run_for_life(self, loop: Coroutine[Any, Any, None]) -> None:
        self._running = asyncio.ensure_future(loop)
        self._running.add_done_callback(self._broke)

    async def _stop(self) -> None:
        if self._starting is None:
            return
        await self._starting
        self._running.cancel()
        await asyncio.wait([self._running])
        await self._close()

    async def _close(self) -> None:
        """Close what `_start` opened; the loop is over."""

    def _broke(self, running: asyncio.Task[None]) -> None:
        if not running.cancelled() and (error := running.exception()) is not None:
            # A bug: end, so that the tree sees it and starts another.
            self._end("broke", error=type(error).__name__)


def resident() -> int:
    """Bytes of memory that this process holds, without its children.

    Where the system has no /proc it is the most that it ever held.
    """
    try:
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def cpu() -> list[Sample]:
    """The processor time of this process, as a sample."""
    return [(CPU, {}, time.process_time())]


def _of(programs: Sequence[child_processes.ChildProcess]) -> list[Sample]:
    """Gauges of the programs that a process started."""
    if not programs:
        return []
    labels = {"role": PROGRAM_ROLE}
    return [
        ("teimoso_process_memory_bytes", labels, float(sum(one.memory for one in programs))),
        ("teimoso_process_uptime_seconds", labels, max(one.age for one in programs)),
    ]


async def end_tasks(tasks: Iterable[asyncio.Task[Any]], within: float) -> bool:
    """Cancel tasks until they end, for `within` seconds at most; return whether all did.

    Once is not enough: redis-py loses a cancellation that meets an answer, and a wait for the end of such a task
    lasts for ever. Raises no error of a task.
    """
    left = {task for task in tasks if task is not asyncio.current_task()}
    end = time.monotonic() + within
    while left and time.monotonic() < end:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.05)
    return not left
