"""A Redis Cluster is refused with a sentence: what concerns all connections is in no single slot."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.keeper.test_refused_starts import sentence, teimoso
from tests.processes.valkey import PASSWORD, Valkey, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SENTENCE = "is a node of a Redis Cluster"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[str]:
    """Returns the URL of a server that is a node of a cluster."""
    with Valkey(tmp_path / "valkey", options={"cluster-enabled": "yes"}) as server:
        yield f"redis://:{PASSWORD}@127.0.0.1:{server.port}/0"


def test_a_start_is_refused(tmp_path: Path, node: str) -> None:
    data = tmp_path / "data"
    done = teimoso("up", "--detach", "--port", str(free_port()), "--data", data, REDIS_URL=node)
    assert SENTENCE in sentence(done)
    assert "REDIS_URL" in done.stderr
    assert PASSWORD not in done.stderr
    assert not data.exists()


def test_the_doctor_says_so(tmp_path: Path, node: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    done = teimoso("doctor", "--json", "--data", data, REDIS_URL=node)
    [found] = [each for each in json.loads(done.stdout)["findings"] if each["check"] == "redis"]
    assert SENTENCE in found["found"], found
    assert done.returncode == 1
