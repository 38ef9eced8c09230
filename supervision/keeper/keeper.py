"""Starts, adopts, probes and restarts an instance's OS processes; has the root actor started in Ray, ends a hung one."""

from __future__ import annotations

import asyncio
import os
import random
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from pydantic import SecretStr

from actors.runtime.limits.disk_floor import DiskFloor
from supervision.keeper import engine_updates, log_rotation, process
from supervision.keeper.parts import ports, probe, python_module, ray_head, valkey
from supervision.keeper.parts.process_specs import PROCESSES, Part, parts
from supervision.keeper.restart_log import Restarts
from supervision.keeper.restart_policy import Falls, hung, lived
from supervision.keeper.status_file import State, StatusFile
from supervision.reports import process_files
from supervision.reports.process_files import ProcessEntry
from supervision.restarts.policy import MemoryLimit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.config.settings import Settings
    from supervision.keeper.manifest import Plan

PART_CHECK_SECONDS = 0.1  # between two probes of a part that starts
PART_PROBE_SECONDS = 5.0  # seconds between two probes of a part that is ready
ADOPTION = 6.0  # seconds that Ray has to restart the root by itself
ROOT_PATIENCE = 60.0  # seconds without a root until the keeper starts another one
LOOK_AT_ROOT = 1.0
ROOT_SILENCE = 12.0

log = structlog.get_logger()


class Fallen(Exception):
    """A part fell: the reason for a person, and its cause in the history."""

    def __init__(self, reason: str, cause: str = "crashed") -> None:
        super().__init__(reason)
        self.reason, self.cause = reason, cause


