"""Token buckets: what they have at once, and how it comes back."""

from __future__ import annotations

from itertools import pairwise

import pytest

from actors.runtime.limits.token_bucket import TokenBucket, TokenBuckets

SIZE, SECONDS = 30, 2.0
FILLED_IN = SIZE * SECONDS
BUCKET = TokenBucket(SIZE, SECONDS)
NOW = 1000.0


@pytest.mark.parametrize(
    ("used", "left", "wait"),
    [
        (0, 29, 0),  # a first token
        (-99 * FILLED_IN, 29, 0),  # what was not taken in time is not saved up
        (SECONDS, 28, 0),
        (FILLED_IN / 2, 14, 0),
        (FILLED_IN - SECONDS, 0, 0),  # the last one
        (FILLED_IN - SECONDS / 2, 0, SECONDS / 2),
        (FILLED_IN, 0, SECONDS),
    ],
)
def test_a_token_of_a_bucket_of_which_was_used(used: float, left: int, wait: float) -> None:
    taken = BUCKET.take(NOW + used, NOW)
    assert taken.left == left
    assert taken.wait == pytest.approx(wait)
    assert taken.full_at == pytest.approx(max(NOW + used, NOW) + (0 if wait else SECONDS))


@pytest.mark.parametrize(("size", "seconds"), [(1, 60.0), (7, 60 / 7), (120_000, 0.0005)])
def test_all_tokens_are_there_at_once_and_no_more(size: int, seconds: float) -> None:
    bucket, full_at, now = TokenBucket(size, seconds), 0.0, 86_400.0 * 7
    for number in range(size):
        taken = bucket.take(full_at, now)
        assert (taken.wait, taken.left) == (0, size - 1 - number)
        full_at = taken.full_at
    assert bucket.take(full_at, now).wait > 0
    assert not bucket.take(full_at, now + seconds).wait


@pytest.mark.parametrize(
    ("tokens", "after", "left"), [(0, 0, 30), (12, 0, 18), (30, 0, 0), (35, 0, -5), (35, 9.0, -0.5)]
)
def test_a_charge_takes_more_than_there_is(tokens: int, after: float, left: float) -> None:
    full_at = BUCKET.charge(0.0, NOW, tokens)
    assert BUCKET.left(full_at, NOW + after) == left
    more = BUCKET.charge(full_at, NOW + after, 1)
    assert BUCKET.left(more, NOW + after) == left - 1
    assert BUCKET.left(more, NOW + 1000 * FILLED_IN) == SIZE


def test_a_drained_bucket_begins_to_fill_at_its_time() -> None:
    full_at = BUCKET.drained(NOW + 100)
    assert BUCKET.left(full_at, NOW + 100) == 0
    assert BUCKET.take(full_at, NOW).wait == 100 + SECONDS
    assert not BUCKET.take(full_at, NOW + 100 + SECONDS).wait


def test_each_name_has_a_bucket_and_a_look_takes_nothing() -> None:
    buckets = TokenBuckets(TokenBucket(2, SECONDS), 10, lambda: NOW)
    for _ in range(3):
        assert buckets.look("a").left == 1
    assert [buckets.take("a").wait for _ in range(3)] == [0, 0, SECONDS]
    assert not buckets.take("b").wait


def test_full_buckets_are_forgotten() -> None:
    now = [0.0]
    buckets = TokenBuckets(BUCKET, 2, lambda: now[0])
    buckets.take("a")
    for _ in range(SIZE):
        buckets.take("b")
    now[0] = 10.0
    buckets.take("c")
    assert set(buckets._full_at) == {"b", "c"}


def test_many_buckets_are_not_looked_through_for_each_name() -> None:
    buckets, made = TokenBuckets(BUCKET, 2, lambda: NOW), list[int]()
    for each in range(100):
        buckets.take(f"{each}")
        made.append(id(buckets._full_at))
    assert len(buckets._full_at) == 100
    assert sum(one != other for one, other in pairwise(made)) < 10
