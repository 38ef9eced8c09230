"""Restarts connections whose program is not the chosen one, and watches the canary: whether it is to return, and why."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from actors.config.settings import Settings
from actors.connection.disconnects.causes import Kind
from actors.connection.whatsmeow.program.executable import DATABASE, EXECUTABLE_NAME, find
from actors.connection.whatsmeow.program.key_schema import schema_in
from actors.queue.outbound_queue import OutboundQueue
from actors.redis.client import connect
from actors.redis.leases.leases import Leases
from actors.runtime.connection_ids import name_of
from actors.state.connections import Connections
from actors.state.open_store import open_documents
from gateway.cli.engine.program_build import EngineFailed
from gateway.cli.instance.upgrade import restart_connection
from supervision.keeper import process
from supervision.reports import metrics_file, process_files

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

CLOSED_SECONDS: Final = 60.0
"""Seconds for which the canary may be anything but open."""

WATCH_SECONDS: Final = 1.0


PASSING_CAUSES: Final = frozenset(
    {Kind.NETWORK, Kind.KEEPALIVE, Kind.RESTART_REQUIRED, Kind.CLOSED, "lease_expired"}
)
"""Causes that come and go with any program; long ones are seen by the time without an open login."""


@dataclass(frozen=True, slots=True)
class CanaryView:
    """The canary at one moment: its state and cause, the pids that serve it, and counts since ever.

    `ends` has how often its logins ended, by cause.
    """

    state: str
    cause: str | None
    owner: int | None
    program: int | None
    sent: int
    received: int
    ends: Mapping[str, int] = field(default_factory=dict)


def fault(first: CanaryView, before: CanaryView, now: CanaryView, closed_for: float) -> str | None:
    """The reason for which the canary returns at once (pure).

    `first` is its view as the watch began, `before` the last one with a program; `closed_for` are the seconds since it was
    open.
    """
    rose = [cause for cause, count in now.ends.items() if count > first.ends.get(cause, 0)]
    shown = [] if now.cause in {None, first.cause} else [str(now.cause).partition(":")[0]]
    if causes := sorted({*rose, *shown} - PASSING_CAUSES):
        return f"it ended by {', '.join(causes)}."
    if now.program not in {None, before.program} and now.owner == before.owner:
        return "its program died."
    if closed_for > CLOSED_SECONDS:
        return f"it was {now.state} for {closed_for:.0f} s."
    return None


def unproven(first: CanaryView, now: CanaryView) -> str | None:
    """The reason for which the canary has not proven itself at the end of its time (pure)."""
    counts = {"sent": now.sent - first.sent, "received": now.received - first.received}
    lacks = [word for word, count in counts.items() if count <= 0]
    return f"nothing was {' or '.join(lacks)} meanwhile." if lacks else None


class ProgramMover:
    """Moves the connections of an instance to the programs that `engine.json` names for them.

    Each step is a restart that the service survives at any time: a death in between leaves connections with their former
    program, and the next `settle` moves them.
    """

    def __init__(self, data: Path, settings: Settings, report: Callable[[str], None]) -> None:
        self._data, self._settings, self._report = data, settings, report
        self._documents, self._redis = open_documents(settings), connect(settings)
        self._registry, self._leases = Connections(self._documents), Leases(self._redis)

    @classmethod
    @asynccontextmanager
    async def opened(cls, data: Path, report: Callable[[str], None]) -> AsyncIterator[ProgramMover]:
        """A mover for a block; raises `RedisAway` or `StoreAway` in it."""
        mover = cls(data, Settings.load(data), report)
        try:
            yield mover
        finally:
            await mover._documents.close()
            await mover._redis.aclose()

    async def choose(self, name: str | None) -> str:
        """The id of the connection to begin with: the one of that name, or the open one that sent least, but something."""
        wanted = [
            each.id for each in (await self._registry.list()).items if each.desired == "running"
        ]
        leases = await self._leases.read_all(wanted) if wanted else {}
        open_ = [each for each in wanted if each in leases and leases[each].state == "open"]
        if name is not None:
            open_ = [each for each in open_ if name in {each, name_of(each)}]
        if not open_:
            raise EngineFailed("no connection is open." if name is None else f"{name} is not open.")
        flows = await OutboundQueue(self._redis, self._settings).reader.flows_many(open_)
        return min(open_, key=lambda each: flows[each].counts["sent"] or float("inf"))

    async def schemas(self) -> Mapping[str, tuple[int, int]]:
        """The schema of each connection's keys, and the least that a program has to know to open them, by connection."""
        ids = [each.id for each in (await self._registry.list()).items]
        read = {each: schema_in(self._settings.sessions / each / DATABASE) for each in ids}
        return {each: schema for each, schema in read.items() if schema is not None}

    async def settle(self, within: float, only: str | None = None) -> None:
        """Restart each connection, or `only` one, that runs another program than the chosen one; the next once it is back.

        Raises `upgrade.Stopped` at the first that is not back within so many seconds.
        """
        for connection in unsettled(self._data):
            if only not in {None, connection}:
                continue
            before = await self._leases.read(connection)
            if before is None or before.owner is None:
                continue
            await restart_connection(self._registry, self._redis, self._leases, before, within)
            self._report(f"{name_of(connection)} runs {describe(find(self._data, connection))}")

    async def watch(self, connection: str, seconds: float) -> tuple[str | None, bool]:
        """Watch the canary for so long: the reason for which it is to return, if any, and whether that is a fault."""
        first = before = await self._view(connection)
        begun = last_open = time.monotonic()
        while True:
            now, at = await self._view(connection), time.monotonic()
            if now.state == "open":
                last_open = at
            if (reason := fault(first, before, now, at - last_open)) is not None:
                return reason, True
            if now.program is not None:
                before = now
            if at - begun >= seconds:
                return unproven(first, now), False
            await asyncio.sleep(WATCH_SECONDS)

    async def _view(self, connection: str) -> CanaryView:
        lease = await self._leases.read(connection)
        flows = await OutboundQueue(self._redis, self._settings).reader.flows_many([connection])
        received, ends = 0, Counter[str]()
        for name, labels, value in (metrics_file.read(self._data) or {}).get("totals", ()):
            if labels.get("connection") != name_of(connection):
                continue
            if name == "teimoso_messages_received":
                received += int(value)
            elif name == "teimoso_socket_closes":
                ends[labels["cause"]] += int(value)
        return CanaryView(
            "deleted" if lease is None else lease.state,
            None if lease is None else lease.cause,
            None if lease is None or lease.owner is None else lease.owner.pid,
            programs(self._data).get(connection),
            flows[connection].counts["sent"],
            received,
            ends,
        )


def programs(data: Path) -> dict[str, int]:
    """The pid of each connection's program on this host."""
    found = process.programs(process_files.read(data), EXECUTABLE_NAME)
    return {each.connection: each.pid for each in found if each.connection is not None}


def unsettled(data: Path) -> list[str]:
    """The connections that run another program than the chosen one."""
    found = ((each, pid, find(data, each)) for each, pid in programs(data).items())
    return [each for each, pid, file in found if file is None or not _runs(pid, file)]


def describe(file: Path | None) -> str:
    """A program in words: the version of whatsmeow that it was built with, or that it is the installed one."""
    return (
        "the installed program" if file is None or file.parent.name == "bin" else file.parent.name
    )


def running(data: Path) -> dict[str, str]:
    """The program that each connection runs now, in words."""
    found = {}
    for connection, pid in programs(data).items():
        with suppress(OSError):
            found[name_of(connection)] = describe(Path(f"/proc/{pid}/exe").readlink())
    return found


def _runs(pid: int, file: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/exe").samefile(file)
    except OSError:
        return False  # it ended meanwhile
