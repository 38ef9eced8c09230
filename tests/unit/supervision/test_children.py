"""Children that the root may end, and conditions for starting and ending them."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.backup.bucket.access import BucketAccess
from actors.runtime import host_identity
from actors.runtime.connection_options import ConnectionOptions
from supervision.child import Child, End
from supervision.children import OUTGROWN, Children
from supervision.cluster import ActorHandle, CallTimeout, Cluster
from supervision.restarts.policy import MemoryLimit, ProbePolicy
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@pytest.fixture
def actor() -> Iterator[subprocess.Popen[bytes]]:
    """A process with the title of an actor's."""
    words = ["ray::ConnectionActor", "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(words, executable=sys.executable) as started:
        time.sleep(0.05)
        yield started
        started.kill()


def child(pid: int | None, node: str | None) -> Child:
    handle: Any = "an actor"
    return Child("connection", handle, pid=pid, node=node)


def test_a_child_on_this_host_is_killed(actor: subprocess.Popen[bytes]) -> None:
    assert child(actor.pid, host_identity.here()).kill()
    assert actor.wait(5) == -signal.SIGKILL


@pytest.mark.parametrize("node", ["elsewhere", None])
def test_a_stranger_that_has_the_pid_here_is_left_alone(
    actor: subprocess.Popen[bytes], node: str | None
) -> None:
    assert not child(actor.pid, node).kill()
    time.sleep(0.05)
    assert actor.poll() is None


class ReplacedError(Exception):
    """Where a root that another one replaced would end."""


def children(tmp_path: Path) -> Children:
    async def confirm() -> None:
        raise ReplacedError

    return Children(
        Cluster(tmp_path),
        ProbePolicy(interval=0.01, failures=1),
        None,
        BucketAccess(None),
        confirm=confirm,
        on_end=lambda _child, _end: None,
        on_report=lambda _child, _report: None,
        on_removed=lambda _child: None,
        on_change=lambda: None,
    )


async def test_a_replaced_root_begins_nobody(tmp_path: Path) -> None:
    """G6: its successor has them already, under the same names."""
    with pytest.raises(ReplacedError):
        await children(tmp_path).create("state")


class Silent:
    """A handle of an actor that answers nothing."""

    async def health(self, _within: float) -> dict[str, Any]:
        raise CallTimeout("silent")


async def test_a_replaced_root_ends_nobody_for_its_silence(
    tmp_path: Path, actor: subprocess.Popen[bytes]
) -> None:
    """G6: what did not answer a root that stood still may answer its successor."""
    silent: Any = Silent()
    probed = Child("connection", silent, pid=actor.pid, node=host_identity.here())
    with pytest.raises(ReplacedError):
        await children(tmp_path)._probe(probed)
    assert not probed.hung
    assert actor.poll() is None


class Actor(ActorHandle):
    """One that answers `start` once it may, and whose `watch` pends until it `ended`."""

    def __init__(
        self, name: str = "state", *, silent: bool = False, own: int = 0, program: int = 0
    ) -> None:
        """`own` and `program`: the memory of its process, and of a program that it started."""
        super().__init__(name, None)
        self.silent = silent
        self.memory = {"memory": own + program, "own_memory": own}
        self.may, self.asked = asyncio.Event(), asyncio.Event()
        self.ended: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    async def call(self, method: str, *_: object, **__: object) -> Any:
        self.asked.set()
        if self.silent:
            raise CallTimeout(method)
        await self.may.wait()
        return {"pid": 1, "node": "elsewhere", "ray_node": "far"}

    async def health(self, _within: float) -> dict[str, Any]:
        if self.silent:
            raise CallTimeout("health")
        return {"pid": 1, "node": "elsewhere", "lag": 0.0, **self.memory}

    async def watch(self) -> dict[str, Any]:
        return await self.ended


class Scripted(Cluster):
    """A cluster whose one actor is scripted."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.killed: list[ActorHandle] = []
        self.placed: list[str | None] = []

    async def create(
        self,
        role: str,  # noqa: ARG002
        name: str,  # noqa: ARG002
        ray_node: str | None = None,
    ) -> ActorHandle:
        self.placed.append(ray_node)
        return self.actor

    async def find(self, _name: str) -> ActorHandle | None:
        return self.actor

    async def kill(self, handle: ActorHandle) -> None:
        self.killed.append(handle)


@asynccontextmanager
async def family(
    actor: Actor, probes: ProbePolicy | None = None
) -> AsyncIterator[tuple[Children, Scripted, list[End]]]:
    """The children of a root that nobody replaces, and how those that ended did."""
    cluster, ends = Scripted(actor), list[End]()
    made = Children(
        cluster,
        probes or ProbePolicy(),
        MemoryLimit(limit=1, rest=0, probes=1),
        BucketAccess(None),
        confirm=partial(asyncio.sleep, 0),
        on_end=lambda _child, end: ends.append(end),
        on_report=lambda _child, _report: None,
        on_removed=lambda _child: None,
        on_change=lambda: None,
    )
    yield made, cluster, ends
    for child in made:
        await made.dismiss(child)


async def test_a_new_one_that_is_silent_is_ended_and_nobodys() -> None:
    async with family(Actor(silent=True)) as (made, cluster, _):
        with pytest.raises(CallTimeout):
            await made.create("state")
        assert cluster.killed == [cluster.actor]
        assert not list(made)


async def test_one_that_is_made_while_the_root_ends_is_ended_too() -> None:
    """Nobody would end it any more: the root that made it is gone."""
    actor = Actor()
    async with family(actor) as (made, cluster, _):
        making = asyncio.ensure_future(made.create("state"))
        await actor.asked.wait()
        closing = asyncio.ensure_future(made.close())
        await asyncio.sleep(0)
        assert not closing.done()
        actor.may.set()
        with pytest.raises(CallTimeout):
            await making
        await closing
        assert cluster.killed == [actor]
        assert not list(made)


async def test_one_that_is_half_made_is_finished_though_who_wanted_it_is_gone() -> None:
    actor = Actor()
    async with family(actor) as (made, cluster, _):
        making = asyncio.ensure_future(made.create("state"))
        await actor.asked.wait()
        making.cancel()
        await asyncio.wait([making])
        actor.may.set()
        await eventually("it is taken in", lambda: [each.name for each in made] == ["state"], 5)
        assert cluster.killed == []


async def test_one_is_created_on_a_host_of_which_another_was_seen() -> None:
    """Its reports say which node of Ray's cluster the host is, also when no child is left there."""
    actor = Actor()
    actor.may.set()
    async with family(actor) as (made, cluster, _):
        with pytest.raises(CallTimeout):
            await made.create("connection", "elsewhere")
        assert cluster.placed == []
        await made.dismiss(await made.create("connection"))
        created = await made.create("connection", "elsewhere")
        assert created.node == "elsewhere"
        assert cluster.placed == [None, "far"]


async def test_one_that_does_not_answer_is_adopted_all_the_same() -> None:
    """G6: it may serve. The probes decide what it is, and nobody takes its place before."""
    async with family(Actor(silent=True)) as (made, cluster, _):
        adopted = await made.adopt("connection:a")
        assert adopted is not None
        assert list(made) == [adopted]
        assert cluster.killed == []


async def test_one_that_ended_by_itself_is_no_process_any_more() -> None:
    actor = Actor()
    actor.may.set()
    async with family(actor) as (made, cluster, ends):
        await made.create("state")
        actor.ended.set_result({"reason": "stopped"})
        await eventually("its end is reported", lambda: ends, 5)
        assert ends == [End("stopped")]
        assert cluster.killed == [actor]
        assert not list(made)


async def test_the_memory_of_its_program_counts_toward_a_childs_limit() -> None:
    """The limit is 1: the process alone stays below it, and both together do not."""
    actor = Actor(own=1, program=1)
    actor.may.set()
    async with family(actor, ProbePolicy(interval=0.01)) as (made, cluster, _):
        child = await made.create("state")
        await eventually("it is drained", lambda: cluster.killed, 5)
        assert child.drained == OUTGROWN


async def test_one_at_a_time_is_drained() -> None:
    """When all have grown alike, they are not all away at once."""
    actor = Actor()
    large = Child("connection", actor, large=1)
    async with family(actor) as (made, _, __):
        assert made._outgrew(large)
        draining = asyncio.ensure_future(made.drain(Child("connection", actor, large=1), "memory"))
        await actor.asked.wait()
        assert not made._outgrew(large)
        actor.may.set()
        await draining
        assert made._outgrew(large)


class Configured:
    """An actor's handle that notes the settings it is given."""

    def __init__(self) -> None:
        self.given: list[object] = []

    async def call(self, method: str, *args: object, within: float) -> None:
        assert (method, within > 0) == ("configure", True)
        self.given.append(args)


async def test_a_child_is_given_settings_that_it_does_not_have(tmp_path: Path) -> None:
    handle: Any = Configured()
    one = Child("connection", handle)
    all_of_them = children(tmp_path)
    seen = []
    for shown in (False, True, True, False):
        options = ConnectionOptions(show_online=shown)
        await all_of_them.configure(one, options)
        assert one.options == options
        seen.append((shown, asdict(options)))
    assert handle.given == [seen[0], seen[1], seen[3]]
