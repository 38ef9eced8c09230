"""Each job: a trial changes nothing, a run does it and tells how far it is, a second run harms nothing."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import stat
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from actors.connection.abilities.app_state_changes import AppStateChange
from actors.connection.backup.backup_format import Header, seal
from actors.connection.backup.keyring import Keyring
from actors.connection.backup.open_vault import open_bucket, open_vault
from actors.connection.backup.vault import SessionCopy
from actors.connection.session.session import Session
from actors.queue.outbound_queue import OutboundQueue, Send
from actors.redis.leases.leases import Leases, Owner
from actors.runtime import host_identity
from actors.state.account.app_state import changing
from actors.state.connections import Connections
from actors.state.documents import CONTACTS, MESSAGES
from supervision.jobs import JOB_MODULES
from supervision.jobs.__main__ import module

if TYPE_CHECKING:
    from pathlib import Path

    from redis.asyncio import Redis

    from actors.state.documents import Documents, Write

from tests.integration.jobs.place import ANA, DAY, GONE, ID, NEW, OLD, SECRET, SHOP, Place


def test_dead_letters_are_sent_again(place: Place) -> None:
    async def die(redis: Redis, _: Documents) -> None:
        lanes = OutboundQueue(redis, place.settings)
        lease = await Leases(redis).take(ID, Owner("connection:1", 7, "node"))
        for number in range(12):
            record = (await lanes.accept(Send(ID, ANA, SECRET))).record
            await lanes.claims.claim(ID, lease.epoch, 1, time.time())
            code = "not_on_whatsapp" if number < 5 else "ack_timeout"
            await lanes.claims.fail(
                ID,
                lease.epoch,
                record.id,
                code=code,
                permanent=True,
                uncertain=False,
                retry_at=None,
                now=time.time(),
            )

    async def dead(redis: Redis, _: Documents) -> int:
        return len(await OutboundQueue(redis, place.settings).dead_letters.page(ID, 100))

    place.do(die)
    assert place.do(dead) == 12
    assert place.result("redrive", "--dry-run") == {"letters": 12}
    assert place.result("redrive", "--code", "ack_timeout", "--dry-run") == {"letters": 7}
    assert place.do(dead) == 12, "a trial sends none"
    assert place.result("redrive", "--code", "ack_timeout", "--connection", SHOP) == {"letters": 7}
    assert place.do(dead) == 5
    told = place.run("redrive")
    assert told[0] == {"job": "redrive", "connection": SHOP, "letters": 5}
    assert place.result("redrive") == {"letters": 0}
    place.refused("unknown_connection", "redrive", "--connection", "other")


async def _store(documents: Documents) -> dict[str, float]:
    """Messages of every status, each of them a hundred days old but one."""
    now = time.time()
    statuses = ("received", "sent", "delivered", "read", "cancelled")
    kept = ("queued", "waiting", "sending", "accepted", "a status of tomorrow")
    ages = dict.fromkeys((*statuses, *kept), 100.0) | {"dead": 100.0}
    for status, age in ages.items():
        message = {"at": now - age * DAY, "status": status, "connection": ID, "text": SECRET}
        await documents.set(MESSAGES, f"old {status}", message)
    for name, status, age in (("young", "sent", 10.0), ("young dead", "dead", 35.0)):
        message = {"at": now - age * DAY, "status": status, "connection": ID, "text": SECRET}
        await documents.set(MESSAGES, name, message)
    return ages


def test_old_messages_are_removed_and_what_is_open_stays(place: Place) -> None:
    async def there(_: Redis, documents: Documents) -> set[str]:
        return {item["id"] for item in (await documents.query(MESSAGES)).items}

    ages = place.do(lambda _, documents: _store(documents))
    before = place.do(there)
    gone = {f"old {one}" for one in ("received", "sent", "delivered", "read", "cancelled", "dead")}
    assert len(before) == len(ages) + 2
    assert place.result("prune-messages", "--days", "30", "--dry-run") == {"removed": len(gone)}
    assert place.do(there) == before
    told = place.run("prune-messages", "--days", "30", "--connection", SHOP)
    assert told[0]["looked"] >= told[0]["removed"] > 0
    assert told[-1]["result"] == {"removed": len(gone)}
    assert place.do(there) == before - gone, "a letter of 35 days can still be sent again"
    assert place.result("prune-messages", "--days", "30") == {"removed": 0}
    place.refused("too_few_days", "prune-messages", "--days", "29")


def named(address: str, name: str | None) -> Write:
    change = AppStateChange.contact(address, full_name=name, at=5.0)
    noted = {
        "epoch": 1,
        "key": 1,
        "collection": "critical_unblock_low",
        "news": True,
        "noted_as": "x",
    }
    return changing(ID, {**asdict(change), **noted})


def test_a_connection_is_exported_whole(place: Place) -> None:
    place.do(lambda _, documents: _store(documents))
    place.do(lambda _, documents: documents.batch([named(ANA, "Ana"), named(GONE, None)]))
    trial = place.result("export-connection", SHOP, "--dry-run")
    assert trial == {"messages": 13, "app_state": 1, "file": None}
    assert not (place.data / "exports").exists()
    file = place.data / "exports" / "shop.jsonl"
    file.parent.mkdir(mode=0o700)
    another = file.with_name(".shop2.jsonl.1")
    another.touch()
    file.with_name(".shop.jsonl.1").touch()  # a killed one left it
    for _ in range(2):
        told = place.run("export-connection", SHOP)
        assert told[0] == {"job": "export-connection", "messages": 13}
        assert told[-1]["result"] == {"messages": 13, "app_state": 1, "file": str(file)}
        first, *messages, contact = map(json.loads, file.read_text().splitlines())
        assert (contact["collection"], contact["address"]) == (CONTACTS, ANA)
        assert first["connection"]["id"] == ID
        times = [message["at"] for message in messages]
        assert (len(times), times) == (13, sorted(times))
        assert {message["text"] for message in messages} == {SECRET}
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert set(file.parent.iterdir()) == {file, another}
    place.refused("unknown_connection", "export-connection", "other")
    blocked = place.data / "file"
    blocked.touch()
    place.refused("not_written", "export-connection", SHOP, "--to", str(blocked / "below"))


def test_messages_of_a_deleted_connection_go_by_its_incarnation_alone(place: Place) -> None:
    place.do(lambda _, documents: _store(documents))
    place.do(lambda _, documents: Connections(documents).delete(ID))
    place.do(lambda _, documents: Connections(documents).remove(ID))
    for job in ("export-connection", "prune-messages --days 30 --connection"):
        place.refused("unknown_connection", *job.split(), SHOP)
        place.refused("unknown_connection", *job.split(), f"{SHOP}--ANOTHER00000")
    told = place.run("export-connection", ID)[-1]["result"]
    file = str(place.data / "exports" / f"{ID}.jsonl")
    assert told == {"messages": 13, "app_state": 0, "file": file}
    first = json.loads((place.data / "exports" / f"{ID}.jsonl").read_text().splitlines()[0])
    assert first == {"connection": {"name": SHOP, "id": ID, "deleted": True}}
    assert place.result("prune-messages", "--days", "30", "--connection", ID) == {"removed": 6}


def copy_of_a_newer_release(place: Place, session: Path, bucket: Path) -> None:
    position = Session.stored_position(session)
    with sqlite3.connect(session) as file:
        file.execute("PRAGMA user_version = 999")
    file.close()
    target = bucket / SessionCopy("newer", position).name
    target.parent.mkdir()
    keyring = Keyring.of(NEW)
    with session.open("rb") as stream:
        pieces = seal(stream, Header("newer", *position, at=time.time()), keyring)
        target.write_bytes(b"".join(pieces))


def test_copies_are_verified_and_put_under_the_newest_key(place: Place) -> None:
    place.refused("no_bucket", "verify-backups")
    bucket = place.data / "bucket"
    bucket.mkdir()
    place.set(storage_bucket=str(bucket), session_encryption_key=OLD)
    for name in (ID, "other"):
        session = place.data / "sessions" / name / "session.db"
        session.parent.mkdir(parents=True)
        Session.open(session, 1).close()
        vault = open_vault(place.settings, open_bucket(place.settings))
        assert asyncio.run(vault.back_up(name, session, place.data / "scratch"))
    assert place.result("verify-backups", "--dry-run") == {"copies": 2, "damaged": 0}
    told = place.run("verify-backups")
    assert [(one["done"], one["of"], one["ok"]) for one in told[:2]] == [(1, 2, True), (2, 2, True)]
    assert place.result("verify-backups", "--connection", SHOP) == {"copies": 1, "damaged": 0}

    place.set(storage_bucket=str(bucket), session_encryption_key=f"{NEW},{OLD}")
    assert place.result("rewrap-keys", "--dry-run") == {"copies": 2, "rewrapped": 2}
    told = place.run("rewrap-keys")
    assert [(one["done"], one["of"]) for one in told[:2]] == [(1, 2), (2, 2)]
    assert told[-1]["result"] == {"copies": 2, "rewrapped": 2}
    assert place.result("rewrap-keys") == {"copies": 2, "rewrapped": 0}
    place.set(storage_bucket=str(bucket), session_encryption_key=NEW)
    assert place.result("verify-backups") == {"copies": 2, "damaged": 0}

    copy_of_a_newer_release(place, session, bucket)
    told = place.run("verify-backups", "--connection", "newer", status=1)
    assert (told[0]["code"], told[0]["why"]) == ("session_too_new", "A newer release wrote it.")

    (sealed,) = (bucket / "sessions" / ID).glob("*-*")
    sealed.write_bytes(sealed.read_bytes()[:-1])
    place.refused("backup_damaged", "verify-backups")
    place.set(storage_bucket=str(bucket), session_encryption_key=OLD)
    place.refused("backup_damaged", "verify-backups", "--connection", "other")  # its key is gone


def test_a_connection_that_is_not_back_fails_the_job(place: Place) -> None:
    async def asked(_: Redis, documents: Documents) -> int:
        found = await Connections(documents).get(SHOP)
        assert found is not None
        return found.recover

    async def opens(redis: Redis, owner: Owner) -> None:
        lease = await Leases(redis).take(ID, owner)
        await Leases(redis).report(ID, lease.epoch, state="open", cause=None, since=1.0)

    async def fall(redis: Redis, _: Documents) -> None:
        await opens(redis, Owner("connection:0", os.getpid(), host_identity.here(), "0:0"))

    async def serve(redis: Redis, _: Documents) -> None:
        await opens(redis, Owner("connection:1", 7, "node"))

    assert place.result("recover-connection", "--dry-run") == {"connections": 1, "asked": [SHOP]}
    assert place.do(asked) == 0
    told = place.run("recover-connection", SHOP, "--within", "0.6", status=1)
    assert told[0] == {"job": "recover-connection", "connection": SHOP, "asked": True}
    assert told[-1]["code"] == "not_recovered"
    assert told[-1]["error"] == "Not back within 0.6 s: shop."
    assert place.do(asked) == 1
    place.do(fall)
    dry = place.result("recover-connection", "--dry-run")
    assert dry == {"connections": 1, "asked": [SHOP]}, "its owner is gone, and was open"
    place.do(serve)
    assert place.result("recover-connection") == {"connections": 1, "asked": []}
    assert place.do(asked) == 1, "one that is open is left alone"
    place.refused("unknown_connection", "recover-connection", "other")


def test_options_that_are_wrong_are_reported_as_a_failure(place: Place) -> None:
    needed = place.refused("invalid_options", "prune-messages")
    assert needed == "The following arguments are required: --days."
    assert "supervision" not in place.refused("invalid_options", "redrive", "--colour", "blue")


@pytest.mark.parametrize("job", JOB_MODULES)
def test_every_job_says_what_it_is(job: str) -> None:
    assert (module(job).__doc__ or "").strip().endswith(".")