class Keeper:
    """Keeps the parts of one instance running until `leave`; its end stops none of them (G8)."""

    def __init__(self, data: Path, settings: Settings, plan: Plan) -> None:
        self._data = data
        self._running = {
            entry.role: entry
            for entry in process_files.read(data, PROCESSES)
            if entry.role in plan.roles
        }
        held = [name for name in ports.PORT_NAMES if name.partition("_")[0] in self._running]
        given = {plan.port, plan.control_port}  # nobody may listen on them yet

        def free(port: int) -> bool:
            return port not in given and ports.free(port)

        self.plan = plan.with_ports(ports.settle(plan.ports, held, ports.candidates(data), free))
        self.plan.save(data)
        self._settings = _with_redis(data, settings, self.plan)
        self._settings.save()
        self._board = StatusFile(data, self.plan.roles)
        self._restarts = Restarts(data)
        self._left = asyncio.Event()
        self._resolved = asyncio.Event()
        self._ray = asyncio.Event()
        self._unwritten = asyncio.Event()
        if not self.plan.simulate or "simulator" in self._running:
            self._resolved.set()
        if not self.plan.ray:
            self._ray.set()

    def leave(self) -> None:
        """Ends the keeper, and leaves all parts running."""
        self._left.set()

    async def run(self) -> None:
        """Run all parts until `leave`, which leaves them running."""
        me = ProcessEntry.of("keeper", os.getpid())
        assert me is not None
        self._running["keeper"] = me
        self._record()
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._supervise(part), name=part.role)
                for part in parts(self._data, self._settings, self.plan)
            ]
            tasks.append(group.create_task(self._supervise_root(), name="root"))
            tasks.append(group.create_task(self._write_again(), name="files"))
            rotating = log_rotation.run(
                self._settings.logs,
                self._settings.log_max_bytes,
                DiskFloor.of(self._settings, self._settings.logs),
            )
            tasks.append(group.create_task(rotating, name="logs"))
            updates = engine_updates.run(self._data, self._current)
            tasks.append(group.create_task(updates, name="engine"))
            await self._left.wait()
            for task in tasks:
                task.cancel()

    def _current(self) -> Settings:
        """The settings as they are now: the simulator brings some of its own once it runs."""
        return self._settings.current()

    async def _supervise(self, part: Part) -> None:
        falls = Falls()
        entry = self._running.get(part.role)
        attached = entry is not None
        cause, fell_at = "", 0.0
        while True:
            ready_at = None
            try:
                if entry is None:
                    entry = await self._start(part, falls)
                else:
                    self._note(part.role, "starting", attached=True)
                ready_at = await self._wait_ready(part, entry)
                self._note(part.role, "ready", falls=falls, attached=attached)
                await self._became_ready(part)
                if cause:
                    self._restarted(part.role, cause, fell_at)
                    cause = ""
                fallen = await self._attend(part, entry)
            except Fallen as error:
                fallen = error
            if not cause:
                cause, fell_at = fallen.cause, time.monotonic()
            if part.role == "ray":
                self._ray.clear()
            self._running.pop(part.role, None)
            self._record()
            entry, attached = None, False
            falls = falls.fell(lived(ready_at, time.monotonic()), self._settings.min_uptime / 1000)
            self._note(part.role, "fallen", fallen.reason, falls=falls)
            log.warning("part fell", action="fallen", role=part.role, streak=falls.streak)
            await asyncio.sleep(
                falls.pause(
                    self._settings.restart_backoff_base / 1000,
                    self._settings.restart_backoff_cap / 1000,
                    random.random(),  # noqa: S311 - jitter
                )
            )

    async def _start(self, part: Part, falls: Falls) -> ProcessEntry:
        """Starts a part after its remains have ended. Raises `Fallen`.

        Remains: connections of a dead Ray head would go on beside the new ones, and a Valkey whose
        keeper died before it wrote the pid down would write to the same log.
        """
        if part.resolved:
            await self._resolved.wait()
        self._note(part.role, "starting", falls=falls)
        await process.end_strays(self._data, part.role)
        try:
            entry = process.start(self._data, part.role, part.command())
        except (OSError, valkey.NoServer) as error:
            raise Fallen(str(error)) from None
        self._running[part.role] = entry
        self._record()
        log.info("part started", action="started", role=part.role, child=entry.pid)
        return entry

    async def _wait_ready(self, part: Part, entry: ProcessEntry) -> float:
        deadline = time.monotonic() + part.patience
        while not process.is_over(entry):
            if await part.ready():
                return time.monotonic()
            if time.monotonic() > deadline:
                await process.kill([entry])
                raise Fallen(f"it did not answer within {part.patience:.0f} s")
            await asyncio.sleep(PART_CHECK_SECONDS)
        words = process.last_words(self._data, part.role)
        raise Fallen(f"it ended while it started: {words}" if words else "it ended at once")

    async def _became_ready(self, part: Part) -> None:
        if part.role == "ray":
            self._ray.set()
        if part.role == "simulator":
            where = await probe.get_json(self.plan.control_port, "/") or {}
            try:
                update = {
                    "whatsapp_url": where["ws_url"],
                    "whatsapp_root_key": where["root_key"],
                    "whatsapp_media_authority": Path(where["media_authority"]),
                }
            except KeyError:  # or it went on from a release that did not say as much
                raise Fallen("it does not report its address") from None
            self._settings = self._settings.current().model_copy(update=update)
            try:
                self._settings.save()
            except OSError as error:
                raise Fallen(f"its address cannot be written: {error.strerror}") from None
            self._resolved.set()

    async def _attend(self, part: Part, entry: ProcessEntry) -> Fallen:
        """Waits until a part falls; returns the reason. Ends one that hangs or exceeds its memory limit."""
        end = asyncio.ensure_future(process.ended(entry))
        silences = large = 0
        begun = time.monotonic()
        try:
            while True:
                await asyncio.wait([end], timeout=PART_PROBE_SECONDS)
                if end.done():
                    return Fallen("it ended")
                if part.memory is not None:
                    large = part.memory.over(large, process.resident(entry))
                    if part.memory.exceeded(large, time.monotonic() - begun):
                        await process.stop([entry], part.grace)
                        return Fallen("it exceeded MAX_MEMORY_RESTART", "memory")
                if part.silence is None:
                    continue
                silences = 0 if await part.ready() else silences + 1
                if hung(silences, PART_PROBE_SECONDS, part.silence):
                    await process.kill([entry])
                    return Fallen(f"it did not answer for {part.silence:.0f} s", "hung")
        finally:
            end.cancel()

    async def _supervise_root(self) -> None:
        """Keeps a root running: Ray restarts it when it dies, but the keeper starts the first one."""
        falls = Falls()
        cause, fell_at = "", 0.0
        patience = ADOPTION if ray_head.remembers(self._data) else 0.0
        while True:
            if not self._ray.is_set():
                self._note("root", "waiting", falls=falls)
                await self._ray.wait()
                # A new head creates the root soon, or never where its state was deleted.
                patience = min(patience, ADOPTION)
            await self._resolved.wait()
            if await self._root_within(patience):
                self._note("root", "ready", falls=falls)
                if cause:
                    self._restarted("root", cause, fell_at)
                cause, here = await self._root_gone()
                fell_at = time.monotonic()
                falls = Falls(0, falls.total + 1)  # no start failed: Ray makes the next
                self._note("root", "starting", falls=falls)
                # Ray does not restart a root that hangs on another host: the Ray task examines it.
                patience = ROOT_PATIENCE if here else 0.0
                continue
            if not self._ray.is_set():
                continue
            self._note("root", "starting", falls=falls)
            reason = await self._run_ray_task("start")
            if reason is None and not await self._root_within(ROOT_PATIENCE):
                reason = f"no heartbeat within {ROOT_PATIENCE:.0f} s"
            patience = 0.0
            if reason is not None:
                falls = falls.fell(0.0, 1.0)
                self._note("root", "fallen", reason, falls=falls)
                await asyncio.sleep(falls.pause(1.0, 30.0, random.random()))  # noqa: S311

    async def _root_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not self._root_lives():
            if time.monotonic() >= deadline or not self._ray.is_set():
                return False
            await asyncio.sleep(PART_CHECK_SECONDS)
        return True

    async def _root_gone(self) -> tuple[str, bool]:
        """Waits for the death of the root; returns its reason, and whether it was on this host.

        Ends one that hangs or exceeds its memory limit, and Ray restarts it; one on another host
        counts as dead once its heartbeat is stale. Silence is counted in probes, not in seconds, so
        that a suspended keeper does not blame the root.
        """
        last, silences = process_files.last_beat(self._data), 0
        memory, large, begun = MemoryLimit.of(self._settings), 0, time.monotonic()
        cause, here = "crashed", True
        while self._ray.is_set() and self._root_lives():
            await asyncio.sleep(LOOK_AT_ROOT)
            beat = process_files.last_beat(self._data)
            silences = silences + 1 if beat == last and beat is not None else 0
            last = beat
            roots = [entry for entry in process_files.read(self._data) if entry.role == "root"]
            large = memory.over(large, max(map(process.resident, roots), default=0))
            hangs = hung(silences, LOOK_AT_ROOT, ROOT_SILENCE)
            if roots:
                here = all(entry.here for entry in roots)
            if not here:
                cause = "hung" if hangs else "crashed"
                continue
            # The next root finds all state again, so there is nothing to drain.
            if hangs or memory.exceeded(large, time.monotonic() - begun):
                why = "hung" if hangs else "memory"
                log.warning("root ended", action="kill", why=why)
                await process.kill(roots)
                return why, here
        return cause, here

    def _root_lives(self) -> bool:
        return any(entry.role == "root" for entry in process_files.read(self._data))

    async def _run_ray_task(self, task: str) -> str | None:
        """Runs a Ray task to its end; returns ``None`` on success, else the reason."""
        await process.end_strays(self._data, process.RAY_TASK)
        command = python_module.module(
            "supervision.keeper.ray_task",
            task,
            "--data",
            str(self._data),
            environment=ray_head.environment(self._data) if self.plan.ray else None,
        )
        try:
            entry = process.start(self._data, process.RAY_TASK, command)
        except OSError as error:
            return f"the Ray task does not start: {error.strerror}"
        try:
            async with asyncio.timeout(90.0):
                return await process.outcome(self._data, entry)
        except TimeoutError:
            await process.kill([entry])
            return "the Ray task took longer than 90 s"

    def _note(
        self,
        role: str,
        state: State,
        reason: str | None = None,
        *,
        falls: Falls | None = None,
        attached: bool = False,
    ) -> None:
        falls = falls or Falls()
        with self._for_onlookers():
            self._board.put(
                role,
                state,
                reason,
                falls=falls.total,
                streak=falls.streak,
                attached=attached,
            )

    def _restarted(self, role: str, cause: str, fell_at: float) -> None:
        with self._for_onlookers():
            self._restarts.add(role, cause, time.monotonic() - fell_at)

    def _record(self) -> None:
        with self._for_onlookers():
            process_files.write(self._data, self._running.values(), PROCESSES)

    @contextmanager
    def _for_onlookers(self) -> Iterator[None]:
        """Writes the files for readers outside; a full disk does not end the keeper (G8)."""
        try:
            yield
        except OSError as error:
            log.warning("status not written", action="not_written", error=error.strerror)
            self._unwritten.set()

    async def _write_again(self) -> None:
        while True:
            await self._unwritten.wait()
            await asyncio.sleep(PART_PROBE_SECONDS)
            self._unwritten.clear()
            with self._for_onlookers():
                self._board.write()
            self._record()


def _with_redis(data: Path, settings: Settings, plan: Plan) -> Settings:
    if not plan.valkey:
        return settings
    update = {
        "redis_host": "127.0.0.1",
        "redis_port": plan.ports[ports.VALKEY],
        "redis_password": SecretStr(valkey.password(data)),
    }
    return settings.model_copy(update=update)
