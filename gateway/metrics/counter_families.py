"""Converts plain counters and gauges of all processes to Prometheus metric families, for the metrics route."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from actors.metrics.counters import SERIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client.core import Metric

    from actors.metrics.counters import Sample, Series
    from gateway.metrics.actor_counters import ActorTotals


class CounterFamilies(Collector):
    """The totals and gauges of the tree, and what this gateway measured under the same names."""

    def __init__(self, counts: ActorTotals, own: Sequence[Sample]) -> None:
        self._counts = counts
        self._own = own

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "teimoso_tree_up",
            "Whether the root wrote within the last seconds what the actors count.",
            value=float(self._counts.up),
        )
        samples: dict[str, list[Sample]] = {}
        defaults = {"role": "gateway", "connection": "", "operation": ""}
        for name, labels, value in self._own:
            samples.setdefault(name, []).append((name, defaults | labels, value))
        for sample in (*self._counts.totals, *self._counts.gauges):
            samples.setdefault(sample[0], []).append(sample)
        for name, series in SERIES.items():
            if name in samples:
                yield _family(series, samples[name])


def _family(series: Series, samples: Sequence[Sample]) -> Metric:
    names = list(series.labels)
    if series.kind == "histogram":
        return _histogram(series, names, samples)
    kind = CounterMetricFamily if series.kind == "counter" else GaugeMetricFamily
    family = kind(series.name, series.help, labels=names)
    for _, labels, value in samples:
        family.add_metric([labels.get(name, "") for name in names], value)  # type: ignore[arg-type]
    return family


def _histogram(
    series: Series, names: Sequence[str], samples: Sequence[Sample]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(series.name, series.help, labels=names)
    bounds = [*map(str, series.buckets), "+Inf"]
    for _, labels, value in samples:
        if isinstance(value, list) and len(value) == len(bounds) + 1:
            family.add_metric(
                [labels.get(name, "") for name in names],
                list(zip(bounds, accumulate(value[:-1]), strict=True)),
                value[-1],
            )
    return family
