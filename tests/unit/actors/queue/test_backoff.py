from __future__ import annotations

import pytest

from actors.queue.backoff import decide, delay

ALMOST_ONE = 0.999_999


@pytest.mark.parametrize(
    ("attempt", "random", "seconds", "remark"),
    [
        (1, 0.0, 0.0, "full jitter reaches down to nothing"),
        (1, 0.5, 0.5, "half of the base"),
        (2, 0.5, 1.0, "doubled"),
        (5, 0.5, 8.0, "2 ** 4, halved"),
        (9, 0.5, 30.0, "capped at 60"),
        (10_000, 0.5, 30.0, "no overflow"),
        (0, 0.5, 0.5, "an attempt that never was counts as the first"),
    ],
)
def test_delay(attempt: int, random: float, seconds: float, remark: str) -> None:
    assert delay(attempt, base=1.0, cap=60.0, random=random) == seconds, remark


@pytest.mark.parametrize(
    ("attempts", "permanent", "retry_at", "remark"),
    [
        (1, False, 100.5, "first failure"),
        (4, False, 104.0, "last but one"),
        (5, False, None, "the last attempt failed"),
        (6, False, None, "beyond it, after the setting was lowered"),
        (1, True, None, "a permanent refusal is dead at once"),
    ],
)
def test_decide(attempts: int, permanent: bool, retry_at: float | None, remark: str) -> None:
    decided = decide(attempts, 5, permanent=permanent, now=100.0, base=1.0, cap=60.0, random=0.5)
    assert decided == retry_at, remark


def test_a_retry_is_never_in_the_past() -> None:
    for attempt in range(1, 5):
        retry_at = decide(
            attempt, 5, permanent=False, now=100.0, base=1.0, cap=60.0, random=ALMOST_ONE
        )
        assert retry_at is not None
        assert 100.0 <= retry_at < 100.0 + 2 ** (attempt - 1)
