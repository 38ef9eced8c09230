"""A tenant whose files the bucket does not give leaves another the bucket, and the gateway's threads (G13)."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

from actors.connection.backup.keyring import Keyring
from tests.integration.gateway.files import send, unlike, upload
from tests.integration.gateway.served import OTHER, SHOP, Gateway
from tests.integration.gateway.tenants.conftest import CONNECTIONS, key_of
from tests.integration.gateway.tenants.raw_requests import answered, begun, request

if TYPE_CHECKING:
    from pathlib import Path

    from tests.processes.valkey import Valkey

TO = "15550100002"
SECRET = "5e" * 32
MANY = 30
"""More than the threads of a gateway."""


def only_there(gateway: Gateway, bucket: Path, files: list[str], *, hang: bool) -> None:
    """Leave these files in the bucket alone; where they `hang`, a read of one has no end."""
    for sha256 in files:
        index = bucket / "media" / Keyring.of(SECRET).pseudonyms(sha256)[0] / "index"
        gateway.until(index.exists, 30)
        (gateway.settings.media / sha256[:2] / sha256).unlink()
        if hang:
            index.unlink()
            os.mkfifo(index)


def test_files_of_a_bucket(valkey: Valkey, tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    flags = {"storage_bucket": str(bucket), "session_encryption_key": SECRET}
    with (
        Gateway(tmp_path / "gateway", valkey, max_connections=CONNECTIONS, **flags) as gateway,
        ExitStack() as held,
    ):
        for connection in (SHOP, OTHER):
            gateway.connect(connection)
        with key_of(gateway, "shop") as greedy, key_of(gateway, "other") as modest:
            wanted: str = upload(modest, unlike())["sha256"]
            hanging = [upload(greedy, unlike())["sha256"] for _ in range(MANY)]
            only_there(gateway, bucket, [wanted], hang=False)
            only_there(gateway, bucket, hanging, hang=True)
            asked = []
            for sha256 in hanging:
                body = {
                    "connection": "shop",
                    "to": TO,
                    "type": "image",
                    "media": {"sha256": sha256},
                }
                sending = request(greedy, "POST", "/api/messages", json.dumps(body).encode())
                asked += held.enter_context(begun(gateway, sending, 1))
            upload(modest, unlike())
            accepted = send(modest, {"sha256": wanted}, connection="other")
            assert accepted.status_code == 202, accepted.text
            assert not answered(asked)
