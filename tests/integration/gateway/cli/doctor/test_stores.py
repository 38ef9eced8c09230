"""`teimoso doctor`, the state store and the bucket, each away, wrong or without its key for real."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from actors.config.sources import resolve_settings
from actors.connection.backup.open_vault import open_bucket, open_vault
from actors.connection.session.session import Session
from actors.runtime.connection_ids import name_of
from actors.state.documents import HEALTH_ALERTS, HEALTH_STATUS, LATEST
from actors.state.open_store import open_documents
from tests.integration.gateway.cli.doctor.examination import apart, begun, failed
from tests.integration.gateway.served import SHOP
from tests.processes.gcs import Gcs
from tests.processes.valkey import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.gateway.cli.doctor.examination import Examine

KEY, OTHER_KEY = "5e" * 32, "6f" * 32


def test_a_bucket_that_is_not_there(data: Path, tmp_path: Path, doctor: Examine) -> None:
    begun(data)
    examined = doctor(data, STORAGE_BUCKET=tmp_path / "none", SESSION_ENCRYPTION_KEY=KEY)
    assert "mount it" in failed(examined, "bucket", "ENOENT")
    (tmp_path / "file").touch()
    examined = doctor(data, STORAGE_BUCKET=tmp_path / "file", SESSION_ENCRYPTION_KEY=KEY)
    assert "name a directory" in failed(examined, "bucket", "ENOTDIR")


def test_a_bucket_of_google_that_is_not_there(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(data)
    with Gcs(tmp_path / "gcs") as server:
        examined = apart(
            data,
            STORAGE_EMULATOR_HOST=server.url,
            STORAGE_BUCKET="a-bucket-of-nobody",
            SESSION_ENCRYPTION_KEY=KEY,
        )
    assert "correct STORAGE_BUCKET" in failed(examined, "bucket", "no_such_bucket")


def test_the_key_is_not_that_of_the_copies(data: Path, tmp_path: Path, doctor: Examine) -> None:
    begun(data)
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    settings = resolve_settings(data=data, storage_bucket=str(bucket), session_encryption_key=KEY)
    session = data / "sessions" / "shop" / "session.db"
    session.parent.mkdir(parents=True)
    Session.open(session, 1).close()
    vault = open_vault(settings, open_bucket(settings))
    assert asyncio.run(vault.back_up(SHOP, session, tmp_path / "scratch"))
    examined = doctor(data, STORAGE_BUCKET=bucket, SESSION_ENCRYPTION_KEY=KEY)
    assert examined[1]["session key"]["result"] == "ok"
    examined = doctor(data, SESSION_ENCRYPTION_KEY=OTHER_KEY)
    assert "former key" in failed(examined, "session key", "none of those in")
    assert [one.name for one in bucket.rglob("doctor*")] == []


def test_documents_that_the_store_refuses(data: Path, doctor: Examine) -> None:
    begun(data)

    async def alert(active: bool) -> None:
        documents = open_documents(resolve_settings(data=data))
        told = {"name": "document_refused", "subject": SHOP, "active": active, "at": 1.0}
        await documents.set(HEALTH_ALERTS, "a", told)
        await documents.close()

    asyncio.run(alert(active=True))
    finding = doctor(data)[1]["refused documents"]
    assert (finding["result"], SHOP in finding["found"]) == ("warn", True)
    assert "teimoso refused list" in finding["do"]
    asyncio.run(alert(active=False))
    assert "refused documents" not in doctor(data)[1]


@pytest.mark.parametrize(
    ("alert", "found", "do"),
    [
        ("disk_reserve", "uploads are refused", "settings set DISK_RESERVE"),
        ("files_deferred", SHOP, "tomorrow"),
    ],
)
def test_files_that_wait(data: Path, doctor: Examine, alert: str, found: str, do: str) -> None:
    begun(data)
    subject = None if alert == "disk_reserve" else SHOP

    async def tell(active: bool) -> None:
        documents = open_documents(resolve_settings(data=data))
        told = {"name": alert, "subject": subject, "active": active, "at": 1.0}
        if alert == "files_deferred":  # a reason alone: it passes by itself
            await documents.set(HEALTH_STATUS, LATEST, {"reasons": [told] if active else []})
        else:
            await documents.set(HEALTH_ALERTS, "a", told)
        await documents.close()

    asyncio.run(tell(active=True))
    finding = doctor(data)[1]["files"]
    assert (finding["result"], found in finding["found"]) == ("warn", True)
    assert do in finding["do"]
    asyncio.run(tell(active=False))
    assert "files" not in doctor(data)[1]


@pytest.mark.parametrize(
    ("subject", "severity", "result"), [(SHOP, "warning", "warn"), (None, "critical", "fail")]
)
def test_a_limit_that_is_nearly_reached(
    data: Path, doctor: Examine, subject: str | None, severity: str, result: str
) -> None:
    begun(data)

    async def tell(name: str) -> None:
        documents = open_documents(resolve_settings(data=data))
        told = {
            "name": name,
            "subject": subject,
            "severity": severity,
            "detail": "It is nearly so.",
        }
        await documents.set(HEALTH_STATUS, LATEST, {"reasons": [told]})
        await documents.close()

    asyncio.run(tell("store_full"))
    finding = doctor(data)[1]["limits"]
    holder = "" if subject is None else f"{name_of(subject)}: "
    assert (finding["result"], finding["found"]) == (result, f"{holder}It is nearly so.")
    assert "teimoso settings set" in finding["do"]
    asyncio.run(tell("queue_backlog"))
    assert "limits" not in doctor(data)[1]


def test_firestore_is_not_there(data: Path) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    examined = apart(data, FIRESTORE_EMULATOR_HOST=nowhere)
    do = failed(examined, "state store", f"{nowhere}, project teimoso, database (default)")
    assert "FIRESTORE_EMULATOR_HOST" in do


def test_the_credentials_of_google_are_missing(data: Path, tmp_path: Path) -> None:
    examined = apart(
        data,
        GOOGLE_CLOUD_PROJECT="shop-project",
        GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path / "none.json"),
    )
    do = failed(examined, "state store", "DefaultCredentialsError")
    assert "GOOGLE_APPLICATION_CREDENTIALS" in do


def test_a_state_store_that_is_no_database(data: Path, doctor: Examine) -> None:
    (data / "state.db").write_bytes(b"no database, and never was one" * 1000)
    assert failed(doctor(data), "state store", "does not answer")
