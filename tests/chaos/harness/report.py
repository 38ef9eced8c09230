"""The table of a run, for a person (text and picture) and for a program (JSON)."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from jinja2 import Environment
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.chaos.harness.storm import Outcome

COUNTED = ("lost", "duplicated", "reordered")


@dataclass(frozen=True)
class Row:
    """One fault over the whole run; recovery in seconds. A strike that met nobody does not count."""

    fault: str
    bound: float
    times: int
    in_flight: int
    p50: float | None
    p95: float | None
    max: float | None
    lost: int
    duplicated: int
    reordered: int
    others: int

    @property
    def clean(self) -> bool:
        return not (self.lost or self.duplicated or self.reordered or self.others)


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that is not below that share of all; None of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def rows(outcome: Outcome) -> list[Row]:
    """A row for each fault that struck, in the order of the first time."""
    found = []
    for fault in dict.fromkeys(strike.fault for strike in outcome.strikes):
        strikes = [one for one in outcome.strikes if one.fault == fault]
        counted = [one for one in strikes if outcome.counts(one)]
        recoveries = [one.recovery for one in counted if one.recovery is not None]
        kinds = Counter(violation.kind for one in strikes for violation in one.violations)
        found.append(
            Row(
                fault=fault.name,
                bound=fault.bound,
                times=len(counted),
                in_flight=sum(outcome.in_flight(one) for one in counted),
                p50=quantile(recoveries, 0.5),
                p95=quantile(recoveries, 0.95),
                max=quantile(recoveries, 1.0),
                lost=kinds["lost"],
                duplicated=kinds["duplicated"],
                reordered=kinds["reordered"],
                others=sum(count for kind, count in kinds.items() if kind not in COUNTED),
            )
        )
    return found


def plain(outcome: Outcome, **about: object) -> dict[str, Any]:
    """All of it as JSON's types; `about` says how it was run."""
    fates = outcome.fates
    return {
        **about,
        "seconds": round(outcome.seconds, 1),
        "sent": sum(fate.lane.direction == "out" for fate in fates),
        "received": sum(fate.lane.direction == "in" for fate in fates),
        "dead": len(outcome.dead),
        "delivered_again": sum(one.deliveries > 1 for fate in fates for one in fate.arrivals),
        "refused": dict(outcome.refused),
        "alerts": dict(Counter(alert.name for alert in outcome.alerts)),
        "faults": [asdict(row) for row in rows(outcome)],
        "strikes": [
            {
                "fault": one.fault.name,
                "connection": one.party.connection,
                "at": one.at,
                "over": one.over,
                "recovery": one.recovery,
                "flowing": one.flowing,
                "in_flight": outcome.in_flight(one),
            }
            for one in outcome.strikes
        ],
        "violations": [asdict(one) for one in outcome.violations],
    }


def summary(outcome: Outcome) -> str:
    """One line."""
    said = plain(outcome)
    return (
        f"{sum(map(outcome.counts, outcome.strikes))} faults in {outcome.seconds:.0f} s:"
        f" {said['sent']} sent, {said['received']} received, {said['dead']} dead,"
        f" {said['delivered_again']} ids delivered again, {len(outcome.violations)} violations"
    )


def text(outcome: Outcome) -> str:
    """The table for a terminal, and every violation below it."""
    table = Table("fault", "times", "in flight", "p50", "p95", "max", "bound", *COUNTED, "others")
    for row in rows(outcome):
        table.add_row(
            row.fault,
            str(row.times),
            str(row.in_flight),
            *(_seconds(value) for value in (row.p50, row.p95, row.max, row.bound)),
            *(str(count) for count in (row.lost, row.duplicated, row.reordered, row.others)),
        )
    console = Console(width=130, force_terminal=False)
    with console.capture() as written:
        console.print(table)
        for one in outcome.violations:
            console.print(f"{one.kind}: {one.what}", markup=False, highlight=False)
    return written.get()


