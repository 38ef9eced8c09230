"""Wrong keys are counted by address, and forgiven at an even rate."""

from __future__ import annotations

import pytest

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
