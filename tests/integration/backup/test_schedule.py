"""Backups by the schedule's own actor: a failure is an alert and a finding of the doctor, and the next success ends it."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from actors.connection.session.session import Session
from actors.redis.client import connect
from actors.runtime.sqlite_writer import CopyFailed
from actors.state.documents import HEALTH_ALERTS, INSTANCE_BACKUP
from actors.state.open_store import open_documents
from gateway.cli.doctor.checks.store import store
from supervision.backup import creation, schedule
from supervision.backup.actor import BackupActor
from tests.integration.backup.conftest import EPOCH, KEY
from tests.integration.backup.test_incomplete import damage, session_of
from tests.integration.health.monitored import made
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.config.settings import Settings
    from tests.integration.backup.conftest import Place

FAILED, INCOMPLETE = "instance_backup_failed", "instance_backup_incomplete"
IN_FUTURE = "instance_backup_in_future"


class Watched:
    """A health monitor's rounds, and what they raised."""

    def __init__(self, settings: Settings) -> None:
        self._redis, self.documents = connect(settings), open_documents(settings)
        self._settings = settings
        self._monitor = made(settings, self.documents, self._redis)

    async def close(self) -> None:
        await self.documents.close()
        await self._redis.aclose()

    async def raised(self, *names: str) -> None:
        """Look until these alerts of backups are active, and no other one; the doctor finds them as well."""

        async def look() -> bool:
            await self._monitor.round()
            page = await self.documents.query(HEALTH_ALERTS)
            active = {one["name"] for one in page.items if one["active"]}
            return active & {FAILED, INCOMPLETE, IN_FUTURE} == set(names)

        await eventually(f"the alerts are {names}", look, 20)
        findings = await store(self._settings, runs=True)
        assert sum(one.check == "backup" for one in findings) == len(names)


@asynccontextmanager
async def running(data: Path) -> AsyncIterator[BackupActor]:
    actor = BackupActor(str(data), "backup")
    await actor.start()
    try:
        yield actor
    finally:
        await actor.stop()


@pytest.fixture
def settings(place: Place, monkeypatch: pytest.MonkeyPatch, no_log_file: None) -> Settings:
    monkeypatch.setattr(schedule, "AGAIN", 0.1)
    monkeypatch.setattr(schedule, "TARGET_CHECK_SECONDS", 0.1)
    place.target.mkdir()
    settings = place.settings.model_copy(
        update={"backup_target": str(place.target), "backup_interval": 3_600_000}
    )
    settings.save()
    assert settings.session_encryption_key is not None
    assert settings.session_encryption_key.get_secret_value() == KEY
    return settings


@pytest.fixture
async def watched(settings: Settings) -> AsyncIterator[Watched]:
    seen = Watched(settings)
    yield seen
    await seen.close()


async def test_a_failure_is_seen_until_the_next_success_also_by_another_actor(
    place: Place, settings: Settings, watched: Watched
) -> None:
    in_the_way = place.target / "backups"
    in_the_way.write_text("a file where a directory belongs")
    async with running(settings.data):
        await watched.raised(FAILED)
    await watched.raised(FAILED)
    in_the_way.unlink()
    async with running(settings.data) as successor:
        await watched.raised()
        assert len(list(place.target.glob("backups/*/*"))) == 1
        # While it runs as well.
        shutil.rmtree(in_the_way)
        in_the_way.write_text("and again")
        await watched.raised(FAILED)
        in_the_way.unlink()
        await watched.raised()
        assert (await successor.health())["pid"] > 0


async def test_a_backup_that_does_not_end_is_a_failure(
    settings: Settings, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that does not answer: here a file of a message is a pipe, and nobody writes into it."""
    monkeypatch.setattr(schedule, "MAX_BACKUP_SECONDS", 5.0)
    pipe = settings.data / "media" / "cd" / ("cd" * 32)
    pipe.parent.mkdir()
    os.mkfifo(pipe)
    try:
        async with running(settings.data):
            await watched.raised(FAILED)
            pipe.rename(settings.data / "pipe")
            await watched.raised()
    finally:
        # Each try left a thread that waits for a writer.
        for name in (pipe, settings.data / "pipe"):
            if name.exists():
                os.close(os.open(name, os.O_RDWR))


async def test_each_try_has_a_directory_of_its_own(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A try that was given up may still write into its own, once its disk answers again."""
    tries: list[Path] = []

    async def refused(_settings: Settings, _store: Any, scratch: Path, **_: Any) -> None:
        tries.append(scratch)
        raise CopyFailed

    monkeypatch.setattr(creation, "_create", refused)
    for _ in range(2):
        with pytest.raises(creation.BackupFailed):
            await creation.create(settings, cast("Any", None), runs=False, keep=None)
    assert len(set(tries)) == 2


async def test_a_failure_is_reported_though_the_scratch_cannot_be_removed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that does not answer."""
    answers = threading.Event()

    async def refused(*_: object, **__: object) -> None:
        raise CopyFailed

    monkeypatch.setattr(creation, "SCRATCH_REMOVAL_SECONDS", 0.2)
    monkeypatch.setattr(creation, "_create", refused)
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: answers.wait())
    try:
        with pytest.raises(creation.BackupFailed):
            async with asyncio.timeout(20):
                await creation.create(settings, cast("Any", None), runs=False, keep=None)
    finally:
        answers.set()


async def test_a_damaged_session_is_seen_until_a_backup_has_it(
    place: Place, settings: Settings, watched: Watched
) -> None:
    damage(session_of(settings.data))
    async with running(settings.data):
        await watched.raised(INCOMPLETE)
    # A successor makes none, and knows from the target.
    await watched.documents.set(
        "health_status", INSTANCE_BACKUP, {"backup_failing_since": None, "backup_lacks": []}
    )
    await watched.raised()
    async with running(settings.data):
        await watched.raised(INCOMPLETE)
        session_of(settings.data).unlink()
        Session.open(session_of(settings.data), EPOCH).close()
        shutil.rmtree(place.target / "backups")  # the next one is due
        await watched.raised()
    assert len(list(place.target.glob("backups/*/*"))) == 1


async def test_a_backup_of_the_future_is_an_alert_and_the_next_ones_are_made(
    place: Place, settings: Settings, watched: Watched
) -> None:
    """A clock that was a year ahead for an hour made it; without the alert none was made for a year."""
    made = await asyncio.to_thread(place.back_up_at, time.time() + 365 * 86_400)
    async with running(settings.data):
        await watched.raised(IN_FUTURE)
        assert len(list(place.target.glob("backups/*/*"))) == 2, "one is made all the same"
        (place.target / "backups" / made).unlink()
        await watched.raised()
    assert len(list(place.target.glob("backups/*/*"))) == 1
