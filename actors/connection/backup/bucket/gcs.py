"""Implements the bucket interface by Google's Cloud Storage client, for bucket actor, gateway, CLI and `teimoso jobs`."""

from __future__ import annotations

import hashlib
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from google.api_core.exceptions import GoogleAPIError, NotFound, PreconditionFailed
from google.auth.exceptions import GoogleAuthError
from google.cloud import storage  # type: ignore[attr-defined]
from google.cloud.storage.exceptions import DataCorruption
from google.cloud.storage.retry import DEFAULT_RETRY
from requests.exceptions import RequestException

from actors.connection.backup.bucket.blocking_bucket import BlockingBucket
from actors.connection.backup.bucket.port import BucketAway, BucketObject, Conflict, Content

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GCS_CONNECT_SECONDS: Final = 5.0
GCS_ANSWER_SECONDS: Final = 20.0
RETRIED: Final = 15.0
"""Seconds until it answers, and for which a failed request is repeated."""

DIGEST_METADATA: Final = "sha256"


class GcsBucket(BlockingBucket):
    """A bucket of Google's. Bytes that are read are those that were written, or `BucketAway` is raised."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._client: storage.Client | None = None

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except PreconditionFailed:
            raise Conflict from None
        except NotFound:
            raise BucketAway("no_such_bucket") from None
        except DataCorruption:
            raise BucketAway("damaged_on_the_way") from None
        except (GoogleAPIError, GoogleAuthError, RequestException, OSError) as error:
            # The name only: Google's text quotes URLs with the bucket's name.
            raise BucketAway(type(error).__name__) from None

    def _write(self, name: str, data: bytes, replaces: int) -> int:
        digest = hashlib.sha256(data).hexdigest()
        blob = self._bucket().blob(name)
        blob.metadata = {DIGEST_METADATA: digest}
        try:
            blob.upload_from_string(
                data,
                content_type="application/octet-stream",
                if_generation_match=replaces,
                checksum="crc32c",
                **_bounds(),
            )
        except PreconditionFailed:
            # A repeated request finds what its first try wrote, when that answer was lost.
            there = self._bucket().get_blob(name, **_bounds())
            if there is None or (there.metadata or {}).get(DIGEST_METADATA) != digest:
                raise
            return int(there.generation)
        return int(blob.generation)

    def _read(self, name: str) -> Content | None:
        blob = self._bucket().get_blob(name, **_bounds())
        if blob is None:
            self._demand()
            return None
        generation = int(blob.generation)
        try:
            data = blob.download_as_bytes(if_generation_match=generation, **_bounds())
        except NotFound:
            return None
        except PreconditionFailed:
            raise BucketAway("changed_meanwhile") from None
        digest = (blob.metadata or {}).get(DIGEST_METADATA)
        if digest is not None and digest != hashlib.sha256(data).hexdigest():
            raise BucketAway("damaged_on_the_way")
        return Content(generation, data)

    def _list(self, prefix: str) -> Sequence[BucketObject]:
        found = [
            BucketObject(
                blob.name,
                int(blob.generation),
                int(blob.size or 0),
                blob.updated.timestamp() if blob.updated else time.time(),
            )
            for blob in self._bucket().list_blobs(prefix=prefix, **_bounds())
        ]
        return sorted(found, key=lambda entry: entry.name)

    def _delete(self, name: str, generation: int) -> None:
        only = {"if_generation_match": generation} if generation else {}
        try:
            self._bucket().blob(name).delete(**only, **_bounds())
        except NotFound:
            self._demand()

    def _demand(self) -> None:
        """Tell an object that is not there from a bucket that is not."""
        if not self._bucket().exists(**_bounds()):
            raise BucketAway("no_such_bucket")

    def _bucket(self) -> Any:
        if self._client is None:
            self._client = storage.Client()
        return self._client.bucket(self._name)


def _bounds() -> dict[str, Any]:
    """Google's own default goes on for two minutes."""
    return {
        "timeout": (GCS_CONNECT_SECONDS, GCS_ANSWER_SECONDS),
        "retry": DEFAULT_RETRY.with_timeout(RETRIED),
    }
