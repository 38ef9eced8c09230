from __future__ import annotations

from typing import Any

import pytest

from actors.redis.client import memory_of

GIB = 2**30
MACHINE = {"used_memory": 1000, "total_system_memory": 8 * GIB}


@pytest.mark.parametrize(
    ("told", "limit", "bound"),
    [
        ({**MACHINE, "maxmemory": 0}, 0, 4 * GIB),
        ({**MACHINE, "maxmemory": 0}, GIB, GIB),
        ({**MACHINE, "maxmemory": 10 * GIB}, 0, 9 * GIB),
        ({**MACHINE, "maxmemory": 10 * GIB}, GIB, GIB),
        ({**MACHINE, "maxmemory": 1000}, GIB, 900),
        ({"used_memory": 1000}, 0, None),
    ],
)
def test_the_bound_is_what_is_set_and_leaves_room_below_maxmemory(
    told: dict[str, Any], limit: int, bound: int | None
) -> None:
    found = memory_of(told, limit)
    assert (found.used, found.limit) == (1000, bound)
    assert found.full == (bound == 900)
