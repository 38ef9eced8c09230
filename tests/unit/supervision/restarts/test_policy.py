"""Pauses, restart intensity, waves and probes: tables and properties (G8, G9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.config.sources import resolve_settings
from supervision.restarts.policy import (
    Intensity,
    LeaseExpiry,
    MemoryLimit,
    ProbePolicy,
    RestartRecords,
    Wave,
    restart_after,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("streak", "chance", "seconds", "why"),
    [
        (0, 0.0, 0.0, "nothing fell"),
        (1, 0.99, 0.0, "the first is at once"),
        (2, 0.0, 0.25, "never less than half of the step"),
        (2, 0.5, 0.375, "jitter over the upper half"),
        (3, 0.0, 0.5, "doubles"),
        (6, 0.0, 4.0, "and doubles"),
        (20, 0.0, 30.0, "up to the cap"),
        (10_000, 0.0, 30.0, "and no number is too large"),
    ],
)
def test_restart_after(streak: int, chance: float, seconds: float, why: str) -> None:
    assert restart_after(streak, 0.5, 60.0, chance) == pytest.approx(seconds), why


LIVES = st.lists(st.tuples(st.floats(0, 9.9), st.floats(0, 290)), max_size=40)


@given(LIVES, st.integers(1, 10))
def test_short_lives_exhaust_the_budget_however_slowly_they_come(
    lives: list[tuple[float, float]], limit: int
) -> None:
    """Gaps below five minutes never return the budget: a slow loop is a loop."""
    record, now = Intensity(limit, min_uptime=10), 0.0
    for number, (lived, gap) in enumerate(lives, start=1):
        now += gap
        record = record.fell(lived, now)
        assert record.exhausted(now) == (number > limit)


@given(LIVES, st.integers(1, 10), st.floats(300.001, 10_000))
def test_five_quiet_minutes_return_the_whole_budget(
    lives: list[tuple[float, float]], limit: int, quiet: float
) -> None:
    record, now = Intensity(limit, min_uptime=10), 0.0
    for lived, gap in lives:
        now += gap
        record = record.fell(lived, now)
    now += quiet
    assert not record.exhausted(now)
    for _ in range(limit):
        record = record.fell(0, now)
    assert not record.exhausted(now)
    assert record.fell(0, now).exhausted(now)


@given(st.lists(st.floats(10, 1e6), max_size=60), st.integers(1, 5))
def test_lives_of_min_uptime_cost_nothing(lives: list[float], limit: int) -> None:
    record, now = Intensity(limit, min_uptime=10), 0.0
    for lived in lives:
        now += lived
        record = record.fell(lived, now)
        assert not record.exhausted(now)
        assert record.streak == 1


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1000)), max_size=100))
def test_the_record_stays_small(lives: list[tuple[float, float]]) -> None:
    record, now = Intensity(3, min_uptime=10), 0.0
    for lived, gap in lives:
        now += gap
        record = record.fell(lived, now)
        assert len(record.falls) <= 4
    for _ in range(5):
        record = record.fell(0, now)
    assert len(record.falls) == 4, "as many as exhaust it"


def test_a_life_of_min_uptime_is_stable_and_a_shorter_one_is_not() -> None:
    assert Intensity(3, min_uptime=10).fell(10, 0).falls == ()
    assert Intensity(3, min_uptime=10).fell(9.9, 0).falls == (0,)


def test_the_budget_is_back_after_exactly_the_quiet_time() -> None:
    record = Intensity(1, min_uptime=10).fell(0, 0).fell(0, 100)
    assert record.exhausted(399.9)
    assert not record.exhausted(400.0)


def test_a_long_life_does_not_return_the_budget() -> None:
    record = Intensity(2, min_uptime=10).fell(1, 0).fell(1, 1).fell(100, 101).fell(1, 102)
    assert record.exhausted(102)
    assert record.streak == 2


def test_lives_are_kept_apart() -> None:
    lives = RestartRecords(Intensity(1, min_uptime=10), base=1.0, cap=8.0)
    for now in range(3):
        lives.fell("shop", 0.1, float(now))
    assert lives.exhausted("shop", 3)
    assert not lives.exhausted("kiosk", 3)
    assert (lives.delay("kiosk", 0.5), lives.delay("shop", 0.0)) == (0.0, 1.0)
    assert not lives.forgive("kiosk"), "it had no record"
    assert lives.forgive("shop")
    assert not lives.exhausted("shop", 3)
    assert lives.delay("shop", 0.5) == 0.0


@given(LIVES, st.integers(1, 10), st.integers(0, 39))
def test_a_restored_record_counts_on(
    lives: list[tuple[float, float]], limit: int, death: int
) -> None:
    """G9: a counter that dies after some of the falls has a successor with the same decisions."""
    template, now = Intensity(limit, min_uptime=10), 0.0
    whole, counted = (RestartRecords(template, base=1.0, cap=8.0) for _ in range(2))
    for number, (lived, gap) in enumerate(lives):
        now += gap
        whole.fell("shop", lived, now)
        counted.fell("shop", lived, now)
        if number == death:
            record, counted = counted.record("shop"), RestartRecords(template, base=1.0, cap=8.0)
            assert record is not None
            counted.restore("shop", record.falls, record.streak)
        assert counted.exhausted("shop", now) == whole.exhausted("shop", now)
        assert counted.delay("shop", 0.5) == whole.delay("shop", 0.5)


def test_a_restored_record_is_as_long_as_exhausts_it() -> None:
    lives = RestartRecords(Intensity(3, min_uptime=10), base=1.0, cap=8.0)
    lives.restore("shop", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], streak=6)
    assert lives.record("shop") == Intensity(3, 10, falls=(3.0, 4.0, 5.0, 6.0), streak=6)


def test_a_trial_needs_no_record() -> None:
    lives = RestartRecords(Intensity(3, min_uptime=10), base=1.0, cap=8.0)
    lives.try_once("shop", 400)
    assert not lives.exhausted("shop", 400)
    lives.fell("shop", 0.1, 401)
    assert lives.exhausted("shop", 401)


def test_half_open_is_one_start() -> None:
    lives = RestartRecords(Intensity(3, min_uptime=10), base=1.0, cap=8.0)
    for now in range(4):
        lives.fell("shop", 0.1, float(now))
    assert lives.exhausted("shop", 3)
    lives.try_once("shop", 400)
    assert not lives.exhausted("shop", 400)
    assert lives.delay("shop", 0.5) == 0.0
    lives.fell("shop", 0.1, 401)
    assert lives.exhausted("shop", 401), "it fell again: no second try"
    lives.try_once("shop", 800)
    lives.fell("shop", 299, 1099)
    assert not lives.exhausted("shop", 1099), "it lived"
    assert lives.record("shop") == Intensity(3, 10, falls=(800.0,) * 3, streak=1)


WAVE = Wave(size=2, patience=5.0)


@pytest.mark.parametrize(
    ("waiting", "running", "admitted", "why"),
    [
        ("abc", {}, "ab", "as many as the wave is large"),
        ("abc", {"x": 99.0}, "a", "what runs counts"),
        ("abc", {"x": 99.0, "y": 98.0}, "", "full"),
        ("abc", {"x": 94.9, "y": 98.0}, "a", "a stuck one does not hold the wave"),
        ("abc", {"x": 95.0, "y": 98.0}, "a", "from exactly its patience on"),
        ("abc", {"x": 1.0, "y": 2.0}, "ab", "nor do two"),
        ("", {}, "", "nobody waits"),
    ],
)
def test_wave(waiting: str, running: dict[str, float], admitted: str, why: str) -> None:
    assert WAVE.admit(list(waiting), running, 100.0) == tuple(admitted), why


def test_a_wave_looks_again_when_a_start_stops_counting() -> None:
    assert WAVE.next_look({"x": 96.0, "y": 99.0, "stuck": 10.0}, 100.0) == pytest.approx(1.0)
    assert WAVE.next_look({"stuck": 10.0}, 100.0) is None
    assert WAVE.next_look({"stopped": 95.0}, 100.0) is None


def test_a_lone_takeover_is_not_held_back() -> None:
    assert WAVE.jitter(0, 0.9) == 0.0
    assert WAVE.jitter(1, 0.5) == WAVE.jitter(7, 0.5) == pytest.approx(0.15)


@pytest.mark.parametrize(
    ("answered", "lag", "took", "failed", "why"),
    [
        (True, 0.0, 0.1, False, "well"),
        (True, 3.0, 0.1, False, "busy is not hung"),
        (True, 3.5, 0.1, False, "as late as is allowed"),
        (True, 9.0, 0.1, True, "it answers, but its main loop is blocked"),
        (False, 0.0, 3.5, True, "silent"),
        (False, 0.0, 4.5, True, "silent, and the timer as late as is allowed"),
        (False, 0.0, 9.0, False, "my own timer came late: the machine was busy, or I was"),
    ],
)
def test_probe(answered: bool, lag: float, took: float, failed: bool, why: str) -> None:
    assert ProbePolicy().failed(answered, lag, took) is failed, why


def test_a_failed_probe_is_repeated_soon() -> None:
    assert [ProbePolicy().pause(failed) for failed in range(3)] == [2.5, 1.0, 1.0]
    assert ProbePolicy(interval=0.5).pause(1) == 0.5, "never later than the others"
    assert ProbePolicy(interval=0.01).pause(0) == 0.05, "twenty a second, also of a single child"


@pytest.mark.parametrize("children", [1, 90, 10_000])
def test_a_hang_is_found_within_its_bound(children: int) -> None:
    """Worst case of a silent child: it hangs just after it answered (G8: 15 s in all)."""
    probes = ProbePolicy()
    pauses = [probes.pause(failed, children) for failed in range(probes.failures)]
    seconds = sum(pauses) + probes.failures * probes.timeout
    blocked = probes.lag + sum(pauses)
    assert max(seconds, blocked) <= 12


@pytest.mark.parametrize(("children", "pause"), [(1, 2.5), (50, 2.5), (70, 3.5), (90, 4.0)])
def test_many_children_are_probed_less_often(children: int, pause: float) -> None:
    assert ProbePolicy().pause(0, children) == pause
    assert ProbePolicy().pause(1, children) == 1.0


@pytest.mark.parametrize(
    ("sizes", "lived", "exceeded", "why"),
    [
        ([99, 100], 60.0, False, "the limit itself is allowed"),
        ([100, 100], 60.0, False, "also twice in a row"),
        ([101], 60.0, False, "a peak passes"),
        ([101, 102], 60.0, True, "twice in a row"),
        ([101, 90, 101], 60.0, False, "not in a row"),
        ([101, 102], 29.9, False, "restarted a moment ago: it is that large from the start"),
        ([101, 102, 103], 30.0, True, "and later it is"),
    ],
)
def test_what_stays_too_large_is_restarted(
    sizes: list[int], lived: float, exceeded: bool, why: str
) -> None:
    memory, times = MemoryLimit(limit=100, rest=30.0), 0
    for size in sizes:
        times = memory.over(times, size)
    assert memory.exceeded(times, lived) is exceeded, why


def test_the_memory_limit_of_an_instance(tmp_path: Path) -> None:
    """Its processes rest for three times the shortest stable life."""
    settings = resolve_settings(data=tmp_path, max_memory_restart="200M", min_uptime=10_000)
    assert MemoryLimit.of(settings) == MemoryLimit(200 * 2**20, rest=30.0, probes=2)


RENEWALS = st.lists(st.floats(0.1, 20), min_size=1, max_size=10)


@given(RENEWALS, st.floats(0, 3), st.floats(-1e6, 1e6), st.floats(0.1, 5))
def test_a_lease_that_is_waited_out_has_run_out(
    gaps: list[float], way: float, apart: float, look: float
) -> None:
    """G6: the owner counts from when its renewal began; who waits looks every `look` seconds.

    `way` is how long a renewal takes to arrive, `apart` what lies between the two clocks.
    """
    expiry, began, renewals = LeaseExpiry(30.0), 0.0, []
    for gap in gaps:
        began += gap
        renewals.append((began, began + way))
    now = 0.0
    while True:
        arrived = [start for start, end in renewals if end <= now]
        expiry.saw("shop", arrived[-1:], now + apart)
        if arrived[-1:] == [began] and expiry.left("shop", now + apart) == 0.0:
            break
        assert expiry.left("shop", now + apart) <= 30.0 + 1e-6
        now += look
    assert now - began >= 30.0 - 1e-6 * abs(apart)
    assert now - began <= 30.0 + way + 2 * look + 0.1


def test_of_an_unknown_lease_all_is_left() -> None:
    assert LeaseExpiry(30.0).left("shop", 5.0) == 30.0
