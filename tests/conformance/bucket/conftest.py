"""Each test of this directory runs on every bucket there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.connection.backup.bucket.directory import DirectoryBucket
from tests.processes.gcs import BUCKET, Gcs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.connection.backup.bucket.port import Bucket


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gcs]:
    with Gcs(tmp_path_factory.mktemp("gcs") / "objects") as started:
        yield started


@pytest.fixture(params=["directory", "gcs"])
def bucket(
    request: pytest.FixtureRequest, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> Bucket:
    """Empty of what other tests wrote under the test's own prefix."""
    if request.param == "directory":
        return DirectoryBucket(request.getfixturevalue("tmp_path"))
    from actors.connection.backup.bucket.gcs import GcsBucket

    server: Gcs = request.getfixturevalue("server")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    return GcsBucket(BUCKET)
