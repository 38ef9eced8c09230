"""Both engines side by side on one instance and one simulator, in turns.

Processor time is that of all processes of a connection, its actor and the program that this may have, and of
nothing else: neither the simulator nor what the service shares.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import pytest

from actors.config.settings import Settings
from actors.connection.whatsmeow.program import executable
from tests.benchmarks import footprint
from tests.benchmarks.bare.engine_process import BareEngine
from tests.benchmarks.engines.comparison import ENGINES, Comparison, Connected
from tests.benchmarks.figures import median, share, turns
from tests.benchmarks.load.traffic import CONTACTS, first_message, mirrored, through
from tests.processes.instance import Instance, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.benchmarks.figures import Figures

pytestmark = pytest.mark.skipif(
    executable.find() is None,
    reason=f"{executable.EXECUTABLE_NAME} is not built: `make whatsmeow` does it",
)

ROUNDS: Final = int(os.environ.get("ROUNDS", "3"))
CONNECTIONS: Final = int(os.environ.get("ENGINE_CONNECTIONS", "4"))
STARTED: Final = int(os.environ.get("STARTED", "50"))
MESSAGES: Final = 1000
SINGLY: Final = 300
"""Messages to one chat, each after the one before."""
IDLE: Final = 20.0
"""Seconds; the clock of processes ticks a hundred times in one."""


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with Instance(tmp_path_factory.mktemp("i") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def sides(instance: Instance) -> dict[str, list[Connected]]:
    return {engine: Connected.pair(instance, engine, CONNECTIONS) for engine in ENGINES}


@pytest.mark.timeout(600)
def test_messages_out(
    figures: Figures, instance: Instance, sides: dict[str, list[Connected]], tmp_path: Path
) -> None:
    """Ten chats, one message of each in flight where the engine does that: alone, and through the service.

    The contacts' receipts are a part of it. The first round makes the Signal sessions.
    """
    settings = Settings.load(instance.data)
    simulator = instance.process("simulator").pid
    alone, whole = Comparison(figures), Comparison(figures)
    with ExitStack() as stack:
        bare = {
            engine: stack.enter_context(
                BareEngine(instance, tmp_path / engine, f"1555011390{number}", engine=engine)
            )
            for number, engine in enumerate(ENGINES)
        }
        for turn in range(ROUNDS + 1):
            for engine in turns(turn, *ENGINES):
                with share(*bare[engine].pids) as spent, share(simulator) as busy:
                    bare[engine].ask(CONTACTS, MESSAGES, f"alone-{turn}")
                    seconds = bare[engine].seconds()
                alone.add(turn, engine, "rate", MESSAGES / seconds, busy.value)
                alone.add(turn, engine, "cost", spent.seconds / MESSAGES * 1000)
                with share(*bare[engine].pids) as spent:
                    bare[engine].ask(CONTACTS[:1], SINGLY, f"singly-{turn}")
                    bare[engine].seconds()
                alone.add(turn, engine, "one by one", spent.seconds / SINGLY * 1000)
            for engine in turns(turn, *ENGINES):
                one = sides[engine][0]
                with ExitStack() as busy_parts:
                    spents = {
                        part: busy_parts.enter_context(share(pid))
                        for part, pid in one.processes.items()
                    }
                    busy = busy_parts.enter_context(share(simulator))
                    seconds = asyncio.run(through(settings, [one.incarnation], MESSAGES))
                asyncio.run(mirrored(settings, [one.incarnation]))
                whole.add(turn, engine, "rate", MESSAGES / seconds, busy.value)
                whole.add_cost(turn, engine, spents, MESSAGES)
    alone.figure("engine alone: messages out", "rate", "/s")
    alone.figure("engine alone: processor time a message out", "cost", "ms", at_most=0.5)
    name = "engine alone: processor time a message out, one by one"
    alone.figure(name, "one by one", "ms", at_most=0.5)
    whole.figure("engine: messages out, through the whole service", "rate", "/s")
    whole.figure("engine: processor time a message out", "cost", "ms", at_most=0.5)


@pytest.mark.timeout(600)
def test_messages_in(
    figures: Figures, instance: Instance, sides: dict[str, list[Connected]]
) -> None:
    """Messages that come while the connection is open, as fast as the simulator makes them."""
    found = Comparison(figures)
    for turn in range(ROUNDS + 1):
        for engine in turns(turn, *ENGINES):
            one = sides[engine][0]
            with ExitStack() as parts:
                spents = {
                    part: parts.enter_context(share(pid)) for part, pid in one.processes.items()
                }
                for contact in CONTACTS:
                    one.hear(contact, MESSAGES // len(CONTACTS))
                one.all_arrived()
                time.sleep(2)  # what is acknowledged is still to be stored and settled
            found.add_cost(turn, engine, spents, MESSAGES)
    found.figure("engine: processor time a message in", "cost", "ms", at_most=0.5)


@pytest.mark.timeout(600)
def test_catching_up(
    figures: Figures, instance: Instance, sides: dict[str, list[Connected]]
) -> None:
    """Messages that waited while the connection was stopped, from the first that is acknowledged on."""
    found = Comparison(figures)
    simulator = instance.process("simulator").pid
    for turn in range(ROUNDS + 1):
        for engine in turns(turn, *ENGINES):
            one = sides[engine][1]
            if turn == 0:
                for contact in CONTACTS:
                    one.hear(contact, 1)
            one.command("stop", "stopped")
            for contact in CONTACTS:
                one.hear(contact, MESSAGES // len(CONTACTS))
            assert one.waiting >= MESSAGES
            one.command("start", None)
            one.first_arrived(MESSAGES)
            begun, left = time.perf_counter(), one.waiting
            with share(simulator) as busy:
                one.all_arrived()
            found.add(turn, engine, "rate", left / (time.perf_counter() - begun), busy.value)
            one.command(None, "open")
    found.each("engine: catching up", "rate", "/s", at_least=500)


@pytest.mark.timeout(600)
def test_first_message_after_a_kill(
    figures: Figures, instance: Instance, sides: dict[str, list[Connected]]
) -> None:
    """From `kill -9` of the actor until WhatsApp acknowledged a message; a standby waits.

    The standby has loaded the engine that `ENGINE` names here, the native one, and the other as it serves.
    """
    settings = Settings.load(instance.data)
    found = Comparison(figures)
    for turn in range(ROUNDS + 1):
        for engine in turns(turn, *ENGINES):
            one = sides[engine][2]
            until("a standby waits", lambda: instance.process("standby"), 30)
            time.sleep(3)  # it is idle, and so is the machine
            asyncio.run(through(settings, [one.incarnation], 1))
            asyncio.run(mirrored(settings, [one.incarnation]))
            victim = instance.process("connection", one.name)
            killed, sent = asyncio.run(first_message(settings, one.incarnation, victim))
            found.add(turn, engine, "seconds", sent - killed)
            one.command(None, "open")
    found.each("engine: first message after kill -9, with a standby", "seconds", "s", at_most=1)


@pytest.mark.timeout(300)
def test_memory_and_idle_processor(
    figures: Figures, instance: Instance, sides: dict[str, list[Connected]]
) -> None:
    """Of connections that have nothing to do: the last of each engine, which never had."""
    memory, idle = Comparison(figures), Comparison(figures)
    quiet = {engine: connected[3:] for engine, connected in sides.items()}
    pids = {
        engine: [pid for one in connected for pid in one.processes.values()]
        for engine, connected in quiet.items()
    }
    for turn in range(1, ROUNDS + 1):
        with ExitStack() as parts:
            spents = {engine: parts.enter_context(share(*each)) for engine, each in pids.items()}
            time.sleep(IDLE)
        for engine, spent in spents.items():
            idle.add(turn, engine, "share", spent.value / len(quiet[engine]) * 100)
    for engine in ENGINES:
        sums: dict[str, list[float]] = defaultdict(list)
        for number, one in enumerate(quiet[engine], 1):
            kept = {part: footprint.memory(pid) for part, pid in one.processes.items()}
            for kind in footprint.Memory._fields:
                sums[kind].append(sum(getattr(each, kind) for each in kept.values()))
                memory.add(number, engine, kind, sums[kind][-1])
            for part, each in kept.items():
                memory.remark(engine, f"{part} rss", each.rss)
                memory.remark(engine, f"{part} own", each.anonymous)
        memory.remark(engine, "own", median(sums["anonymous"]))
    memory.each("engine: memory of a connection (PSS)", "pss", "MB", at_most=100)
    memory.each("engine: memory of a connection (RSS)", "rss", "MB", at_most=100)
    idle.figure("engine: idle connection, share of a core", "share", "%")


def test_memory_by_imports(figures: Figures) -> None:
    """Memory of a standby of each engine by its imports; `footprint.py` prints it."""
    found = Comparison(figures)
    for engine in ENGINES:
        words = [sys.executable, str(footprint.__file__), engine]
        made = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
        imports: dict[str, tuple[float, float]] = json.loads(made.stdout)
        found.add(1, engine, "own", sum(own for _, own in imports.values()))
        for name, (rss, _) in imports.items():
            if rss >= 1:
                found.remark(engine, name, rss)
    found.each("engine: memory by imports (own pages)", "own", "MB")


@pytest.mark.timeout(1200)
def test_start_of_many(figures: Figures, tmp_path_factory: pytest.TempPathFactory) -> None:
    """All connections of an engine started at once, until the last is open; the other engine's are stopped.

    The processor time is what their processes took until then, which includes their imports.
    """
    found = Comparison(figures)
    with Instance(tmp_path_factory.mktemp("many") / "data") as instance:
        sides = {}
        for engine in ENGINES:
            sides[engine] = Connected.pair(instance, engine, STARTED)
            Connected.command_all(sides[engine], "stop", "stopped")
        for turn in range(1, int(os.environ.get("START_ROUNDS", "1")) + 1):
            for engine in turns(turn, *ENGINES):
                begun = time.perf_counter()
                Connected.command_all(sides[engine], "start", "open")
                found.add(turn, engine, "seconds", time.perf_counter() - begun)
                spent = [one.spent for one in sides[engine]]
                found.add(turn, engine, "spent", median(spent))
                Connected.command_all(sides[engine], "stop", "stopped")
    found.figure(f"engine: start of {STARTED} connections", "seconds", "s")
    found.figure(f"engine: processor time of each of {STARTED} starts", "spent", "s")
