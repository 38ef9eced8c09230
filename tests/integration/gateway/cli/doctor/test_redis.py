"""`teimoso doctor` and Redis: each mistake is made for real, and is a finding that says what to do."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

import pytest

from actors.redis.client import connect
from gateway.cli.doctor.checks.redis import redis as redis_findings
from tests.integration.gateway.cli.doctor.examination import ROOT, apart, failed
from tests.processes.valkey import PASSWORD, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.gateway.cli.doctor.examination import Examine
    from tests.processes.valkey import Valkey


def test_redis_is_not_there(data: Path, doctor: Examine) -> None:
    port = free_port()
    do = failed(doctor(data, REDIS_HOST="127.0.0.1", REDIS_PORT=port), "redis", "does not answer")
    assert "REDIS_HOST" in do


def test_the_password_of_redis_is_wrong(data: Path, own_valkey: Valkey, doctor: Examine) -> None:
    url = f"redis://:wrong@127.0.0.1:{own_valkey.port}/0"
    said = f"127.0.0.1:{own_valkey.port} does not take the password"
    assert "requirepass" in failed(doctor(data, REDIS_URL=url), "redis", said)
    none = f"redis://127.0.0.1:{own_valkey.port}/0"
    assert failed(doctor(data, REDIS_URL=none), "redis", "does not take the password")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("appendonly", "no"),
        ("appendfsync", "everysec"),
        ("maxmemory-policy", "allkeys-lru"),
    ],
)
def test_redis_does_not_keep_what_it_acknowledges(
    data: Path, own_valkey: Valkey, doctor: Examine, name: str, value: str
) -> None:
    asyncio.run(command(own_valkey, "CONFIG", "SET", name, value))
    examined = doctor(
        data, REDIS_HOST="127.0.0.1", REDIS_PORT=own_valkey.port, REDIS_PASSWORD=PASSWORD
    )
    assert "CONFIG SET" in failed(examined, "durability", f"{name} is {value}")


async def command(server: Valkey, *words: str) -> None:
    redis = connect(server.settings())
    await redis.execute_command(*words)  # type: ignore[no-untyped-call]
    await redis.aclose()


def test_a_redis_that_forbids_config_is_a_warning(own_valkey: Valkey) -> None:
    asyncio.run(command(own_valkey, "ACL", "SETUSER", "default", "-config", "-info"))
    answers, durable = asyncio.run(redis_findings(own_valkey.settings()))
    assert answers.result == "ok"
    assert answers.found.endswith(" ms")
    assert durable.result == "warn"
    assert "appendfsync is not known" in durable.found


@pytest.mark.parametrize(("limit", "result"), [(2**40, "ok"), (1, "fail")])
def test_redis_is_full(own_valkey: Valkey, limit: int, result: str) -> None:
    found = asyncio.run(redis_findings(own_valkey.settings(max_redis_memory=limit)))
    (memory,) = [each for each in found if each.check == "redis memory"]
    assert memory.result == result
    assert ("sends are refused" in memory.found) == (result == "fail")


def test_the_clock_is_wrong(data: Path, tmp_path: Path, own_valkey: Valkey) -> None:
    clock = tmp_path / "offset"
    clock.write_bytes(struct.pack("d", -3600.0))
    examined = apart(
        data,
        PYTHONPATH=str(ROOT / "tests" / "chaos" / "overlay"),
        TEST_CLOCK=str(clock),
        REDIS_HOST="127.0.0.1",
        REDIS_PORT=str(own_valkey.port),
        REDIS_PASSWORD=PASSWORD,
    )
    assert "set-ntp" in failed(examined, "redis clock", "3600 s behind theirs")
