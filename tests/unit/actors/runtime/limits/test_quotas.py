"""No connection takes the part of another, and no sum goes beyond the total (G13)."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from functools import partial

import pytest

from actors.runtime.limits.limits import Limit, LimitReached
from actors.runtime.limits.quotas import SHARED_UNIT, Quota, units_of

QUOTA = Quota(Limit("EACH", 6, "each", 9), Limit("TOTAL", 20, "total", 9), connections=4)
"""Five parts of 2 are reserved, and 10 are shared."""


@pytest.mark.parametrize(
    ("total", "connections", "reserved", "shared"),
    [
        (20, 4, 2, 10),
        (5, 4, 1, 0),  # one for each, and no more
        (9, 4, 1, 4),
        (3, 4, 0, 3),  # nobody has a part
        (10**9, 100, 4950495, 500000005),
    ],
)
def test_parts_of_a_total(total: int, connections: int, reserved: int, shared: int) -> None:
    quota = Quota(None, Limit("TOTAL", total, "total", 1), connections)
    assert (quota.reserved, quota.shared) == (reserved, shared)
    assert reserved * (connections + 1) + shared == total


@pytest.mark.parametrize(
    ("units", "used", "size", "of"),
    [
        (["a"], {}, 6, None),
        (["a"], {}, 7, "connection"),
        (["a"], {"a": 5}, 1, None),
        (["a"], {"a": 6}, 1, "connection"),
        (["b"], {"a": 6, "c": 6}, 4, None),  # 2 of its own, 2 that are left
        (["b"], {"a": 6, "c": 6}, 5, "instance"),
        (["b"], {"a": 6, "c": 6, "d": 4}, 2, None),  # its own part, whatever the others have
        (["b"], {"a": 6, "c": 6, "d": 4}, 3, "instance"),
        (["b"], {"a": 6, "c": 6, "d": 1}, 4, None),  # below its part nobody takes from the rest
        ([SHARED_UNIT], {}, 12, None),  # `each` is for connections
        ([SHARED_UNIT], {}, 13, "instance"),
        ([SHARED_UNIT], {"a": 6, "c": 6, "d": 4}, 2, None),
        (["a", "b"], {}, 6, None),  # it counts for each
        (["a", "b"], {"c": 6}, 6, "instance"),
        (["a", "b"], {"b": 6}, 1, "connection"),
        (["a"], {"a": 5, "c": 6}, 1, None),  # what it has beyond its part is taken already
    ],
)
def test_room(units: list[str], used: dict[str, int], size: int, of: str | None) -> None:
    if of is None:
        QUOTA.check(units, used, size)
        return
    with pytest.raises(LimitReached) as refused:
        QUOTA.check(units, used, size)
    reached = refused.value
    assert reached.scope == of
    assert reached.retry_after == 9
    assert reached.limit == (QUOTA.total if of == "instance" else QUOTA.each)


def test_a_refusal_tells_the_limit_that_would_do() -> None:
    with pytest.raises(LimitReached) as refused:
        QUOTA.check(["a", "b"], {"a": 20, "b": 3}, 4)
    assert refused.value.needed == 24
    with pytest.raises(LimitReached) as refused:
        QUOTA.check(["b"], {"a": 6, "c": 6, "d": 4}, 3)
    assert refused.value.needed == QUOTA.total.size + 1, (
        "what the others leave is not in one number"
    )


def test_one_more_is_asked_for_without_a_size() -> None:
    QUOTA.check(["a"], {"a": 5})
    with pytest.raises(LimitReached):
        QUOTA.check(["a"], {"a": 6})


@pytest.mark.parametrize(("each", "refused"), [(0, False), (1, True), (2, False)])
def test_a_limit_of_one_is_a_limit_and_of_none_is_none(each: int, *, refused: bool) -> None:
    quota = Quota(Limit("EACH", each, "each", 9), QUOTA.total, QUOTA.connections)
    for check in (partial(quota.check, ["a"], {"a": 1}), partial(quota.check_key, 1)):
        if refused:
            with pytest.raises(LimitReached):
                check()
        else:
            check()


def test_a_total_without_parts_is_full() -> None:
    quota = Quota(None, Limit("TOTAL", 3, "total", 9), 4)
    quota.check(["a"], {"b": 2})
    with pytest.raises(LimitReached):
        quota.check(["a"], {"b": 3})


def test_parts_of_the_living_and_of_the_instance_are_theirs() -> None:
    QUOTA.check(["a"], {"c": 6, "d": 4}, 6, living={"a", "c", "d"})
    QUOTA.check(["a"], {SHARED_UNIT: 8}, 6, living={"a"})


def test_a_deleted_connection_has_no_part() -> None:
    used = {"gone": 9}
    QUOTA.check(["a"], used, 5)
    with pytest.raises(LimitReached):
        QUOTA.check(["a"], used, 5, living={"a"})
    QUOTA.check(["a"], used, 2, living={"a"})
    with pytest.raises(LimitReached):
        QUOTA.check(["a"], {}, 5, elsewhere=8)


def test_a_key_has_no_more_than_a_connection() -> None:
    QUOTA.check_key(5)
    with pytest.raises(LimitReached) as refused:
        QUOTA.check_key(6)
    assert refused.value.scope == "key"
    Quota(Limit("EACH", 0, "each", 1), Limit("TOTAL", 0, "total", 1), 4).check_key(10**6)


def has_room(units: list[str], used: Counter[str], size: int) -> bool:
    try:
        QUOTA.check(units, used, size)
    except LimitReached:
        return False
    return True


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_asked_for_each_gets_its_part_and_the_total_holds(seed: int) -> None:
    chance, used = random.Random(seed), Counter[str]()
    units = ["a", "b", "c", "d", SHARED_UNIT]
    for _ in range(300):
        some = (
            chance.sample(units[:4], chance.randint(1, 4))
            if chance.random() < 0.9
            else [SHARED_UNIT]
        )
        if chance.random() < 0.3:
            used.subtract(each for each in some if used[each] > 0)
            continue
        size = chance.randint(1, 3)
        part = all(used[each] + size <= QUOTA.reserved for each in some)
        if has_room(some, used, size):
            used.update(dict.fromkeys(some, size))
        else:
            assert not part, "its own part"
        assert used.total() <= QUOTA.total.size
        assert all(used[each] <= 6 for each in units[:4])


@pytest.mark.parametrize("seed", range(20))
def test_what_is_left_is_what_a_check_lets_in(seed: int) -> None:
    chance = random.Random(seed)
    quota = replace(QUOTA, each=None, connections=chance.choice([0, 1, 4, 30]))
    for _ in range(50):
        used = {unit: chance.randint(0, 7) for unit in ("a", "b", "c", SHARED_UNIT)}
        elsewhere = chance.choice([{}, {"elsewhere": 1}, {"elsewhere": 4}])
        for unit in (*used, "d"):
            living = chance.choice([None, {unit}, {unit, "a"}])
            left = quota.left(unit, used, living=living, **elsewhere)
            assert left >= 0
            if left:
                quota.check([unit], used, left, living=living, **elsewhere)
            with pytest.raises(LimitReached):
                quota.check([unit], used, left + 1, living=living, **elsewhere)


def test_a_quota_without_a_total_or_with_too_small_a_one_gets_another() -> None:
    none = replace(QUOTA, total=replace(QUOTA.total, size=0))
    assert QUOTA.within(30) is QUOTA
    assert none.within(30) == replace(QUOTA, total=replace(QUOTA.total, size=30))
    assert QUOTA.at_least(19) == QUOTA.at_least(20) == QUOTA
    assert QUOTA.at_least(21) == replace(QUOTA, total=replace(QUOTA.total, size=21))


def test_units() -> None:
    assert units_of(None) == (SHARED_UNIT,)
    assert units_of({"b", "a"}) == ("a", "b")
