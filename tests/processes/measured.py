"""Measures the counters of this process during a block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from actors.metrics.counters import measures

if TYPE_CHECKING:
    from actors.metrics.counters import Value


class Measured:
    """`rise` tells by how much a counter rose, or how often a histogram was added to, since then."""

    def __init__(self) -> None:
        self._before = _now()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def rise(self, name: str, **labels: str) -> float:
        key = (name, tuple(sorted(labels.items())))
        return _number(_now().get(key)) - _number(self._before.get(key))


def _now() -> dict[tuple[str, tuple[tuple[str, str], ...]], Value]:
    return {(name, tuple(sorted(labels.items()))): v for name, labels, v in measures.samples}


def _number(value: Value | None) -> float:
    if isinstance(value, list):
        return sum(value[:-1])
    return value or 0
