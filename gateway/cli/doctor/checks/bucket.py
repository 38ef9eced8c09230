"""Checks for `teimoso doctor` that the backup bucket accepts writes and that the newest backups can be decrypted."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from actors.connection.backup.bucket.port import BucketAway, Conflict
from actors.connection.backup.keyring import WrongKey
from actors.connection.backup.open_vault import open_bucket, open_vault
from gateway.cli.doctor.check_result import fail, ok
from supervision.jobs.verify_backups import verified

if TYPE_CHECKING:
    from actors.config.settings import Settings
    from gateway.cli.doctor.check_result import CheckResult

PROBE = "probe/doctor"
TRIED = 3
"""Connections whose newest copies are opened, to see whether the key is theirs."""


async def bucket(settings: Settings) -> list[CheckResult]:
    """Whether copies can be written there, and opened again."""
    place = settings.bucket_directory
    if place is not None and not place.exists() and not settings.state_file.exists():
        return [ok("bucket", f"{place} is made by the first start")]
    reached = open_bucket(settings)
    try:
        await reached.list("probe/")
        with suppress(Conflict):  # what is left of a doctor who was killed
            await reached.write(PROBE, b"teimoso doctor")
        await reached.delete(PROBE)
    except BucketAway as away:
        return [fail("bucket", f"it does not answer: {away.reason}", _remedy(away.reason))]
    good = ok("bucket", "it is written and read; `teimoso backup verify` reads all that is in it")
    return [good, await _opens(settings)]


async def _opens(settings: Settings) -> CheckResult:
    vault = open_vault(settings, open_bucket(settings))
    newest = {copy.connection: copy for copy in await vault.copies()}
    with tempfile.TemporaryDirectory(prefix="teimoso-doctor-") as scratch:
        for copy in list(newest.values())[:TRIED]:
            try:
                found = await verified(vault, copy, Path(scratch))
            except BucketAway as away:
                return fail("bucket", f"it stopped to answer: {away.reason}", _remedy(away.reason))
            if not found["ok"]:
                do = (
                    "put the former key behind the new one, with a comma; without it they are lost"
                    if found["code"] == WrongKey.code
                    else f"`teimoso backup verify {copy.connection} --all` says which others are whole"
                )
                return fail("session key", f"the copy of {copy.connection}: {found['why']}", do)
    return ok("session key", f"it opens the copies of {min(TRIED, len(newest))} connections")


def _remedy(reason: str) -> str:
    remedies = {
        "no_such_bucket": "make it, or correct STORAGE_BUCKET",
        "ENOENT": "mount it, or correct STORAGE_BUCKET",
        "ENOTDIR": "STORAGE_BUCKET names a file: name a directory",
        "Forbidden": "its service account needs roles/storage.objectAdmin on it",
        "EACCES": "let the user of the service write there",
        "EROFS": "let the user of the service write there",
        "DefaultCredentialsError": "GOOGLE_APPLICATION_CREDENTIALS names a service account's file",
    }
    return remedies.get(reason, "the network, STORAGE_BUCKET, and Google's status page")
