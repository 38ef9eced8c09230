"""Connections on a whole instance, beside the engine alone on the same simulator.

Messages per second, the first message after a kill, memory, idle CPU and catching up.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from actors.config.settings import Settings
from tests.benchmarks.bare.engine_process import BareEngine
from tests.benchmarks.figures import Figure, Figures, median, share, turns
from tests.benchmarks.footprint import memory
from tests.benchmarks.load.traffic import CONTACTS, first_message, logged, mirrored, through
from tests.processes.instance import Instance, until

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
CONNECTIONS = int(os.environ.get("CONNECTIONS", "20"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
NAMES = [f"c{number}" for number in range(CONNECTIONS)]
WAITING = 1000


def account(number: int) -> str:
    return f"155501120{number:02d}"


def family(pid: int) -> list[int]:
    """The process of a connection, and its program."""
    return [pid, *(child.pid for child in psutil.Process(pid).children())]


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with Instance(tmp_path_factory.mktemp("i") / "data") as running:
        for number, name in enumerate(NAMES):
            running.pair(name, account(number))
        yield running


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("connections", "count"), [(1, 1500), (CONNECTIONS, 150)])
def test_messages_per_second(
    figures: Figures, instance: Instance, tmp_path: Path, connections: int, count: int
) -> None:
    """To the same contacts of the same simulator, ten chats a connection, one of each in flight.

    Both sides get the contacts' receipts; ours also stores them. `count` is a second at least: an
    end is noticed 20 ms late. Ours shares the processors with the accepting and the mirroring, the
    engine alone has them to itself; the processor time a message takes of each process is in the
    remarks, and depends less on what else the machine does.
    """
    settings, names = Settings.load(instance.data), NAMES[:connections]
    ids = [instance.incarnation(name) for name in names]
    simulator = instance.process("simulator").pid
    parts = {
        "connection": [
            pid for name in names for pid in family(instance.process("connection", name).pid)
        ],
        **{role: [instance.process(role).pid] for role in ("valkey", "queue")},
    }
    ours, alone, shares = [], [], []
    costs: dict[str, list[float]] = {}

    def cost(part: str, spent: float) -> None:
        costs.setdefault(part, []).append(spent / (count * connections) * 1e6)

    with ExitStack() as stack:
        engines = [
            stack.enter_context(
                BareEngine(instance, tmp_path / name, f"15550113{connections:02d}{number}")
            )
            for number, name in enumerate(names)
        ]
        for turn in range(ROUNDS + 1):  # the first makes the Signal sessions
            for side in turns(turn, "alone", "ours"):
                if side == "alone":
                    begun = time.perf_counter()
                    with share(*(pid for engine in engines for pid in engine.pids)) as spent:
                        for engine in engines:
                            engine.ask(CONTACTS, count, f"turn-{turn}")
                        for engine in engines:
                            engine.seconds()
                    alone.append(count * connections / (time.perf_counter() - begun))
                    cost("engine alone", spent.seconds)
                else:
                    with ExitStack() as busy:
                        spents = {
                            part: busy.enter_context(share(*pids)) for part, pids in parts.items()
                        }
                        sim = busy.enter_context(share(simulator))
                        seconds = asyncio.run(through(settings, ids, count))
                    asyncio.run(mirrored(settings, ids))
                    ours.append(count * connections / seconds)
                    shares.append(sim.value)
                    for part, spent in spents.items():
                        cost(part, spent.seconds)
    figures.add(
        Figure(
            f"messages to WhatsApp, {connections} connection{'s' * (connections > 1)}",
            median(ours[1:]),
            "/s",
            against=median(alone[1:]),
            at_least=0.8,
            simulator=median(shares[1:]),
            remarks={
                f"{part} µs": f"{median(values[1:]):.0f}" for part, values in sorted(costs.items())
            },
        )
    )


@pytest.mark.timeout(300)
def test_first_message_after_a_kill(figures: Figures, instance: Instance, tmp_path: Path) -> None:
    simulator = instance.process("simulator").pid
    with BareEngine(instance, tmp_path / "bare", "15550113999") as engine:
        engine.ask(CONTACTS[:1], 1, "session")
        engine.seconds()
    ours, alone, parts = [], [], []
    settings = Settings.load(instance.data)
    with share(simulator) as busy:
        for turn, name in enumerate(NAMES[:ROUNDS]):
            until("a standby waits", lambda: instance.process("standby"), 30)
            time.sleep(2)  # it is idle, and so is the machine
            connection = instance.incarnation(name)
            asyncio.run(through(settings, [connection], 1))
            asyncio.run(mirrored(settings, [connection]))
            victim = instance.process("connection", name)
            killed, sent = asyncio.run(first_message(settings, connection, victim))
            noticed = logged(instance, "end", connection, killed)
            serves = logged(instance, "serve", connection, killed)
            ours.append(sent - killed)
            parts.append((noticed - killed, serves - noticed, sent - serves))
            time.sleep(4)  # the next standby is being made meanwhile
            begun = time.time()
            with BareEngine(instance, tmp_path / "bare", "15550113999", turn + 2) as engine:
                engine.ask(CONTACTS[:1], 1, "first")
                engine.seconds()
                alone.append(time.time() - begun)
    noticing, taking, logging_in = (median(each) for each in zip(*parts, strict=True))
    figures.add(
        Figure(
            "first message after kill -9, with a standby",
            median(ours),
            "s",
            against=median(alone),
            at_most=1.2,
            simulator=busy.value,
            remarks={
                "noticed": f"{noticing:.3f}",
                "taken over": f"{taking:.3f}",
                "logged in and sent": f"{logging_in:.3f}",
            },
        )
    )


@pytest.mark.timeout(120)
def test_memory_and_idle_processor(figures: Figures, instance: Instance) -> None:
    families = [family(instance.process("connection", name).pid) for name in NAMES]
    with share(*(pid for pids in families for pid in pids)) as idle:
        time.sleep(10)
    made = subprocess.run(
        [sys.executable, HERE / "footprint.py"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    imports: dict[str, tuple[float, float]] = json.loads(made.stdout)
    own = {name: size for name, (_, size) in imports.items()}
    found = [[memory(pid) for pid in pids] for pids in families]
    remarks = {name: size for name, size in own.items() if size >= 1}
    figures.add(
        Figure(
            "memory of an open connection with its program (PSS)",
            median([sum(each.pss for each in parts) for parts in found]),
            "MB",
            at_most=50,
            remarks={
                "program": median([parts[1].pss for parts in found]),
                **remarks,
                "other imports": sum(own.values()) - sum(remarks.values()),
                "at run time": median([parts[0].anonymous for parts in found]) - sum(own.values()),
            },
        )
    )
    figures.add(Figure("idle connection, share of a core", idle.value / len(families) * 100, "%"))


@pytest.mark.timeout(300)
def test_catching_up(figures: Figures, instance: Instance) -> None:
    name, number = NAMES[-1], account(CONNECTIONS - 1)
    simulator = instance.process("simulator").pid

    def waiting() -> int:
        found: int = instance.simulator.get(f"/accounts/{number}").json()["unacknowledged"]
        return found

    instance.say(CONTACTS[0], number, "hello")
    instance.api.post(f"/api/connections/{name}/stop").raise_for_status()
    until("it is stopped", lambda: instance.connection(name)["state"] == "stopped" or None, 20)
    for turn in range(WAITING):
        instance.say(CONTACTS[turn % 10], number, f"waiting {turn}")
    assert waiting() >= WAITING
    instance.api.post(f"/api/connections/{name}/start").raise_for_status()
    until("it catches up", lambda: waiting() < WAITING or None, 30)
    begun, first = time.perf_counter(), waiting()
    with share(simulator) as busy:
        until("all arrived", lambda: waiting() == 0 or None, 60)
    seconds = time.perf_counter() - begun
    figures.add(Figure("catching up", first / seconds, "/s", at_least=1200, simulator=busy.value))
