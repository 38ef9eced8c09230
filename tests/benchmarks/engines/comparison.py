"""Figures of both engines side by side, and the connections that they are measured at."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self

import psutil

from tests.benchmarks.figures import Figure, median
from tests.processes.instance import until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.benchmarks.figures import Figures, Share
    from tests.processes.instance import Instance

ENGINES: Final = ("whatsmeow", "native")


@dataclass(frozen=True)
class Connected:
    """A connection of an engine on an instance, and the account that it serves."""

    instance: Instance
    engine: str
    name: str
    number: str

    @classmethod
    def pair(cls, instance: Instance, engine: str, count: int) -> list[Self]:
        """So many new ones, all of them open."""
        first = ENGINES.index(engine) * 200
        made = [
            cls(instance, engine, f"{engine}-{number}", f"15550114{first + number:03}")
            for number in range(count)
        ]
        for one in made:
            instance.pair(one.name, one.number, engine=engine)
        return made

    @cached_property
    def incarnation(self) -> str:
        return self.instance.incarnation(self.name)

    @property
    def processes(self) -> dict[str, int]:
        """The pids of its actor, and of its program where it has one."""
        actor = self.instance.process("connection", self.name)
        found = {"actor": actor.pid}
        for child in actor.children():
            found["program"] = child.pid
        return found

    @property
    def spent(self) -> float:
        """Seconds of a processor that its processes took since they were started."""
        times = (psutil.Process(pid).cpu_times() for pid in self.processes.values())
        return sum(each.user + each.system for each in times)

    @property
    def waiting(self) -> int:
        """Messages that WhatsApp has for the account, and no acknowledgement of."""
        found: int = self.instance.simulator.get(f"/accounts/{self.number}").json()[
            "unacknowledged"
        ]
        return found

    def hear(self, contact: str, count: int) -> None:
        """Have a contact write so many texts to it."""
        said = {"to": self.number, "text": "as many words as a short message has", "count": count}
        self.instance.simulator.post(f"/contacts/{contact}/say", json=said).raise_for_status()

    def all_arrived(self) -> None:
        """Wait until WhatsApp has the acknowledgement of each message for the account."""
        until(f"{self.name} has all", lambda: self.waiting == 0 or None, 60)

    def first_arrived(self, messages: int) -> None:
        """Wait until fewer than so many wait for the account."""
        until(f"{self.name} catches up", lambda: self.waiting < messages or None, 30)

    def command(self, verb: str | None, state: str | None) -> None:
        """Have the service stop or start it, and wait for that state."""
        if verb is not None:
            self.instance.api.post(f"/api/connections/{self.name}/{verb}").raise_for_status()
        if state is not None:
            until(
                f"{self.name} is {state}",
                lambda: self.instance.connection(self.name)["state"] == state or None,
                60,
            )

    @staticmethod
    def command_all(connected: Sequence[Connected], verb: str, state: str) -> None:
        """As `command`, of all at once."""
        for one in connected:
            one.command(verb, None)
        instance = connected[0].instance
        names = {one.name for one in connected}

        def states() -> dict[str, Any]:
            answer = instance.api.get("/api/connections", params={"limit": 200}).json()
            return {one["id"]: one["state"] for one in answer["items"]}

        def reached() -> bool | None:
            now = states()
            return all(now.get(name) == state for name in names) or None

        until(f"all are {state}", reached, 600)


class Comparison:
    """Values of both engines, round by round; those of the first round, number 0, warm up and are left out."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._found: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._simulator: dict[str, list[float]] = defaultdict(list)
        self._remarks: dict[str, dict[str, float]] = defaultdict(dict)

    def add(
        self, turn: int, engine: str, what: str, value: float, simulator: float | None = None
    ) -> None:
        """Keep a value, and the share of a core that the simulator took meanwhile."""
        if turn:
            self._found[engine, what].append(value)
            if simulator is not None:
                self._simulator[engine].append(simulator)

    def add_cost(self, turn: int, engine: str, spents: Mapping[str, Share], messages: int) -> None:
        """Keep the milliseconds a message that the processes of a connection took."""
        for part, spent in spents.items():
            self.add(turn, engine, part, spent.seconds / messages * 1000)
        self.add(
            turn, engine, "cost", sum(one.seconds for one in spents.values()) / messages * 1000
        )

    def remark(self, engine: str, name: str, value: float) -> None:
        """Keep what is printed beside a figure of this engine."""
        self._remarks[engine][name] = value

    def figure(self, name: str, what: str, unit: str, *, at_most: float | None = None) -> None:
        """The engine on whatsmeow beside the native one; `at_most` is the ratio that is aimed at."""
        ours, against = (self._found[engine, what] for engine in ENGINES)
        remarks: dict[str, float | str] = {
            engine: _spread(self._found[engine, what]) for engine in ENGINES
        }
        for engine in ENGINES:
            for part in ("actor", "program"):
                if what == "cost" and (found := self._found.get((engine, part))):
                    remarks[f"{engine}'s {part}"] = median(found)
        self._figures.add(
            Figure(
                name,
                median(ours),
                unit,
                against=median(against),
                at_most=at_most,
                simulator=self._share(*ENGINES),
                remarks=remarks,
            )
        )

    def each(
        self,
        name: str,
        what: str,
        unit: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
    ) -> None:
        """A figure for each engine, with an aim that holds for both."""
        for engine in ENGINES:
            values = self._found[engine, what]
            self._figures.add(
                Figure(
                    f"{name}, {engine}",
                    median(values),
                    unit,
                    at_least=at_least,
                    at_most=at_most,
                    simulator=self._share(engine),
                    remarks={"rounds": _spread(values), **self._remarks[engine]},
                )
            )

    def _share(self, *engines: str) -> float | None:
        found = [share for engine in engines for share in self._simulator[engine]]
        return median(found) if found else None


def _spread(values: Sequence[float]) -> str:
    return f"{min(values):.3g} to {max(values):.3g}"
