from __future__ import annotations

import asyncio
import sys
import threading
import time
import unicodedata
from typing import TYPE_CHECKING

import pytest

from actors.metrics.counters import Measures
from actors.runtime import loop_watchdog
from actors.runtime.loop_watchdog import BEAT_SECONDS, SILENT_SECONDS, LoopWatchdog, Silence

if TYPE_CHECKING:
    from collections.abc import Callable

LONG = 3 * (SILENT_SECONDS + BEAT_SECONDS)
"""Seconds of a silence that no look misses."""


def compute(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def compute_in_one_call() -> None:
    """In C, which holds the lock of the interpreter: some hundred milliseconds at least."""
    end = time.thread_time() + LONG
    marks = 4_000
    while time.thread_time() < end:
        unicodedata.normalize("NFKD", "a" + "\u0315\u0300" * marks)
        marks *= 2


def sleep() -> None:
    time.sleep(LONG)


def wait_for_a_lock() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire(timeout=LONG)


async def silences(block: Callable[[], object]) -> list[Silence]:
    """Return what a watchdog of this loop reports of this function."""
    noted: list[Silence] = []
    watchdog = LoopWatchdog(noted.append)
    watchdog.start()
    await asyncio.sleep(2 * BEAT_SECONDS)
    block()
    async with asyncio.timeout(20):
        while not noted or watchdog.lag(time.monotonic()):  # noqa: ASYNC110 - a thread reports it
            await asyncio.sleep(0.01)
    return noted


async def test_a_loop_that_computes_is_reported_with_the_code_and_no_values() -> None:
    noted = [one for one in await silences(lambda: compute(4 * LONG)) if one.kind == "computed"]
    assert noted
    assert any(line.endswith(" compute") and ":" in line for line in noted[0].where), noted
    assert noted[0].cpu_seconds > SILENT_SECONDS


async def test_many_short_steps_of_one_round_are_a_silence() -> None:
    loop = asyncio.get_running_loop()

    def steps() -> None:
        for _ in range(100):
            loop.call_soon(compute, LONG / 100)

    assert [one.kind for one in await silences(steps)] == ["computed"]


async def test_code_in_c_that_lets_no_other_thread_run_is_reported() -> None:
    noted = await silences(compute_in_one_call)
    assert any(one.kind == "computed" for one in noted)


async def test_a_blocking_call_is_reported_where_it_stands() -> None:
    for blocking in (sleep, wait_for_a_lock):
        noted = [one for one in await silences(blocking) if one.kind == "blocked"]
        assert noted, blocking.__name__
        assert noted[0].where[-1].endswith(f" {blocking.__name__}")


async def test_a_loop_that_waits_for_other_threads_is_not_blocked_by_its_call() -> None:
    begin = threading.Event()

    def compute_then() -> None:
        begin.wait()
        compute(LONG / 4)

    threads = [threading.Thread(target=compute_then) for _ in range(12)]
    for each in threads:
        each.start()

    nothing: dict[int, int] = {}

    def wait_for_the_interpreter() -> None:
        begin.set()
        while any(each.is_alive() for each in threads):
            nothing.get(0)

    noted = await silences(wait_for_the_interpreter)
    assert all(one.kind != "blocked" for one in noted)


async def test_a_loop_that_waits_for_events_is_not_silent() -> None:
    noted: list[Silence] = []
    watchdog = LoopWatchdog(noted.append)
    watchdog.start()
    await asyncio.sleep(LONG)
    assert not [one for one in noted if one.kind != "waited"]
    assert watchdog.lag(time.monotonic()) < LONG


def test_a_loop_that_is_not_run_is_not_silent() -> None:
    noted: list[Silence] = []

    async def begin() -> None:
        LoopWatchdog(noted.append).start()

    with asyncio.Runner() as runner:
        runner.run(begin())
        compute(LONG)
        runner.run(asyncio.sleep(2 * BEAT_SECONDS))
    assert not [one for one in noted if one.kind == "computed"]


@pytest.mark.holds_loop("it is the silence that is to be noticed")
async def test_a_silence_that_lasts_is_reported_before_it_ends_and_is_the_lag(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop_watchdog, "HUNG_SECONDS", LONG)
    measured = Measures()
    monkeypatch.setattr(loop_watchdog, "measures", measured)
    noted: list[Silence] = []
    lags: list[float] = []
    watchdog = LoopWatchdog(noted.append)
    watchdog.start()
    await asyncio.sleep(2 * BEAT_SECONDS)
    noted.clear()
    end = time.monotonic() + 20
    while not noted and time.monotonic() < end:
        lags.append(watchdog.lag(time.monotonic()))
    assert not noted[0].over
    assert max(lags) > SILENT_SECONDS
    async with asyncio.timeout(20):
        while watchdog.lag(time.monotonic()):  # noqa: ASYNC110 - a thread notices
            await asyncio.sleep(0.01)
    assert watchdog.worst(time.monotonic()) >= max(lags)
    monkeypatch.setattr(loop_watchdog, "WORST_SECONDS", BEAT_SECONDS)
    async with asyncio.timeout(20):
        while watchdog.worst(time.monotonic()) >= max(lags):  # noqa: ASYNC110 - time passes
            await asyncio.sleep(0.01)
    assert not [one for one in noted[1:] if one.seconds >= noted[0].seconds], "and once"
    assert [name for name, _, _ in measured.samples].count("teimoso_loop_silences") > 0


async def test_the_line_names_code_alone(capsys: pytest.CaptureFixture[str]) -> None:
    loop_watchdog.report(Silence("computed", 0.25, 0.2, ("module:1 name",)))
    assert loop_watchdog.LOOP_SILENT in capsys.readouterr().out


def test_the_start_of_a_thread_is_no_blocking_call() -> None:
    found = []
    thread = threading.Thread(target=int)
    began = thread._started  # type: ignore[attr-defined]

    def wait() -> None:
        found.append(loop_watchdog.blocks(sys._getframe(1)))
        threading.Event.wait(began)

    began.wait = wait
    thread.start()
    thread.join()
    assert found == [False]
