"""Counters of all processes of the tree, summed up over their restarts, in a file for the gateway.

The file is what is shown, and what a new root goes on from: so a total never falls behind what
somebody read, nor counts anything twice, whoever dies. What a process counted after its last word
dies with it, at most a few seconds of it. Where the file is lost, totals begin at 0: for Prometheus
that is a counter's reset.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from actors.metrics.counters import SERIES
from actors.runtime.atomic_files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from actors.metrics.counters import Sample, Value

FILE = Path("run") / "tally.json"

_Key: TypeAlias = "tuple[str, tuple[tuple[str, str], ...]]"


@dataclass(slots=True)
class _Told:
    """The last word of a process: which one it was, and what it had counted."""

    life: str
    values: dict[_Key, Value] = field(default_factory=dict)


class Tally:
    """Totals only rise, however often a process that counts is restarted or tells the same again.

    Gauges are those of living processes; where two have the same labels the higher one is shown.
    """

    def __init__(self) -> None:
        self._totals: dict[_Key, Value] = {}
        self._told: dict[str, _Told] = {}
        self._gauges: dict[str, Sequence[Sample]] = {}
        self.heard: set[str] = set()
        """Ids of what was counted that is told again and again."""

    def report(
        self,
        process: str,
        life: str,
        counted: Iterable[Sample],
        gauges: Iterable[Sample] = (),
        **known: str,
    ) -> None:
        """Take in what `process` counted since it began; `life` tells one of that name from the next.

        `known` are labels that the process did not give itself, for the series that have them.
        """
        told = self._told.get(process)
        if told is None or told.life != life:
            told = self._told[process] = _Told(life)
        for name, labels, value in counted:
            if name not in SERIES:
                continue  # from a process of another release
            own = (name, tuple(sorted(labels.items())))
            before = told.values.get(own)
            told.values[own] = value
            key = (name, tuple(sorted(_complete(name, labels, known).items())))
            self._totals[key] = _sum(self._totals.get(key), _rise(before, value))
        self._gauges[process] = [
            (name, _complete(name, labels, known), value)
            for name, labels, value in gauges
            if name in SERIES
        ]

    def gone(self, process: str) -> None:
        """The process ended: what it counted stays."""
        self._told.pop(process, None)
        self._gauges.pop(process, None)

    def only(self, processes: Iterable[str]) -> None:
        """There are no others than these any more."""
        for process in self._told.keys() - set(processes):
            self.gone(process)

    def forget(self, connection: str) -> None:
        """The connection was removed: its series end."""
        for key in [key for key in self._totals if ("connection", connection) in key[1]]:
            del self._totals[key]

    @property
    def plain(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            "heard": sorted(self.heard),
            "totals": _plain(self._totals),
            "gauges": [list(sample) for sample in self._highest()],
            "told": {
                process: {"life": told.life, "values": _plain(told.values)}
                for process, told in self._told.items()
            },
        }

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """Read the result of `plain`; raises LookupError, TypeError or ValueError where it is malformed."""
        tally = cls()
        tally._totals = _keyed(plain["totals"])
        tally.heard = set(plain["heard"])
        for process, told in plain["told"].items():
            tally._told[process] = _Told(told["life"], _keyed(told["values"]))
        return tally

    def _highest(self) -> list[Sample]:
        highest: dict[_Key, Value] = {}
        for gauges in self._gauges.values():
            for name, labels, value in gauges:
                key = (name, tuple(sorted(labels.items())))
                known = highest.get(key)
                if known is None or value > known:  # type: ignore[operator] # gauges are numbers
                    highest[key] = value
        return [(name, dict(labels), value) for (name, labels), value in highest.items()]


def write(data: Path, plain: Mapping[str, Any]) -> None:
    """Replace the file. Raises OSError."""
    target = data / FILE
    target.parent.mkdir(parents=True, exist_ok=True)
    # Not synced: after a power cut the totals may begin anew, and that costs nobody a message.
    write_atomically(target, json.dumps(plain), synced=False)


def read(data: Path) -> dict[str, Any] | None:
    """The last written metrics, None where nothing can be read."""
    try:
        plain = json.loads((data / FILE).read_text())
    except (OSError, ValueError):
        return None
    return plain if isinstance(plain, dict) else None


def resumed(data: Path) -> Tally:
    """The tally of the root before; an empty one where there is none."""
    try:
        return Tally.of(read(data) or {})
    except (LookupError, TypeError, ValueError, AttributeError):
        return Tally()


def _complete(name: str, labels: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    wanted = SERIES[name].labels
    return {label: labels.get(label, known.get(label, "")) for label in wanted}


def _rise(before: Value | None, now: Value) -> Value:
    if isinstance(now, list):
        if not isinstance(before, list) or len(before) != len(now):
            return now
        return [n - b for b, n in zip(before, now, strict=True)]
    return now if before is None or isinstance(before, list) else now - before


def _sum(one: Value | None, other: Value) -> Value:
    if isinstance(other, list):
        if not isinstance(one, list) or len(one) != len(other):
            return other  # another release had other buckets
        return [a + b for a, b in zip(one, other, strict=True)]
    return other if one is None or isinstance(one, list) else one + other


def _plain(values: Mapping[_Key, Value]) -> list[list[Any]]:
    return [[name, dict(labels), value] for (name, labels), value in values.items()]


def _keyed(rows: Sequence[Any]) -> dict[_Key, Value]:
    return {(name, tuple(sorted(labels.items()))): value for name, labels, value in rows}
