"""`teimoso doctor` about a Redis that it may not ask everything, and about a bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.redis.client import connect
from actors.settings import Settings
from gateway.cli.doctor import _bucket, _redis

if TYPE_CHECKING:
    from pathlib import Path

    from tests.valkey import Valkey


async def test_a_redis_that_forbids_config_is_a_finding(own_valkey: Valkey) -> None:
    settings = own_valkey.settings()
    answers, durable = await _redis(settings)
    assert (answers.result, durable.result) == ("ok", "ok")
    redis = connect(settings)
    await redis.execute_command("ACL", "SETUSER", "default", "-config")  # type: ignore[no-untyped-call]
    await redis.aclose()
    answers, durable = await _redis(settings)
    assert answers.result == "ok"
    assert durable.result == "warn"
    assert "appendfsync is not known" in durable.found


async def test_a_bucket_that_is_away_is_a_finding(tmp_path: Path) -> None:
    settings = Settings.resolve(storage_bucket=str(tmp_path), session_encryption_key="5e" * 32)
    assert (await _bucket(settings)).result == "ok"
    away = settings.model_copy(update={"storage_bucket": str(tmp_path / "none")})
    found = await _bucket(away)
    assert (found.result, found.found) == ("fail", "it does not answer: ENOENT")
