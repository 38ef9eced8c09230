"""`teimoso doctor` and the instance itself: settings, keys, webhooks, engines, keeper."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from actors.config.sources import resolve_settings
from actors.state.connections import Connections
from actors.state.open_store import open_documents
from actors.state.webhooks import Secret, Webhook, Webhooks
from supervision.keeper.lock import DirectoryLock
from tests.integration.gateway.cli.doctor.examination import API_KEY, begun, failed
from tests.processes.valkey import PASSWORD
from tests.unlimited import UNLIMITED

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.gateway.cli.doctor.examination import Examine
    from tests.processes.valkey import Valkey


def test_nothing_wrong_is_nothing_found(data: Path, own_valkey: Valkey, doctor: Examine) -> None:
    begun(data)
    status, findings = doctor(
        data, REDIS_HOST="127.0.0.1", REDIS_PORT=own_valkey.port, REDIS_PASSWORD=PASSWORD
    )
    assert {name for name, one in findings.items() if one["result"] == "fail"} == set()
    assert status == 0
    assert re.search(r" ms$", findings["redis"]["found"])
    assert re.match(r"Redis holds \d+ MB of \d+ MB$", findings["redis memory"]["found"])
    assert {"redis", "durability", "state store", "api keys", "open files"} <= set(findings)


def test_a_setting_is_wrong(data: Path, doctor: Examine, tmp_path: Path) -> None:
    file = tmp_path / "settings.env"
    file.write_text("STORAGE_BUCKET=sessions\n")
    said = "SESSION_ENCRYPTION_KEY is not valid: STORAGE_BUCKET takes no session without a key"
    assert failed(doctor(data, "--settings", file), "settings", said)
    file.write_text("QUEUE_CONCURENCY=3\n")
    assert failed(doctor(data, "--settings", file), "settings", "QUEUE_CONCURENCY is not a setting")


def test_the_api_key_is_of_another_instance(data: Path, doctor: Examine) -> None:
    begun(data)
    assert doctor(data, TEIMOSO_API_KEY=API_KEY)[0] == 0
    examined = doctor(data, TEIMOSO_API_KEY="tmo_" + "x" * 43)
    assert "keys create" in failed(examined, "api keys", "none of this instance's")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.1.2.3"])
def test_a_webhook_leads_to_a_private_address(data: Path, doctor: Examine, host: str) -> None:
    begun(data)

    async def add() -> None:
        documents = open_documents(resolve_settings(data=data))
        url = f"https://{host}/told"
        await Webhooks(documents).create(
            Webhook("wh_1", url, (Secret("whsec_x"),), 1.0), quota=UNLIMITED
        )
        await documents.close()

    asyncio.run(add())
    assert "WEBHOOK_URL_PRIVATE" in failed(doctor(data), "webhook", f"wh_1 leads to {host}")
    assert doctor(data, WEBHOOK_URL_PRIVATE="true")[0] == 0


def test_connections_that_have_to_be_linked_anew(data: Path, doctor: Examine) -> None:
    """An engine that is gone linked them."""
    begun(data)

    async def add() -> None:
        documents = open_documents(resolve_settings(data=data))
        registry = Connections(documents)
        for name in ("shop", "desk"):
            await registry.create(name, engine="native")
        await registry.create("mature")
        await documents.close()

    asyncio.run(add())
    status, findings = doctor(data)
    assert (status, findings["engine"]["result"]) == (0, "warn")
    assert findings["engine"]["found"].endswith("linked desk, shop")
    assert "link the accounts anew" in findings["engine"]["do"]


def test_another_keeper_has_the_directory(data: Path, doctor: Examine) -> None:
    with DirectoryLock(data):
        assert "--data" in failed(doctor(data), "keeper", "a keeper that is not of this machine")
    assert doctor(data)[0] == 0
