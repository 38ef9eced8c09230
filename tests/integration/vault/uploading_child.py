"""Copies a session of some megabytes to a bucket again and again, and says when one is there."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from actors.connection.backup.bucket.directory import DirectoryBucket
from actors.connection.backup.keyring import Keyring
from actors.connection.backup.vault import Vault
from actors.connection.session.session import Session

SIZE = 3_000_000


async def main(bucket: str, file: Path) -> None:
    if bucket.startswith("/"):
        vault = Vault(DirectoryBucket(Path(bucket)), Keyring.of("5e" * 32))
    else:
        from actors.connection.backup.bucket.gcs import GcsBucket

        vault = Vault(GcsBucket(bucket), Keyring.of("5e" * 32))
    session = Session.open(file, 1)
    while True:
        async with session.transaction():
            session.sent.remember("chat", "one", os.urandom(SIZE), 2e9)
        print("begins", flush=True)
        copy = await vault.back_up("shop", file, file.with_name("scratch"))
        assert copy is not None
        print(copy.position.commit, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
