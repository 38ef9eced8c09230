from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.config.settings import Settings
from actors.runtime.limits.durations import MINUTE
from gateway.http.api_keys import ApiKey
from gateway.http.rate_limiter import MAX_BUCKETS, RateLimiter

if TYPE_CHECKING:
    from actors.runtime.limits.quotas import Quota


def quota_of(each: int = 0, total: int = 0, connections: int = 4) -> Quota:
    flags = {"rate_limit": each, "max_requests": total, "max_connections": connections}
    return Settings.model_validate(flags).request_quota


def key(name: str, *connections: str) -> ApiKey:
    """A key for these connections; for all where there are none."""
    limited = frozenset(connections) if connections else None
    return ApiKey(name, name, frozenset({"send"}), limited, 0.0, name)


K = key("k")


def granted(limits: RateLimiter, asking: ApiKey) -> int:
    count = 0
    while limits.take(asking)[1] is None:
        count += 1
    return count


@pytest.mark.parametrize("quota", [1, 7, 120_000])
def test_a_key_gets_its_quota_at_once_and_back_at_an_even_rate(quota: int) -> None:
    now = 86_400.0 * 7
    limits = RateLimiter(quota_of(quota), lambda: now)
    assert granted(limits, K) == quota
    assert limits.take(key("another"))[1] is None
    now += MINUTE / quota * 1.5
    assert granted(limits, K) == 1
    now += 10 * MINUTE
    assert granted(limits, K) == quota


def test_what_is_refused_costs_nothing_and_says_when_to_come_again() -> None:
    now = 5.0
    limits = RateLimiter(quota_of(2), lambda: now)
    fields, refusal = limits.take(K)
    assert refusal is None
    assert dict(fields) == {
        b"ratelimit-policy": b'"key";q=2;w=60',
        b"ratelimit": b'"key";r=1;t=30',
    }
    limits.take(K)
    for _ in range(100):
        fields, refusal = limits.take(K)
        assert dict(fields)[b"ratelimit"] == b'"key";r=0;t=60'
        assert refusal is not None
        assert refusal.kind.code == "rate_limited"
        assert refusal.headers == {"Retry-After": "30"}
        assert refusal.extra == {"setting": "RATE_LIMIT", "limit": 2, "of": "key"}
    now += 30
    assert limits.take(K)[1] is None


def test_a_connection_gets_no_more_by_many_keys() -> None:
    limits = RateLimiter(quota_of(10), lambda: 5.0)
    assert granted(limits, key("one", "shop")) == 10
    fields, refusal = limits.take(key("two", "shop"))
    assert dict(fields)[b"ratelimit"].startswith(b'"key";r=0')
    assert refusal is not None
    assert refusal.extra["of"] == "connection"
    assert refusal.kind.code == "rate_limited"
    assert granted(limits, key("both", "shop", "other")) == 0, "it counts for each"
    assert granted(limits, key("three", "other")) == 10
    assert granted(limits, K) == 10


def test_greedy_connections_leave_the_others_their_part_of_the_process() -> None:
    """Five parts of 10 are reserved of 100, and 50 go in the order of arrival."""
    now = 5.0
    limits = RateLimiter(quota_of(40, 100), lambda: now)
    assert granted(limits, key("a", "a")) == 40
    assert granted(limits, key("b", "b")) == 30
    fields, refusal = limits.take(key("b", "b"))
    assert dict(fields)[b"ratelimit"].startswith(b'"key";r=9'), "its own quota is not used up"
    assert refusal is not None
    assert (refusal.kind.status, refusal.kind.code) == (503, "instance_limit_reached")
    assert refusal.extra == {"setting": "MAX_REQUESTS", "limit": 100, "of": "instance"}
    assert int(refusal.headers["Retry-After"]) == 2
    assert granted(limits, key("c", "c")) == 10
    assert granted(limits, key("d", "d")) == 10
    assert granted(limits, K) == 10
    now += 2
    assert granted(limits, key("b", "b")) == 1, "what is shared comes back first"


def test_a_process_without_room_for_parts_serves_in_the_order_of_arrival() -> None:
    limits = RateLimiter(quota_of(0, 3), lambda: 5.0)
    assert granted(limits, key("a", "a")) == 3
    assert granted(limits, key("b", "b")) == 0


def test_keys_that_nobody_uses_any_more_are_forgotten() -> None:
    now = 5.0
    limits = RateLimiter(quota_of(60), lambda: now)
    limits.take(K)
    for number in range(3 * MAX_BUCKETS):
        now += 0.001
        connections = ["shop"] if number % 300 == 0 else []
        assert limits.take(key(f"k{number}", *connections))[1] is None
    assert len(limits._full_at) <= 2 * MAX_BUCKETS
    assert granted(limits, key("last", "shop")) < 60, "what is used is not forgotten"


def test_a_process_may_have_parts_alone() -> None:
    limits = RateLimiter(quota_of(0, 5), lambda: 5.0)
    assert [granted(limits, key(name, name)) for name in "abcd"] == [1] * 4
    assert granted(limits, K) == 1
    refusal = limits.take(key("a", "a"))[1]
    assert refusal is not None
    assert refusal.headers == {"Retry-After": "60"}


def test_without_a_limit_nothing_is_counted() -> None:
    limits = RateLimiter(quota_of())
    assert all(limits.take(K) == ((), None) for _ in range(1000))
