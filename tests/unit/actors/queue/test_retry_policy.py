from __future__ import annotations

import pytest

from actors.queue.retry_policy import decide

ALMOST_ONE = 0.999_999


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
