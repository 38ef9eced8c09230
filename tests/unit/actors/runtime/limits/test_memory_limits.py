"""The memory of a container, by control groups as made-up files have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.runtime.limits.memory_limits import container_memory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

GIB = 2**30
NONE_OF_1 = str(2**63 - 4096)
HYBRID = (
    "12:cpu,cpuacct:/docker/a\n5:hugetlb,memory:/docker/a\n1:name=systemd:/docker/a\n0::/docker/a\n"
)


@pytest.mark.parametrize(
    ("own", "files", "limit"),
    [
        pytest.param("0::/\n", {"memory.max": str(GIB)}, GIB, id="a container with version 2"),
        pytest.param("0::/\n", {"memory.max": "max\n"}, None, id="without a limit"),
        pytest.param("0::/\n", {}, None, id="the root of a host, which has no such file"),
        pytest.param(
            "0::/system.slice/teimoso.service\n",
            {
                "system.slice/teimoso.service/memory.max": "max\n",
                "system.slice/memory.max": f"{2 * GIB}\n",
            },
            2 * GIB,
            id="a slice above a service",
        ),
        pytest.param(
            "0::/a/b\n",
            {"a/b/memory.max": f"{3 * GIB}\n", "a/memory.max": f"{4 * GIB}\n"},
            3 * GIB,
            id="the least of them",
        ),
        pytest.param(
            HYBRID,
            {"memory/docker/a/memory.limit_in_bytes": f"{GIB}\n"},
            GIB,
            id="version 1 beside an empty version 2",
        ),
        pytest.param(
            HYBRID,
            {"memory/memory.limit_in_bytes": f"{GIB}\n"},
            GIB,
            id="version 1, seen as the root",
        ),
        pytest.param(
            "4:memory:/\n",
            {"memory/memory.limit_in_bytes": NONE_OF_1},
            int(NONE_OF_1),
            id="version 1 without a limit",
        ),
        pytest.param("0::/\n", {"memory.max": "nonsense"}, None, id="no number"),
        pytest.param("", {"memory.max": str(GIB)}, None, id="in no group"),
    ],
)
def test_the_least_limit_counts(
    tmp_path: Path, own: str, files: Mapping[str, str], limit: int | None
) -> None:
    listed = tmp_path / "self"
    listed.write_text(own)
    for name, text in files.items():
        file = tmp_path / "groups" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert container_memory(listed, tmp_path / "groups") == limit


def test_a_system_without_control_groups_has_no_limit(tmp_path: Path) -> None:
    assert container_memory(tmp_path / "none", tmp_path) is None
