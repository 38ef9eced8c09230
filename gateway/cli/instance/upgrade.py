"""Implements `teimoso upgrade`: restarts keeper, actors and gateway with installed code, one connection at a time.

Keeper, root, standbys and services first, then the connections, the gateway last: a process is called
by older ones alone. Valkey, Ray and the simulator go on; a new release of those needs `teimoso
down` and `up`. Nothing is lost however it ends: each step is one that the service survives at any
time, and where it broke off the next `upgrade` goes on.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from actors.config.settings import Settings
from actors.redis.change_notifications import poke
from actors.redis.client import RedisAway, connect
from actors.redis.leases.leases import Leases
from actors.runtime.atomic_files import write_atomically
from actors.runtime.connection_ids import name_of
from actors.state.connections import ConnectionNotFound, Connections
from actors.state.documents import StoreAway
from actors.state.open_store import open_documents
from gateway.cli import output
from gateway.cli.instance import preparation
from supervision.keeper import process, status_file
from supervision.keeper.code_digest import code_digest
from supervision.keeper.lock import held
from supervision.keeper.manifest import Plan
from supervision.keeper.parts import python_module, ray_head
from supervision.keeper.parts.process_specs import PROCESSES
from supervision.reports import process_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from redis.asyncio import Redis

    from actors.redis.leases.leases import Lease

    Old = set[tuple[int, str]]

UPGRADE_MARK = "run/upgrade"
"""The processes at the beginning of an upgrade, while it goes on: all others have the new code already.

