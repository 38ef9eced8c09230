from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.runtime.backoff import DoublingPause, backoff, doubled, persist


@pytest.mark.parametrize(
    ("failures", "chance", "floor", "seconds", "remark"),
    [
        (1, 0.0, 0.0, 0.0, "without a floor it reaches down to nothing"),
        (1, 0.5, 0.0, 0.5, "half of the base"),
        (2, 0.5, 0.0, 1.0, "doubled"),
        (5, 0.5, 0.0, 8.0, "2 ** 4, halved"),
        (9, 0.5, 0.0, 30.0, "capped at 60"),
        (10_000, 0.5, 0.0, 30.0, "no overflow"),
        (0, 0.5, 0.0, 0.5, "a failure that never was counts as the first"),
        (1, 0.0, 0.5, 0.5, "never below the floor"),
        (1, 0.5, 0.5, 0.75, "jitter above the floor alone"),
        (9, 0.0, 0.5, 30.0, "up to half of the cap"),
    ],
)
def test_backoff(failures: int, chance: float, floor: float, seconds: float, remark: str) -> None:
    assert backoff(failures, 1.0, 60.0, chance, floor=floor) == pytest.approx(seconds), remark


@pytest.mark.parametrize(
    ("failures", "seconds", "remark"),
    [
        (0, 1.0, "a failure that never was counts as the first"),
        (1, 1.0, "the first pause"),
        (2, 2.0, "doubled"),
        (5, 16.0, "2 ** 4"),
        (7, 60.0, "the longest"),
        (10_000, 60.0, "no overflow"),
    ],
)
def test_a_pause_doubles_up_to_the_longest(failures: int, seconds: float, remark: str) -> None:
    assert doubled(failures, 1.0, 60.0) == seconds, remark


def test_the_pause_of_a_loop_doubles_until_it_succeeds() -> None:
    pause = DoublingPause(0.2, 1.0)
    assert [pause.next() for _ in range(4)] == [0.2, 0.4, 0.8, 1.0]
    pause.reset()
    assert [pause.next(), pause.next()] == [0.2, 0.4]


@given(st.integers(1, 100), st.floats(0, 1), st.floats(0, 1))
def test_the_pause_stays_between_floor_and_cap(failures: int, chance: float, floor: float) -> None:
    pause = backoff(failures, 0.5, 60.0, chance, floor=floor)
    assert backoff(failures, 0.5, 60.0, 0.0, floor=floor) <= pause <= 60.0 + 1e-9


async def test_what_is_away_is_asked_until_it_answers() -> None:
    answers = [TimeoutError(), TimeoutError(), "there"]

    async def step() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    assert await persist(step, TimeoutError, first=0.001, longest=0.002) == "there"
    assert not answers


async def test_the_pauses_double_up_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def step() -> str:
        if len(pauses) < 6:
            raise TimeoutError
        return "there"

    monkeypatch.setattr("asyncio.sleep", sleep)
    assert await persist(step, TimeoutError, first=0.5, longest=3.0) == "there"
    assert pauses == [0.5, 1.0, 2.0, 3.0, 3.0, 3.0]


async def test_what_is_not_awayness_is_raised_at_once() -> None:
    tries = []

    async def step() -> None:
        tries.append(1)
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - the step's own
        await persist(step, TimeoutError, first=0.001, longest=0.002)
    assert len(tries) == 1
