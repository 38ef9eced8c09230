"""Creates, adopts, probes and ends the root actor's child actors; sends them settings and handles; reports each end.

A pending call reports a death within milliseconds; two failed probes report a hang, and the process
is killed, which makes it a death. Each child has tasks of its own, and every call to it is bounded,
so that none delays the root. `connection_reconciler.py`, `services.py` and `standbys.py` decide which to start.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import structlog

from actors.runtime import host_identity
from supervision.child import Child, End
from supervision.cluster import ActorDead, CallRefused, CallTimeout

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from actors.connection.backup.bucket.access import BucketAccess
    from actors.runtime.connection_options import ConnectionOptions
    from supervision.cluster import ActorHandle, Cluster
    from supervision.restarts.policy import MemoryLimit, ProbePolicy

log = structlog.get_logger()

START = 60.0
"""Seconds that a new child has until it is ready: imports on a busy machine take their time."""

NICE = {"queue": 10, "backup": 15}
"""The niceness of a role's process: the view of the queue may lag behind sends and receipts, and a backup behind all."""

PEERS, DRAIN_WITHIN, CLOSE_WITHIN = 5.0, 20.0, 4.0
OUTGROWN = "memory"
UPGRADE_REASON = "upgrade"
"""Reasons for which a child is drained: its memory exceeded the limit, or newer code is installed."""


