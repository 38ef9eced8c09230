"""Collects the processes and connections of an instance, running and missing, for `teimoso status` and `doctor`."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil

from actors.config.settings import Settings
from actors.connection.whatsmeow.program.executable import EXECUTABLE_NAME
from actors.redis.client import RedisAway, connect
from actors.redis.leases.leases import Leases
from actors.runtime.connection_ids import name_of
from actors.state.connections import Connections
from actors.state.documents import StoreAway
from actors.state.open_store import open_documents
from gateway.cli.api_client import reachable
from supervision.keeper import process, status_file
from supervision.keeper.manifest import Plan, UnreadableManifest
from supervision.keeper.parts import ray_dashboard
from supervision.keeper.parts.process_specs import PROCESSES
from supervision.reports import process_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from actors.redis.leases.leases import Lease
    from actors.state.connections import Connection
    from supervision.keeper.status_file import PartState
    from supervision.reports.process_files import ProcessEntry

TREE_ROLES = ("root", "queue", "state", "health")
SERVED = ("open", "pairing")
"""States of a connection that runs as it should: `pairing` waits for a person, not for us."""
NEEDLESS = ("logged_out",)
"""States in which no process is needed, whatever is desired: only a person can go on."""


@dataclass(frozen=True)
class ConnectionStatus:
    """A connection as it is seen: its lease's state, and whether its owner's process lives."""

    id: str
    desired: str
    state: str | None
    pid: int | None

    @property
    def well(self) -> bool:
        """Whether the connection is as it should be: served by a process, or without need of one."""
        if self.desired != "running" or self.state in NEEDLESS:
            return True
        return self.pid is not None and self.state in SERVED


@dataclass(frozen=True)
class ProcessUsage:
    """A process of this host: its name, resident bytes, and seconds of processor time."""

    name: str
    memory: int
    cpu: float


@dataclass(frozen=True)
class InstanceState:
    """An instance at one moment. `missing` says what keeps it from being ready, for a person.

    `usage` is of the processes on this host; `addresses` are URLs of what runs: `console`, `dashboard`
    (Ray's).
    """

    entries: list[ProcessEntry]
    usage: Mapping[ProcessEntry, ProcessUsage]
    notes: Mapping[str, PartState]
    connections: list[ConnectionStatus]
    missing: list[str]
    addresses: Mapping[str, str] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """All parts run, and every connection that should be open is."""
        return not self.missing

    def as_json(self) -> dict[str, Any]:
        """The shape that scripts rest on."""
        return {
            "ready": self.ready,
            "missing": self.missing,
            "addresses": dict(self.addresses),
            "processes": [self._plain(entry) for entry in self.entries],
            "connections": [
                {"id": line.id, "desired": line.desired, "state": line.state, "pid": line.pid}
                for line in self.connections
            ],
        }

    def _plain(self, entry: ProcessEntry) -> dict[str, Any]:
        usage = self.usage.get(entry)
        return {
            "role": entry.role,
            "connection": entry.connection and name_of(entry.connection),
            "host": entry.host,
            "pid": entry.pid,
            "name": usage and usage.name,
            "memory_bytes": usage and usage.memory,
            "cpu_seconds": usage and usage.cpu,
        }


async def look(data: Path) -> InstanceState:
    """See what there is; takes part in nothing and needs no part of the instance to answer."""
    unreadable: list[str] = []
    try:
        plan = Plan.load(data)
    except UnreadableManifest as error:
        plan, unreadable = None, [str(error)]
    processes, tree = process_files.read(data, PROCESSES), process_files.read(data)
    programs = process.programs(tree, EXECUTABLE_NAME)
    pids = {entry.pid for entry in (*processes, *tree, *programs) if entry.here}
    rest = [entry for entry in process.strays(data, "ray") if entry.pid not in pids]
    entries = _ordered([*processes, *tree, *programs], rest)
    keeper = any(entry.role == "keeper" for entry in processes)
    notes = {note.role: note for note in status_file.read(data)} if keeper else {}
    lines = await _connections(data, tree)
    return InstanceState(
        entries=entries,
        usage={entry: usage for entry in entries if (usage := _usage(entry)) is not None},
        notes=notes,
        connections=lines or [],
        missing=unreadable or missing(plan, entries, notes, lines),
        addresses=addresses(data, plan, entries),
    )


def addresses(data: Path, plan: Plan | None, entries: Iterable[ProcessEntry]) -> dict[str, str]:
    """The URLs of the console and of Ray's dashboard, each where its process runs."""
    there, found = {entry.role for entry in entries}, {}
    with suppress(OSError, ValueError):
        settings = Settings.load(data)
        if "gateway" in there:
            found["console"] = f"http://{reachable(settings)}/"
        if plan is not None and plan.ray and "ray" in there and not ray_dashboard.waits(data):
            found["dashboard"] = ray_dashboard.url(plan)
    return found


def missing(
    plan: Plan | None,
    entries: Iterable[ProcessEntry],
    notes: Mapping[str, PartState],
    lines: list[ConnectionStatus] | None,
) -> list[str]:
    """A phrase for each thing that is not as it should be; pure. `lines` None: unknown."""
    if plan is None:
        return ["it was never started"]
    there = {entry.role for entry in entries}
    if not there:
        return ["nothing runs: `teimoso up` starts it"]
    needed = ("keeper", *plan.roles, *(role for role in TREE_ROLES if role != "root"))
    lacking = [f"{role} does not run" for role in needed if role not in there]
    lacking += [
        f"{role} is {notes[role].state}"
        for role in plan.roles
        if role in there and role in notes and notes[role].state != "ready"
    ]
    if lines is None:
        lacking.append("the connections cannot be read")
    else:
        lacking += [
            f"connection {line.id} is {line.state or 'not served yet'}"
            if line.pid is not None
            else f"connection {line.id} has no process"
            for line in lines
            if not line.well
        ]
    return lacking


def lines_of(
    connections: Iterable[Connection], leases: Mapping[str, Lease], tree: Iterable[ProcessEntry]
) -> list[ConnectionStatus]:
    """Join what is desired, what the leases say and which processes live; pure.

    A lease outlives its owner, so a state counts only with a living process behind it.
    """
    serving = {(entry.connection, entry.pid) for entry in tree if entry.role == "connection"}
    lines = []
    for connection in connections:
        lease = leases.get(connection.id)
        owner = None if lease is None or lease.owner is None else lease.owner.pid
        lives = (connection.id, owner) in serving
        state = None if lease is None else lease.state
        if state == "open" and not lives:
            state = "reconnecting"
        lines.append(
            ConnectionStatus(connection.name, connection.desired, state, owner if lives else None)
        )
    return lines


async def _connections(data: Path, tree: list[ProcessEntry]) -> list[ConnectionStatus] | None:
    try:
        settings = Settings.load(data)
    except (OSError, ValueError):
        return None
    documents, redis = open_documents(settings), connect(settings)
    try:
        async with asyncio.timeout(10.0):
            found = (await Connections(documents).list()).items
            leases = await Leases(redis).read_all([one.id for one in found]) if found else {}
    except (RedisAway, StoreAway, TimeoutError):
        return None
    finally:
        await documents.close()
        with suppress(Exception):
            await redis.aclose()
    return lines_of(found, leases, tree)


def _ordered(entries: list[ProcessEntry], rest: list[ProcessEntry]) -> list[ProcessEntry]:
    roles = (
        "keeper",
        "gateway",
        "valkey",
        "simulator",
        "ray",
        *TREE_ROLES,
        "connection",
        "program",
        "standby",
    )
    place = {role: number for number, role in enumerate(roles)}
    # Processes of Ray's head stand behind it, so that the first of a role is the one that counts.
    ranked = [(place.get(entry.role, 99), 0, entry) for entry in entries]
    ranked += [(place["ray"], 1, entry) for entry in rest]
    return [entry for *_, entry in sorted(ranked, key=lambda one: (one[0], one[1]))]


def _usage(entry: ProcessEntry) -> ProcessUsage | None:
    if not entry.here:
        return None
    try:
        seen = psutil.Process(entry.pid)
        with seen.oneshot():
            times = seen.cpu_times()
            return ProcessUsage(
                seen.name(), seen.memory_info().rss, round(times.user + times.system, 2)
            )
    except psutil.Error:
        return None
