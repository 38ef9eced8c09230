from __future__ import annotations

import pytest

from gateway.http.limits import WINDOW, Limits, judge

QUOTA = 30
COST = WINDOW / QUOTA


@pytest.mark.parametrize(
    ("used", "left", "wait"),
    [
        (0, 29, 0),  # a first request
        (-99 * WINDOW, 29, 0),  # what was not asked for in time is not saved up
        (COST, 28, 0),
        (WINDOW / 2, 14, 0),
        (WINDOW - COST, 0, 0),  # the last one
        (WINDOW - COST / 2, 0, COST / 2),
        (WINDOW, 0, COST),
    ],
)
def test_a_request_of_a_key_that_used(used: float, left: int, wait: float) -> None:
    verdict = judge(1000.0 + used, 1000.0, QUOTA)
    assert verdict.left == left
    assert verdict.wait == pytest.approx(wait)
    assert verdict.full_at == pytest.approx(max(1000.0 + used, 1000.0) + (0 if wait else COST))


@pytest.mark.parametrize("quota", [1, 7, 120_000])
def test_a_key_gets_its_quota_at_once_and_back_at_an_even_rate(quota: int) -> None:
    now = 86_400.0 * 7

    def granted() -> int:
        count = 0
        while limits.take("k")[1] is None:
            count += 1
        return count

    limits = Limits(quota, lambda: now)
    assert granted() == quota
    assert limits.take("another")[1] is None
    now += WINDOW / quota * 1.5
    assert granted() == 1
    now += 10 * WINDOW
    assert granted() == quota


def test_what_is_refused_costs_nothing_and_says_when_to_come_again() -> None:
    now = 5.0
    limits = Limits(2, lambda: now)
    fields, refusal = limits.take("k")
    assert refusal is None
    assert dict(fields) == {
        b"ratelimit-policy": b'"key";q=2;w=60',
        b"ratelimit": b'"key";r=1;t=30',
    }
    limits.take("k")
    for _ in range(100):
        fields, refusal = limits.take("k")
        assert dict(fields)[b"ratelimit"] == b'"key";r=0;t=60'
        assert refusal is not None
        assert refusal.kind.code == "rate_limited"
        assert refusal.headers == {"Retry-After": "30"}
    now += 30
    assert limits.take("k")[1] is None


def test_without_a_limit_nothing_is_counted() -> None:
    limits = Limits(0)
    assert all(limits.take("k") == ((), None) for _ in range(1000))
