"""Sums up the counters of all processes over restarts; writes and reads the file from which the gateway shows sums.

The gateway shows the file, and a new root continues from it (`docs/metrics.md`: numbers after a death).
`metrics_collector.py` writes it.
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

METRICS_FILE = Path("run") / "tally.json"

_Key: TypeAlias = "tuple[str, tuple[tuple[str, str], ...]]"


@dataclass(slots=True)
class _LastReport:
    """The last report of a process: its life, and its counts so far."""

    life: str
    values: dict[_Key, Value] = field(default_factory=dict)


class MetricsTotals:
    """Totals that only rise, also when a process restarts or reports the same counts again.

    Gauges are those of living processes; of two with the same labels the higher one counts.
    """

    def __init__(self) -> None:
        self._totals: dict[_Key, Value] = {}
        self._last: dict[str, _LastReport] = {}
        self._gauges: dict[str, Sequence[Sample]] = {}
        self.counted: set[str] = set()
        """Ids of restarts that were counted; the keeper's log repeats them."""

    def report(
        self,
        process: str,
        life: str,
        counted: Iterable[Sample],
        gauges: Iterable[Sample] = (),
        **defaults: str,
    ) -> None:
        """Adds the counts of `process` since it began; `life` identifies one of several of that name.

        `defaults` are labels for the series that have them and whose samples lack them.
        """
        last = self._last.get(process)
        if last is None or last.life != life:
            last = self._last[process] = _LastReport(life)
        for name, labels, value in counted:
            if name not in SERIES:
                continue  # from a process of another release
            own = (name, tuple(sorted(labels.items())))
            before = last.values.get(own)
            last.values[own] = value
            key = (name, tuple(sorted(_complete(name, labels, defaults).items())))
            self._totals[key] = _sum(self._totals.get(key), _rise(before, value))
        self._gauges[process] = [
            (name, _complete(name, labels, defaults), value)
            for name, labels, value in gauges
            if name in SERIES
        ]

    def ended(self, process: str) -> None:
        """Ends the gauges of a process; its counts stay."""
        self._last.pop(process, None)
        self._gauges.pop(process, None)

    def only(self, processes: Iterable[str]) -> None:
        """Ends all processes but these."""
        for process in self._last.keys() - set(processes):
            self.ended(process)

    def by_label(self, name: str, label: str) -> dict[str, float]:
        """The totals of a counter by one of its labels."""
        found: dict[str, float] = {}
        for (series, labels), value in self._totals.items():
            if series == name and isinstance(value, (int, float)):
                value_of = dict(labels)[label]
                found[value_of] = found.get(value_of, 0) + value
        return found

    def forget(self, connection: str) -> None:
        """Ends the series of a removed connection."""
        for key in [key for key in self._totals if ("connection", connection) in key[1]]:
            del self._totals[key]

    @property
    def plain(self) -> dict[str, Any]:
        """The totals, gauges and last reports, for JSON."""
        return {
            "heard": sorted(self.counted),
            "totals": _plain(self._totals),
            "gauges": [list(sample) for sample in self._highest()],
            "told": {
                process: {"life": last.life, "values": _plain(last.values)}
                for process, last in self._last.items()
            },
        }

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """Reverse of `plain`. Raises LookupError, TypeError or ValueError where it is malformed."""
        totals = cls()
        totals._totals = _keyed(plain["totals"])
        totals.counted = set(plain["heard"])
        for process, last in plain["told"].items():
            totals._last[process] = _LastReport(last["life"], _keyed(last["values"]))
        return totals

    def _highest(self) -> list[Sample]:
        highest: dict[_Key, Value] = {}
        for gauges in self._gauges.values():
            for name, labels, value in gauges:
                key = (name, tuple(sorted(labels.items())))
                current = highest.get(key)
                if current is None or value > current:  # type: ignore[operator] # gauges are numbers
                    highest[key] = value
        return [(name, dict(labels), value) for (name, labels), value in highest.items()]


def write(data: Path, plain: Mapping[str, Any]) -> None:
    """Replaces the file. Raises OSError."""
    target = data / METRICS_FILE
    target.parent.mkdir(parents=True, exist_ok=True)
    # Not synced: a power cut may reset the totals, which loses no message.
    write_atomically(target, json.dumps(plain), synced=False)


def read(data: Path) -> dict[str, Any] | None:
    """Returns the last written metrics, None where none can be read."""
    try:
        plain = json.loads((data / METRICS_FILE).read_text())
    except (OSError, ValueError):
        return None
    return plain if isinstance(plain, dict) else None


def resumed(data: Path) -> MetricsTotals:
    """Returns the totals of the previous root; empty ones where there are none."""
    try:
        return MetricsTotals.of(read(data) or {})
    except (LookupError, TypeError, ValueError, AttributeError):
        return MetricsTotals()


def _complete(name: str, labels: Mapping[str, str], defaults: Mapping[str, str]) -> dict[str, str]:
    wanted = SERIES[name].labels
    return {label: labels.get(label, defaults.get(label, "")) for label in wanted}


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
