"""The share of its limits that a connection, or the instance, has used."""

from __future__ import annotations

import pytest

from actors.redis.client import RedisMemory
from actors.runtime.limits.limit_uses import (
    ALERT_SHARE,
    LimitUse,
    highest,
    limit_use,
    queue_uses,
    quota_uses,
)
from actors.runtime.limits.limits import Limit, LimitReached
from actors.runtime.limits.quotas import SHARED_UNIT, Quota

CONNECTIONS = 4
TOTAL, PART = 1000, 100
"""Half of the total is in five parts: one for each connection, one for what is for all."""


def quota(each: int = 0, total: int = TOTAL) -> Quota:
    limits = (Limit("EACH", each, "each_full", 1), Limit("TOTAL", total, "full", 1))
    return Quota(*limits, CONNECTIONS)


def found(uses: object) -> dict[tuple[str, str | None], tuple[int, int]]:
    assert hasattr(uses, "__iter__")
    return {(use.setting, use.connection): (use.used, use.size) for use in uses}


def test_a_limit_that_is_none_has_no_use() -> None:
    assert limit_use("a", Limit("S", 0, "full", 1), 5) == []
    assert limit_use("a", Limit("S", 10, "full", 1), 5) == [LimitUse("a", "S", 5, 10)]
    assert not list(quota_uses("a", quota(0, 0), {"shop": 5}))
    assert LimitUse("a", "S", 0, 0).share == 1.0


def test_a_connection_has_both_limits_and_the_instance_its_own() -> None:
    uses = quota_uses("a", quota(200), {"shop": 150, "other": 50, SHARED_UNIT: 10}, elsewhere=5)
    assert found(uses) == {
        ("TOTAL", None): (215, TOTAL),
        ("EACH", "shop"): (150, 200),
        ("TOTAL", "shop"): (150, PART + 500 - 5),
        ("EACH", "other"): (50, 200),
        ("TOTAL", "other"): (50, 50 + 50 + 500 - 50 - 5),
    }


@pytest.mark.parametrize("others", [{}, {"other": 40}, {"other": 300}, {"gone": 250}])
def test_the_size_is_where_the_connection_is_refused(others: dict[str, int]) -> None:
    used = {"shop": 120, **others}
    uses = found(quota_uses("a", quota(), used, living={"shop", "other"}))
    _, size = uses["TOTAL", "shop"]
    quota().check(("shop",), used, size - 120, living={"shop", "other"})
    with pytest.raises(LimitReached):
        quota().check(("shop",), used, size - 119, living={"shop", "other"})
    assert not [each for each in uses if each[1] == "gone"], "a deleted connection has no alert"


def test_parts_of_redis_hold_once_the_other_half_is_nearly_used() -> None:
    each, total = Limit("EACH", 1000, "queue_full", 1), Limit("TOTAL", 0, "redis_full", 1)
    used = {"shop": 90, "other": 0}
    half = RedisMemory(500, TOTAL)
    assert found(queue_uses(used, each, total, half, 5)) == {
        ("EACH", "shop"): (90, 1000),
        ("TOTAL", "shop"): (90, PART),
        ("EACH", "other"): (0, 1000),
    }
    nearly = RedisMemory(int(ALERT_SHARE * 500), TOTAL)
    assert ("TOTAL", "shop") in found(queue_uses(used, each, total, nearly, 5))
    before = RedisMemory(int(ALERT_SHARE * 500) - 1, TOTAL)
    for memory in (before, None):
        assert ("TOTAL", "shop") not in found(queue_uses(used, each, total, memory, 5))


def test_of_each_alert_and_connection_the_highest_counts() -> None:
    low, high = LimitUse("a", "S", 1, 10, "shop"), LimitUse("a", "T", 2, 10, "shop")
    other, instance = LimitUse("b", "S", 3, 10, "shop"), LimitUse("a", "S", 4, 10)
    assert highest([low, high, other, instance]) == [high, other, instance]
    assert highest([high, low]) == [high]