def write(outcome: Outcome, directory: Path, name: str, **about: object) -> None:
    """`name` with `.json` and with `.svg`, in that directory."""
    directory.mkdir(parents=True, exist_ok=True)
    said = plain(outcome, **about)
    (directory / f"{name}.json").write_text(json.dumps(said, indent=1))
    (directory / f"{name}.svg").write_text(picture(rows(outcome), said))


def picture(found: Sequence[Row], said: dict[str, Any]) -> str:
    """The table with recoveries as bars on a logarithmic scale."""

    def place(seconds: float) -> float:
        return round(SCALE * math.log10(max(seconds, 0.1) / 0.1) / 3, 1)

    made = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    made.filters["seconds"] = _seconds
    return made.from_string(TEMPLATE).render(
        rows=found, said=said, place=place, scale=SCALE, marks=(0.1, 1, 10, 100)
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}" if value < 10 else f"{value:.0f}"


SCALE = 360
TEMPLATE = """\
{% set height = 118 + 22 * rows|length %}
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1040 {{ height }}" font-family="sans-serif"
 font-size="12" fill="#222">
<rect width="1040" height="{{ height }}" fill="#fff"/>
<text x="20" y="28" font-size="17" font-weight="bold">{{ said.connections }} connections,
 {{ (said.seconds / 60)|round(1) }} minutes, {{ said.sent }} sent, {{ said.received }} received, {{ said.violations|length }}
 violations</text>
<text x="20" y="48" fill="#666">seed {{ said.seed }}; recovery in seconds: bar to p50, line to the maximum, | the
 bound of an idle machine</text>
<g font-weight="bold">
<text x="20" y="80">fault</text><text x="200" y="80" text-anchor="end">times</text>
<text x="262" y="80" text-anchor="end">in flight</text>
<text x="740" y="80" text-anchor="end">p50</text><text x="780" y="80" text-anchor="end">p95</text>
<text x="820" y="80" text-anchor="end">max</text><text x="865" y="80" text-anchor="end">lost</text>
<text x="925" y="80" text-anchor="end">doubled</text><text x="995" y="80" text-anchor="end">reordered</text>
</g>
{% for mark in marks %}
<g stroke="#ddd"><path d="M{{ 290 + place(mark) }} 86V{{ height - 18 }}"/></g>
<text x="{{ 290 + place(mark) }}" y="80" text-anchor="middle" fill="#666">{{ mark }}</text>
{% endfor %}
{% for row in rows %}
{% set y = 106 + 22 * loop.index0 %}
<g{% if not row.clean %} fill="#b00020"{% endif %}>
<text x="20" y="{{ y }}">{{ row.fault }}</text>
<text x="200" y="{{ y }}" text-anchor="end">{{ row.times }}</text>
<text x="262" y="{{ y }}" text-anchor="end">{{ row.in_flight }}</text>
{% if row.max is not none %}
<rect x="290" y="{{ y - 10 }}" width="{{ place(row.p50) }}" height="12" fill="#4a7fb5"/>
<path d="M{{ 290 + place(row.p50) }} {{ y - 4 }}H{{ 290 + place(row.max) }}" stroke="#4a7fb5" stroke-width="3"/>
{% endif %}
<path d="M{{ 290 + place(row.bound) }} {{ y - 12 }}v16" stroke="#c77700" stroke-width="2"/>
<text x="740" y="{{ y }}" text-anchor="end">{{ row.p50|seconds }}</text>
<text x="780" y="{{ y }}" text-anchor="end">{{ row.p95|seconds }}</text>
<text x="820" y="{{ y }}" text-anchor="end">{{ row.max|seconds }}</text>
<text x="865" y="{{ y }}" text-anchor="end">{{ row.lost }}</text>
<text x="925" y="{{ y }}" text-anchor="end">{{ row.duplicated }}</text>
<text x="995" y="{{ y }}" text-anchor="end">{{ row.reordered }}</text>
</g>
{% endfor %}
</svg>
"""
