"""Wrong keys are counted by address, and forgiven at an even rate."""

from __future__ import annotations

from itertools import pairwise

import pytest

from gateway import wrong_key_limiter
from gateway.http.problems import Problem
from gateway.wrong_key_limiter import QUOTA, WrongKeyLimiter


def test_an_address_tries_so_often_and_again_after_a_while() -> None:
    now = [0.0]
    door = WrongKeyLimiter(lambda: now[0])
    for _ in range(QUOTA):
        door.check("192.0.2.1")
        door.wrong("192.0.2.1")
    with pytest.raises(Problem) as refused:
        door.check("192.0.2.1")
    assert refused.value.kind.status == 429
    now[0] = float(refused.value.headers["Retry-After"])
    door.check("192.0.2.1")
    door.wrong("192.0.2.1")
    with pytest.raises(Problem):
        door.check("192.0.2.1")
    door.check("192.0.2.2")


def test_the_addresses_of_one_network_are_one_person() -> None:
    door = WrongKeyLimiter(lambda: 0.0)
    for each in range(QUOTA):
        door.wrong(f"2001:db8::{each:x}")
    with pytest.raises(Problem):
        door.check("2001:db8::ffff")
    door.check("2001:db8:0:1::1")


def test_who_may_try_as_often_as_ever_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrong_key_limiter, "MAX_ADDRESSES", 2)
    now = [0.0]
    door = WrongKeyLimiter(lambda: now[0])
    door.wrong("192.0.2.1")
    for _ in range(QUOTA):
        door.wrong("192.0.2.2")
    now[0] = 10.0
    door.wrong("192.0.2.3")
    assert set(door._full_at) == {"192.0.2.2", "192.0.2.3"}


def test_many_addresses_are_not_looked_through_with_each_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wrong_key_limiter, "MAX_ADDRESSES", 2)
    door, made = WrongKeyLimiter(lambda: 0.0), list[int]()
    for each in range(100):
        door.wrong(f"192.0.2.{each}")
        made.append(id(door._full_at))
    assert len(door._full_at) == 100
    assert sum(one != other for one, other in pairwise(made)) < 10
