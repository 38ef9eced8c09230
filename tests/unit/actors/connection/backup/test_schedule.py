"""The reported age of a session's copy."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Any, cast

from actors.connection.backup.bucket.directory import DirectoryBucket
from actors.connection.backup.keyring import Keyring
from actors.connection.backup.schedule import BackupSchedule
from actors.connection.backup.vault import Vault
from actors.connection.session.session import Session
from actors.redis.leases.leases import Lease, Leases
from tests.processes.measured import Measured

if TYPE_CHECKING:
    from pathlib import Path


class AgeRecorder:
    async def note_session(self, *_: Any, behind: float | None, **__: Any) -> None:
        self.behind = behind


def safekeeping(place: Path, leases: AgeRecorder, behind: float | None) -> BackupSchedule:
    file = place / "session.db"
    Session.open(file, 1).close()
    bucket = place / "bucket"
    bucket.mkdir()
    lease = Lease("shop", 1, None, "open", None, 0.0, 0.0, 0, None, behind=behind)
    vault = Vault(DirectoryBucket(bucket), Keyring.of("5e" * 32))
    return BackupSchedule(vault, cast("Leases", leases), lease, file, [], every=60)


async def test_a_copy_that_was_made_is_new(tmp_path: Path) -> None:
    """An owner before could not copy it for long; that is over with the first copy."""
    leases, measured = AgeRecorder(), Measured()
    keeping = safekeeping(tmp_path, leases, behind=time.time() - 500)
    assert 499 < keeping.age < 600
    assert await keeping._back_up()
    assert keeping.age < 100
    assert leases.behind is None
    assert measured.rise("teimoso_backups", outcome="kept") == 1


async def test_a_copy_that_fails_leaves_the_age(tmp_path: Path) -> None:
    keeping, measured = safekeeping(tmp_path, AgeRecorder(), behind=None), Measured()
    keeping._kept_at -= 300
    shutil.rmtree(tmp_path / "bucket")
    (tmp_path / "bucket").write_text("no directory")
    assert not await keeping._back_up()
    assert keeping.age >= 300
    assert measured.rise("teimoso_backups", outcome="failed") == 1
    assert measured.rise("teimoso_backups", outcome="kept") == 0