It holds for the code that it was begun with alone: for any other, each process is old.
"""

UPGRADED_MODULES = (
    "actors.connection.actor, gateway.__main__, supervision.root, supervision.keeper.keeper"
)
UPGRADE_POLL_SECONDS = 0.2
BACK = 90.0  # seconds that a part has to be back
SERVICES_SECONDS = 300.0  # seconds that a Ray task has for the services


class Stopped(Exception):
    """The upgrade stopped; the reason is a sentence for a person. The parts left over run as they did."""


@dataclass(frozen=True)
class UpgradeOptions:
    """Options of an upgrade: the pause between connections and the longest wait for each, in seconds."""

    pause: float = 1.0
    within: float = 60.0


def run(data: Path, options: UpgradeOptions, as_json: bool) -> None:
    """Replace processes one after the other, and print each; the next call does the rest after a failure."""
    done: list[str] = []

    def report(what: str) -> None:
        done.append(what)
        if not as_json:
            output.console().print(f"{what} runs the new code")

    try:
        asyncio.run(_upgrade(data, options, report))
    except (Stopped, RedisAway, StoreAway) as error:
        why = str(error) if isinstance(error, Stopped) else "Redis or the state store is away."
        if as_json:
            output.plain({"done": done, "complete": False, "reason": why})
        output.refuse(f"{why} `teimoso upgrade` goes on from there.")
    if as_json:
        output.plain({"done": done, "complete": True, "reason": None})


async def _upgrade(data: Path, options: UpgradeOptions, report: Callable[[str], None]) -> None:
    plan = Plan.load(data)
    if plan is None or not preparation.running(data):
        raise Stopped(f"Nothing of {data} runs: `teimoso up` starts it with the new code.")
    _check()
    old = _old(data)
    await _keeper(data, old, report)
    if await _root(data, old):
        report("root")
    await _services(data, plan)
    report("standbys, queue, state, health")
    await _connections(data, old, options, report)
    if await _gateway(data, old):
        report("gateway")
    forget(data)


def _check() -> None:
    """Refuse code that does not even load, before anything is ended."""
    command = python_module.module("-")
    loads = (command.arguments[0], "-P", "-c", f"import {UPGRADED_MODULES}")
    done = subprocess.run(  # noqa: S603 - this interpreter, our own modules
        loads,
        env={**os.environ, **command.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["it ended"])[-1]
        raise Stopped(f"The code that lies here does not load: {why}.")


def _old(data: Path) -> Old:
    """The parts that ran when this upgrade, or the one that it continues, began.

    By pid and start, and not by times: the wall clock may be set meanwhile.
    """
    code = code_digest()
    try:
        begun = json.loads((data / UPGRADE_MARK).read_text())
        if begun["code"] == code:
            return {(pid, start) for pid, start in begun["old"]}
    except (OSError, ValueError, TypeError, KeyError):
        pass
    there = [*process_files.read(data, PROCESSES), *process_files.read(data)]
    old = {(one.pid, one.started) for one in there}
    write_atomically(data / UPGRADE_MARK, json.dumps({"code": code, "old": sorted(old)}))
    return old


def forget(data: Path) -> None:
    """Drop the mark of an upgrade that did not come to its end."""
    (data / UPGRADE_MARK).unlink(missing_ok=True)


async def _keeper(data: Path, old: Old, report: Callable[[str], None]) -> None:
    there = _there(data, "keeper", PROCESSES)
    if not any(map(partial(_is_old, old), there)) and held(data):
        return
    await process.stop(there, 10.0)  # it ends alone, and all that it kept goes on
    if not held(data):
        preparation.launch_keeper(data)
    await _until("the keeper", lambda: _renewed(data, "keeper", old, PROCESSES))
    await _until("each part", lambda: not _missing(data), partial(_missing, data))
    report("keeper")


async def _root(data: Path, old: Old) -> bool:
    there = [one for one in _there(data, "root") if _is_old(old, one)]
    if not there:
        return False
    await process.kill(there)  # it keeps nothing that the next one does not find again
    await _until("the root", lambda: _renewed(data, "root", old))
    return True


async def _services(data: Path, plan: Plan) -> None:
    command = python_module.module(
        "supervision.keeper.ray_task",
        "renew",
        "--data",
        str(data),
        environment=ray_head.environment(data) if plan.ray else None,
    )
    entry = process.start(data, process.RAY_TASK, command)
    try:
        async with asyncio.timeout(SERVICES_SECONDS):
            reason = await process.outcome(data, entry)
    except TimeoutError:
        await process.kill([entry])
        reason = f"the task in the cluster took longer than {SERVICES_SECONDS:.0f} s"
    if reason is not None:
        raise Stopped(f"The services were not replaced: {reason}.")


async def _connections(
    data: Path, old: Old, options: UpgradeOptions, report: Callable[[str], None]
) -> None:
    """Each one has to be back as it was before the next is touched."""
    settings = Settings.load(data)
    documents, redis = open_documents(settings), connect(settings)
    registry, leases = Connections(documents), Leases(redis)
    try:
        chosen = [one.id for one in (await registry.list()).items if one.desired == "running"]
        for connection in chosen:
            before = await leases.read(connection)
            if before is None or before.owner is None or _serves_new(data, before, old):
                continue
            try:
                await restart_connection(registry, redis, leases, before, options.within)
            except Stopped as error:
                raise Stopped(f"{error} The others go on with the old code.") from None
            report(f"connection {name_of(connection)}")
            await asyncio.sleep(options.pause)
    finally:
        await documents.close()
        await redis.aclose()


async def restart_connection(
    registry: Connections, redis: Redis, leases: Leases, before: Lease, within: float
) -> None:
    """Restart a connection without a loss, and wait until it is as it was `before`; raises `Stopped` where it is not."""
    try:
        await registry.raise_generation(before.connection)
    except ConnectionNotFound:
        return
    await poke(redis)
    wanted = {before.state} if before.state in {"open", "pairing"} else None
    deadline = time.monotonic() + within
    while True:
        now = await leases.read(before.connection)
        served = now is not None and now.owner is not None and now.epoch > before.epoch
        if now is not None and served and (wanted is None or now.state in wanted):
            return
        if time.monotonic() > deadline:
            state = "gone" if now is None else now.state
            raise Stopped(
                f"{name_of(before.connection)} was {before.state} and is {state} after {within:.0f} s."
            )
        await asyncio.sleep(UPGRADE_POLL_SECONDS)


def _serves_new(data: Path, lease: Lease, old: Old) -> bool:
    """Whether the owner runs here, by the new code; False for one on another host."""
    owner = lease.owner
    assert owner is not None
    return any(one.pid == owner.pid and not _is_old(old, one) for one in _there(data, "connection"))


async def _gateway(data: Path, old: Old) -> bool:
    there = [one for one in _there(data, "gateway", PROCESSES) if _is_old(old, one)]
    if not there:
        return False
    await process.stop(there, 15.0)  # it answers what it was asked, and the keeper starts the next

    def back() -> bool:
        ready = any(
            one.role == "gateway" and one.state == "ready" for one in status_file.read(data)
        )
        return ready and _renewed(data, "gateway", old, PROCESSES)

    await _until("the gateway", back)
    return True


def _renewed(data: Path, role: str, old: Old, file: Path | None = None) -> bool:
    return any(not _is_old(old, one) for one in _there(data, role, file))


def _is_old(old: Old, entry: process_files.ProcessEntry) -> bool:
    return (entry.pid, entry.started) in old


def _there(data: Path, role: str, file: Path | None = None) -> list[process_files.ProcessEntry]:
    found = process_files.read(data) if file is None else process_files.read(data, file)
    return [one for one in found if one.role == role and one.here]


def _missing(data: Path) -> str:
    """The parts that the keeper has not got ready, with reasons, in words."""
    there = [one for one in status_file.read(data) if one.state != "ready"]
    return "; ".join(f"{one.role} is {one.state}: {one.reason}" for one in there)


async def _until(
    what: str, there: Callable[[], bool], missing: Callable[[], str] = lambda: ""
) -> None:
    deadline = time.monotonic() + BACK
    while not there():
        if time.monotonic() > deadline:
            why = f" ({missing()})" if missing() else ""
            raise Stopped(f"{what.capitalize()} is not back within {BACK:.0f} s{why}.")
        await asyncio.sleep(UPGRADE_POLL_SECONDS)
