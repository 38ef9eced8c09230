"""Figures: what was measured, beside what it is measured against, as a table and as JSON."""

from __future__ import annotations

import json
import os
import statistics
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import psutil
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

T = TypeVar("T")


@dataclass(frozen=True)
class Figure:
    """`value` beside `against`, which is what the same machine does at best or at least.

    `at_least` and `at_most` are the target for the ratio, or for the value where there is no
    `against`. `simulator` is the share of one core that the simulator took meanwhile: near 1 it is
    the simulator that was measured.
    """

    name: str
    value: float
    unit: str
    against: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    simulator: float | None = None
    remarks: dict[str, float | str] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        return self.value / self.against if self.against else None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        judged = self.value if self.ratio is None else self.ratio
        if self.at_least is not None:
            return judged >= self.at_least
        return None if self.at_most is None else judged <= self.at_most

    @property
    def target(self) -> str:
        if self.at_least is not None:
            return f"≥ {self.at_least:g}"
        return "" if self.at_most is None else f"≤ {self.at_most:g}"


class Figures:
    """All figures of a run, kept in `file` as soon as they are known.

    Figures of other runs stay in the file until they are measured again.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.all: list[Figure] = []
        self._kept: dict[str, dict[str, Any]] = {}
        with suppress(OSError, ValueError, KeyError):
            self._kept = {each["name"]: each for each in json.loads(file.read_text())["figures"]}

    def add(self, figure: Figure) -> None:
        self.all.append(figure)
        self._file.parent.mkdir(exist_ok=True)
        self._kept[figure.name] = {
            **asdict(figure),
            "ratio": figure.ratio,
            "target": figure.target,
            "met": figure.met,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "load": os.getloadavg()[0],
        }
        known = {"cores": os.cpu_count(), "figures": list(self._kept.values())}
        self._file.write_text(json.dumps(known, indent=1) + "\n")

    def table(self) -> Table:
        table = Table(title="Figures")
        table.add_column("what")
        for column in ("measured", "against", "ratio", "target", "simulator"):
            table.add_column(column, justify="right")
        table.add_column("")
        for each in self.all:
            colour = {True: "green", False: "red", None: ""}[each.met]
            table.add_row(
                each.name,
                f"{_number(each.value)} {each.unit}",
                "" if each.against is None else _number(each.against),
                ""
                if each.ratio is None
                else f"[{colour}]{each.ratio:.2f}"
                if colour
                else f"{each.ratio:.2f}",
                f"[{colour}]{each.target}" if colour else each.target,
                "" if each.simulator is None else f"{each.simulator:.0%}",
                ", ".join(
                    f"{name} {value if isinstance(value, str) else _number(value)}"
                    for name, value in each.remarks.items()
                ),
            )
        return table


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


@dataclass
class Share:
    """The share of one core that processes took between two moments, and the seconds of it."""

    value: float = 0.0
    seconds: float = 0.0


@contextmanager
def share(*pids: int) -> Iterator[Share]:
    """Measure the processor time of living processes over the block."""
    processes = [psutil.Process(pid) for pid in pids]
    found = Share()
    begun, before = time.perf_counter(), sum(map(_spent, processes))
    yield found
    found.seconds = sum(map(_spent, processes)) - before
    found.value = found.seconds / (time.perf_counter() - begun)


def _spent(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def turns(number: int, *sides: T) -> tuple[T, ...]:
    """`sides` in the order of this round: who goes first changes with each."""
    return sides if number % 2 else sides[::-1]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)
