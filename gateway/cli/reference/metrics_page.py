"""Generates the rows of `docs/metrics.md` from the declarations of the metrics; the text between its tables stays."""

from __future__ import annotations

import ast
import re
from inspect import getsource
from typing import TYPE_CHECKING, Final, NamedTuple

from actors.metrics.counters import SERIES
from gateway.metrics import counter_families, exposition, gauge_families, webhook_backlog

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

MODULES: Final = (counter_families, exposition, gauge_families, webhook_backlog)
"""Modules that declare families of the client library."""

_KINDS: Final = {
    "Counter": "counter",
    "CounterMetricFamily": "counter",
    "GaugeMetricFamily": "gauge",
    "Histogram": "histogram",
    "HistogramMetricFamily": "histogram",
}
_ROW: Final = re.compile(r"^\| `(teimoso_\w+)` \|.*$", re.MULTILINE)


class DeclaredMetric(NamedTuple):
    """A series as a scrape shows it."""

    name: str
    kind: str
    labels: Sequence[str]
    help: str

    @property
    def row(self) -> str:
        """The row of the table, in Markdown."""
        labels = ", ".join(f"`{label}`" for label in sorted(self.labels))
        return f"| `{self.name}` | {self.kind} | {labels} | {self.help} |"


def markdown(page: str) -> str:
    """The page with a row of today for each of its rows. ValueError where a metric has none, or a row no metric."""
    rows = {metric.name: metric.row for metric in declared()}
    if different := rows.keys() ^ {*_ROW.findall(page)}:
        raise ValueError(f"give each metric one row in docs/metrics.md: {sorted(different)}")
    return _ROW.sub(lambda found: rows[found[1]], page)


def declared() -> Iterator[DeclaredMetric]:
    """Every metric of the service but those of the client library itself."""
    for series in SERIES.values():
        yield _metric(series.name, series.kind, series.labels, series.help)
    for name, text in gauge_families.FLOWS.values():
        yield _metric(name, "counter", ("connection",), text)
    for module in MODULES:
        yield from _families(module)


def _families(module: ModuleType) -> Iterator[DeclaredMetric]:
    """Families whose name stands in the source as text; the others are made of `SERIES` and `FLOWS`."""
    for call in ast.walk(ast.parse(getsource(module))):
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name)
            and call.func.id in _KINDS
        ):
            given = [argument for argument in call.args if isinstance(argument, ast.Constant)]
            if len(given) >= 2:
                listed = [one.value for one in call.keywords if one.arg == "labels"]
                labels = (*call.args[2:3], *listed)
                values = ast.literal_eval(labels[0]) if labels else ()
                name, text = str(given[0].value), str(given[1].value)
                yield _metric(name, _KINDS[call.func.id], values, text)


def _metric(name: str, kind: str, labels: Sequence[str], text: str) -> DeclaredMetric:
    shown = f"{name}_total" if kind == "counter" else name
    return DeclaredMetric(shown, kind, labels, text)
