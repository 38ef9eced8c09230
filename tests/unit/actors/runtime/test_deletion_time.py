"""A clock that was ahead deletes nothing, and one that stays there is believed after a day of uptime."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from actors.runtime.deletion_time import (
    DOUBT_SECONDS,
    JUMP_SECONDS,
    LOOK_SECONDS,
    TIME_FILE,
    TrustedTime,
    advanced,
    deletion_time,
)
from actors.runtime.limits.durations import DAY, HOUR

if TYPE_CHECKING:
    from pathlib import Path

NOW, YEAR = 1_800_000_000.0, 365.0 * DAY
CALM = TrustedTime(NOW)


@pytest.mark.parametrize(
    ("before", "wall", "passed", "after", "why"),
    [
        (CALM, NOW + HOUR, HOUR, TrustedTime(NOW + HOUR), "it runs as the uptime does"),
        (CALM, NOW + HOUR, 0.0, TrustedTime(NOW + HOUR), "a short stop"),
        (CALM, NOW + JUMP_SECONDS + HOUR, HOUR, TrustedTime(NOW + JUMP_SECONDS + HOUR), "barely"),
        (CALM, NOW + YEAR, HOUR, TrustedTime(NOW + HOUR, HOUR), "a year ahead"),
        (CALM, NOW + YEAR, 0.0, TrustedTime(NOW), "a year ahead, after a boot"),
        (TrustedTime(NOW, HOUR), NOW + HOUR, HOUR, TrustedTime(NOW + HOUR), "it is right again"),
        (CALM, NOW - YEAR, HOUR, TrustedTime(NOW - YEAR), "it was set back"),
        (TrustedTime(NOW, DAY - HOUR), NOW + YEAR, HOUR, TrustedTime(NOW + YEAR), "for a day"),
        (CALM, NOW + YEAR, 9 * DAY, TrustedTime(NOW + 9 * DAY, JUMP_SECONDS), "no look between"),
        (TrustedTime(), NOW, 0.0, TrustedTime(), "the first look"),
        (TrustedTime(None, DAY - HOUR), NOW, HOUR, TrustedTime(NOW), "a day after that"),
    ],
)
def test_what_is_believed(
    before: TrustedTime, wall: float, passed: float, after: TrustedTime, why: str
) -> None:
    assert advanced(before, wall, passed) == after, why


class Host:
    """A host with a clock that is `ahead`, and processes of it that look."""

    def __init__(self, data: Path, boot: str = "one") -> None:
        self.data, self.boot, self.uptime, self.wall, self.ahead = data, boot, 50.0, NOW, 0.0

    def passes(self, seconds: float) -> None:
        self.uptime += seconds
        self.wall += seconds

    def look(self) -> float:
        return deletion_time(
            self.data, wall=self.wall + self.ahead, uptime=self.uptime, boot=self.boot
        )

    def run(self, seconds: float) -> None:
        for _ in range(int(seconds / HOUR)):
            self.passes(HOUR)
            self.look()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    found = Host(tmp_path)
    assert found.look() == 0.0
    found.run(DOUBT_SECONDS - HOUR)
    assert found.look() == 0.0, "not yet"
    found.run(HOUR)
    assert found.look() == found.wall
    return found


def test_a_clock_that_was_a_year_ahead_for_an_hour_moves_nothing(host: Host) -> None:
    host.ahead = YEAR
    for _ in range(6):
        host.passes(LOOK_SECONDS)
        assert host.look() <= host.wall
    host.ahead = 0.0
    host.passes(LOOK_SECONDS)
    assert host.look() == host.wall
    assert json.loads((host.data / TIME_FILE).read_text())["doubted"] == 0.0


def test_a_boot_is_no_way_round(host: Host) -> None:
    for number in range(5):
        host.boot, host.uptime, host.ahead = f"boot {number}", 3.0, YEAR
        host.passes(HOUR)
        assert host.look() <= host.wall
        host.run(2 * HOUR)
        assert host.look() <= host.wall


def test_a_host_that_was_off_for_a_month_deletes_a_day_later(host: Host) -> None:
    host.boot, host.uptime = "two", 1.0
    host.wall += 30 * DAY
    before = host.look()
    assert before <= host.wall - 30 * DAY
    host.run(DOUBT_SECONDS)
    assert host.look() == host.wall


def test_a_clock_that_is_set_back_is_followed_at_once(host: Host) -> None:
    host.ahead = -YEAR
    host.passes(1.0)
    assert host.look() == host.wall - YEAR


def test_hosts_that_share_the_directory_count_their_own_uptime(host: Host) -> None:
    other = Host(host.data, "other")
    host.boot, host.uptime = "host", 9e6
    host.wall += 30 * DAY
    other.wall = host.wall
    for _ in range(int(DOUBT_SECONDS / HOUR) + 1):
        host.run(HOUR)
        other.run(HOUR)
    assert host.look() == host.wall == other.look()


@pytest.mark.parametrize("left", ["", "[]", "{}", '{"at": "x", "doubted": 0, "seen": {}}'])
def test_of_a_damaged_file_nothing_is_believed(host: Host, left: str) -> None:
    (host.data / TIME_FILE).write_text(left)
    assert host.look() == 0.0
    host.run(DOUBT_SECONDS)
    assert host.look() == host.wall


def test_a_directory_that_cannot_be_written_keeps_what_was_believed(host: Host) -> None:
    before, gone = host.look(), host.data.with_name("gone")
    host.passes(DAY)
    assert deletion_time(gone, wall=host.wall, uptime=host.uptime, boot=host.boot) == 0.0
    assert host.look() > before
