"""The last hour of what the machine used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.health import resource_history
from actors.health.resource_history import Point, grown
from actors.health.resources import Usage
from actors.runtime.limits.durations import HOUR

if TYPE_CHECKING:
    from pathlib import Path

USAGE = Usage(cpu=12.34, memory=56.78, own_cpu=1.04, own_memory=900, processes=7, disk=10)


def at(*times: float) -> tuple[Point, ...]:
    return tuple(Point.of(USAGE, time) for time in times)


@pytest.mark.parametrize(
    ("before", "now", "after"),
    [
        ((), 30.0, (30.0,)),
        ((30.0, 60.0), 90.0, (30.0, 60.0, 90.0)),
        ((30.0, 60.0), 64.0, (30.0, 60.0)),  # too soon
        ((30.0, 60.0), 65.0, (30.0, 60.0, 65.0)),
        ((30.0, 60.0), 3630.0, (60.0, 3630.0)),  # an hour old
        ((30.0, 9000.0), 60.0, (30.0, 60.0)),  # the clock was set back
    ],
)
def test_an_hour_is_kept(before: tuple[float, ...], now: float, after: tuple[float, ...]) -> None:
    assert grown(at(*before), *at(now)) == at(*after)


def test_however_often_it_looks_an_hour_has_its_bound() -> None:
    points: tuple[Point, ...] = ()
    for tenth in range(0, 80_000, 7):
        points = grown(points, *at(tenth / 10))
    assert len(points) <= HOUR / resource_history.POINT_PAUSE_SECONDS
    assert points[-1].at - points[0].at > HOUR - 2 * resource_history.POINT_PAUSE_SECONDS


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert resource_history.read(tmp_path) == ()
    resource_history.write(tmp_path, at(30.0, 60.0))
    assert resource_history.read(tmp_path) == at(30.0, 60.0)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '[{"at": 1}]', "null", '[{"more": 1}]'])
def test_what_another_release_wrote_is_nothing(tmp_path: Path, content: str) -> None:
    file = tmp_path / resource_history.RESOURCE_FILE.path
    file.parent.mkdir()
    file.write_text(content)
    assert resource_history.read(tmp_path) == ()