class Children:
    """All children by name.

    `reach` is the root's access to the bucket. `offer` returns the settings for hosts that may not
    have them. `confirm` ends a root that was replaced; it is awaited before a child is created, and
    before one is ended because of a probe. `on_end` is called once for each child that ended by
    itself, `on_change` after each change of the children or of their connections, `on_report` with
    the health that a child reports, `on_removed` with each child that leaves.
    """

    def __init__(
        self,
        cluster: Cluster,
        probes: ProbePolicy,
        memory: MemoryLimit | None,
        reach: BucketAccess,
        *,
        offer: Callable[[], str | None] = lambda: None,
        confirm: Callable[[], Awaitable[None]],
        on_end: Callable[[Child, End], None],
        on_change: Callable[[], None],
        on_report: Callable[[Child, Mapping[str, Any]], None],
        on_removed: Callable[[Child], None],
    ) -> None:
        self._cluster = cluster
        self._probes = probes
        self._memory = memory
        self._draining = asyncio.Lock()
        self.reach = reach
        self._offer = offer
        self._offered: str | None = None
        self._confirm = confirm
        self._on_end = on_end
        self._on_change = on_change
        self._on_report = on_report
        self._on_removed = on_removed
        self._all: dict[str, Child] = {}
        self._ray_nodes: dict[str, str] = {}
        self._handles: dict[str, Any] = {}
        self._version = 0
        self._closed = False
        self._making: set[str] = set()
        self._made = asyncio.Event()
        self._made.set()
        self._pushing: set[asyncio.Task[None]] = set()

    def __iter__(self) -> Iterator[Child]:
        return iter(list(self._all.values()))

    def serving(self, connection: str) -> Child | None:
        """The child that serves the connection; of several the one with the highest epoch."""
        found = [child for child in self if child.connection == connection]
        return max(found, key=lambda child: child.epoch or 0, default=None)

    @property
    def pids(self) -> set[int]:
        """The pids of the children on this host."""
        here = host_identity.here()
        return {child.pid for child in self if child.pid is not None and child.node == here}

    def on(self, node: str) -> list[Child]:
        """The children on a host, without those that hang."""
        return [child for child in self if child.node == node and not child.hung]

    async def create(self, role: str, host: str | None = None) -> Child:
        """Creates a child that is ready to be used. Raises `ActorDead`, `CallTimeout`, `CallRefused`.

        It is created on the `host` (`Child.node`) where one is given, of which a child was seen.
        A creation goes on when its caller is cancelled: Ray cannot reliably end an actor that is
        under construction, and it would have no supervisor.
        """
        return await asyncio.shield(asyncio.ensure_future(self._create(role, host)))

    async def _create(self, role: str, host: str | None) -> Child:
        await self._confirm()
        if host is not None and host not in self._ray_nodes:
            raise CallTimeout("no child was seen there")
        ray_node = None if host is None else self._ray_nodes[host]
        name = f"connection:{uuid.uuid4().hex[:12]}" if role == "connection" else role
        self._making.add(name)
        self._made.clear()
        try:
            handle = await self._cluster.create(role, name, ray_node)
            child = Child(role, handle)
            try:
                nice, offered = NICE.get(role, 0), await self._now_offered()
                started = await handle.call("start", nice, offered, within=START)
                self._locate(child, started)
                if self._closed:
                    raise CallTimeout("stopping")  # noqa: TRY301 - ended like one that does not answer
            except (CallTimeout, CallRefused):
                await self._cluster.kill(handle)
                raise
        finally:
            self._making.discard(name)
            if not self._making:
                self._made.set()
        self._take_in(child)
        return child

    async def close(self) -> None:
        """Accepts no more children, and waits for those under construction, for `CLOSE_WITHIN` seconds.

        Ray does not reliably kill an actor that it is still constructing.
        """
        self._closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN):
                await self._made.wait()

    async def adopt(self, name: str) -> Child | None:
        """Adds a living actor without disturbing it; returns None when it is dead.

        An actor that does not answer is added as well: the probes decide whether it hangs.
        """
        handle = await self._cluster.find(name)
        if handle is None or name in self._all:
            return None
        child = Child(name.partition(":")[0], handle)
        try:
            health = await handle.health(self._probes.timeout)
        except (ActorDead, CallRefused):
            return None
        except CallTimeout:
            log.warning("adopted without an answer", action="adopt", actor=name)
        else:
            self._locate(child, health)
            child.connection, child.state = health.get("connection"), health.get("state")
            child.epoch = health.get("epoch")
            child.since -= health.get("served", health.get("uptime", 0.0))
        self._take_in(child)
        return child

    async def dismiss(self, child: Child) -> None:
        """Ends a child on purpose; `on_end` is not called."""
        self._let_go(child)
        if child.hung:
            child.kill()  # Ray takes seconds to end a stopped process
        await self._cluster.kill(child.handle)

    def assign(self, child: Child, connection: str | None, epoch: int | None = None) -> None:
        """Sets the connection that the child serves from now on."""
        child.connection, child.epoch = connection, epoch
        if epoch is not None:
            child.since = time.monotonic()
        self._on_change()

    async def configure(self, child: Child, options: ConnectionOptions) -> None:
        """Sends the child the settings of its connection, unless this root sent the same before.

        Raises as `ActorHandle.call` does.
        """
        if child.options == options:
            return
        await child.handle.call("configure", options.show_online, asdict(options), within=PEERS)
        child.options = options

    def share(self, role: str, handle: ActorHandle) -> None:
        """Sends the handle of a new `state`, `queue` or `vault` to all children."""
        self._handles[role] = handle.raw
        if role == "vault":
            self.reach.through(handle.raw)
        self._version += 1
        self.push()

    def push(self) -> None:
        """Sends the newest handles to the children that do not have them yet."""
        for child in self:
            if child.ready and child.peers != self._version:
                pushing = asyncio.ensure_future(self._introduce(child))
                self._pushing.add(pushing)
                pushing.add_done_callback(self._pushing.discard)

    async def look(self) -> None:
        """Sends changed settings to all children, and handles to those that lack them."""
        offered = await self._now_offered()
        if offered != self._offered:
            self._offered = offered
            self._version += 1
        self.push()

    async def _now_offered(self) -> str | None:
        try:
            return await asyncio.to_thread(self._offer)
        except OSError:
            return self._offered

    def _locate(self, child: Child, report: Mapping[str, Any]) -> None:
        child.pid, child.node = report["pid"], report.get("node")
        if child.node is not None and (ray_node := report.get("ray_node")) is not None:
            self._ray_nodes[child.node] = ray_node

    def _take_in(self, child: Child) -> None:
        child.ready = True
        self._all[child.name] = child
        child.tasks = [
            asyncio.ensure_future(self._watch(child)),
            asyncio.ensure_future(self._probe(child)),
        ]
        self.push()
        self._on_change()

    def _let_go(self, child: Child) -> bool:
        if self._all.get(child.name) is not child:
            return False
        del self._all[child.name]
        self._on_removed(child)
        self._on_change()
        for task in child.tasks:
            if task is not asyncio.current_task():
                task.cancel()
        return True

    async def _introduce(self, child: Child) -> None:
        version = self._version
        try:
            more = {} if self._offered is None else {"settings": self._offered}
            await child.handle.call("peers", within=PEERS, **more, **self._handles)
        except (ActorDead, CallTimeout):
            return  # tried again with the next `look`
        except CallRefused as error:
            log.error("actor handles refused", action="peers", actor=child.name, error=error.kind)  # noqa: TRY400
        child.peers = version

    async def _watch(self, child: Child) -> None:
        try:
            report = await child.handle.watch()
        except ActorDead:
            end = End("hung" if child.hung else "crashed")
        except CallRefused as error:
            end = End("broke", error.code)
        else:
            self._on_report(child, report)
            end = End(str(report.get("reason", "stopped")), report.get("cause"))
            if child.drained is not None and end.reason == "stopped":
                end = End(child.drained)
        if self._let_go(child):
            log.warning(
                "actor ended",
                action="end",
                actor=child.name,
                connection=child.connection,
                pid=child.pid,
                reason=end.reason,
            )
            if not end.died:
                await self._cluster.kill(child.handle)
            self._on_end(child, end)

    async def _probe(self, child: Child) -> None:
        failed = 0
        while True:
            await asyncio.sleep(self._probes.pause(failed, len(self._all)))
            failed = failed + 1 if await self._fails(child) else 0
            if failed >= self._probes.failures:
                await self._confirm()
                child.hung = True
                log.error("actor hung", action="probe", actor=child.name, pid=child.pid)
                if not child.kill():
                    await self._cluster.kill(child.handle)
                failed = 0  # the pending watch reports the death
            elif self._outgrew(child):
                await self._confirm()
                await self.drain(child, OUTGROWN)

    async def _fails(self, child: Child) -> bool:
        began = time.monotonic()
        answered, lag = True, 0.0
        try:
            health = await child.handle.health(self._probes.timeout)
        except CallTimeout:
            answered = False
        except (ActorDead, CallRefused):
            return False  # the pending watch reports a death
        else:
            lag = float(health["lag"])
            self._locate(child, health)
            child.state = health.get("state")
            if self._memory is not None:
                child.large = self._memory.over(child.large, health["memory"])
            self._on_report(child, health)
        return self._probes.failed(answered, lag, time.monotonic() - began)

    def _outgrew(self, child: Child) -> bool:
        # One at a time: children that grow alike must not all be away at once.
        return (
            self._memory is not None
            and self._memory.exceeded(child.large, child.lived)
            and not self._draining.locked()
        )

    async def drain(self, child: Child, why: str) -> None:
        """Asks a child to finish and to release its connection; the watch reports its end, and a new one starts."""
        child.drained = why
        log.warning("actor drains", action="drain", actor=child.name, pid=child.pid, why=why)
        async with self._draining:
            try:
                await child.handle.call("stop", within=DRAIN_WITHIN)
            except ActorDead:
                return
            except (CallTimeout, CallRefused) as error:
                log.warning(
                    "actor not drained", action="drain", actor=child.name, error=repr(error)
                )
        await self._cluster.kill(child.handle)
