from __future__ import annotations

from typing import Any

import pytest

from actors.redis.client import memory_of

GIB = 2**30
MACHINE = {"used_memory": 1000, "total_system_memory": 8 * GIB}


@pytest.mark.parametrize(
    ("told", "limit", "contained", "bound"),
    [
        ({**MACHINE, "maxmemory": 0}, 0, None, 4 * GIB),
        ({**MACHINE, "maxmemory": 0}, GIB, None, GIB),
        ({**MACHINE, "maxmemory": 6 * GIB}, 0, None, int(5.4 * GIB)),
        ({**MACHINE, "maxmemory": 10 * GIB}, 0, None, 4 * GIB),
        ({**MACHINE, "maxmemory": 10 * GIB}, GIB, None, GIB),
        ({**MACHINE, "maxmemory": 1000}, GIB, None, 900),
        ({"used_memory": 1000}, 0, None, None),
        ({**MACHINE, "maxmemory": 0}, 0, 2 * GIB, GIB),
        ({**MACHINE, "maxmemory": 0}, 0, 16 * GIB, 4 * GIB),
        ({**MACHINE, "maxmemory": 0}, 3 * GIB, 2 * GIB, 3 * GIB),
        ({**MACHINE, "maxmemory": GIB}, 0, 2 * GIB, int(0.9 * GIB)),
        ({**MACHINE, "maxmemory": 6 * GIB}, 0, 2 * GIB, GIB),
        ({"used_memory": 1000}, 0, 2 * GIB, None),
    ],
)
def test_the_bound_is_what_is_set_and_leaves_room_below_maxmemory(
    told: dict[str, Any], limit: int, contained: int | None, bound: int | None
) -> None:
    found = memory_of(told, limit, contained=contained)
    assert (found.used, found.limit) == (1000, bound)
    assert found.full == (bound == 900)
