"""The whole tree with a bucket of Google's: a real bucket server, real processes, real kills."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from actors.connection.backup.bucket.gcs import GcsBucket
from actors.connection.backup.open_vault import open_vault
from actors.connection.session.session import Session
from actors.queue.outbound_queue import OutboundQueue, Send
from actors.redis.change_notifications import poke
from actors.state.documents import HEALTH_ALERTS, HEALTH_STATUS, LATEST, MESSAGES, Where
from tests.integration.tree.head import Head, Tree, kill
from tests.processes.gcs import BUCKET, Gcs
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from actors.connection.backup.vault import Vault

pytestmark = pytest.mark.timeout(180)

ACCOUNT, CONTACT = "15550100001", "15550100002"
AWAY = 8.0
"""Seconds for which the bucket is away in the suite; the long test waits five minutes."""


class Stage:
    """The tree, and the bucket that its sessions are kept in."""

    def __init__(self, tree: Tree, gcs: Gcs) -> None:
        self.tree, self.gcs = tree, gcs
        self.lanes = OutboundQueue(tree.redis, tree.head.settings)
        self.said = 0
        self.shop = ""

    @property
    def file(self) -> Path:
        return self.tree.head.settings.sessions / self.shop / "session.db"

    @property
    def vault(self) -> Vault:
        return open_vault(self.tree.head.settings, GcsBucket(BUCKET))

    async def paired(self) -> None:
        there = await self.tree.connections.get("shop")
        if there is not None:
            self.shop = there.id
            return
        await self.tree.complete()
        self.shop = await self.tree.create_new("shop")
        await self.tree.pair(self.shop, ACCOUNT)

    async def talk(self) -> None:
        """A message in each direction: the contact reads one, the state store has the other."""
        self.said += 1
        text = f"text {self.said} {time.monotonic()}"
        await self.lanes.accept(Send(self.shop, f"{CONTACT}@s.whatsapp.net", text))
        body = {"to": ACCOUNT, "text": text}
        said = self.tree.head.simulator.post(f"/contacts/{CONTACT}/say", json=body)
        said.raise_for_status()

    async def all_arrived(self) -> None:
        """Waits until all messages so far arrived, once each, on both sides."""

        async def look() -> bool:
            sent = [item["deliveries"] for item in self.tree.inbox(CONTACT)]
            page = await self.tree.documents.query(MESSAGES, where=[Where("direction", "==", "in")])
            return len(sent) == len(page.items) == self.said

        await eventually(f"{self.said} messages arrived in each direction", look, 40)
        assert {item["deliveries"] for item in self.tree.inbox(CONTACT)} <= {1, 2}

    async def copied(self, seconds: float = 30) -> None:
        """The bucket has the session as it is on the disk."""

        async def look() -> bool:
            position = await asyncio.to_thread(Session.stored_position, self.file)
            copies = await self.vault.copies(self.shop)
            return bool(copies) and copies[-1].position == position

        await eventually("the session is in the bucket", look, seconds)

    async def shown_online(self) -> None:
        """WhatsApp shows the account as online, on a socket that is open."""

        def look() -> bool:
            found = self.tree.head.simulator.get(f"/accounts/{ACCOUNT}").raise_for_status().json()
            return bool(found["online"] and found["available"])

        await eventually("the account is shown as online", look, 20)

    async def health(self, wanted: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            latest = await self.tree.documents.get(HEALTH_STATUS, LATEST)
            return latest if latest is not None and wanted(latest) else None

        return await eventually(what, look, 30)


@pytest.fixture(scope="module")
def gcs() -> Iterator[Gcs]:
    data = Path(tempfile.mkdtemp(prefix="tmo-gcs-"))
    before = os.environ.get("STORAGE_EMULATOR_HOST")
    try:
        with Gcs(data / "objects") as started:
            os.environ["STORAGE_EMULATOR_HOST"] = started.url
            yield started
    finally:
        if before is None:
            os.environ.pop("STORAGE_EMULATOR_HOST", None)
        else:
            os.environ["STORAGE_EMULATOR_HOST"] = before
        shutil.rmtree(data, ignore_errors=True)


@pytest.fixture(scope="module")
def head(gcs: Gcs) -> Iterator[Head]:
    with Head(
        storage_bucket=BUCKET,
        session_encryption_key="5e" * 32,
        session_backup_interval=1000,
        health_check_interval=1000,
        restart_backoff_base=100,
        whatsapp_ack_timeout=5000,
    ) as head:
        yield head


@pytest_asyncio.fixture
async def stage(head: Head, gcs: Gcs) -> AsyncIterator[Stage]:
    tree = Tree(head)
    stage = Stage(tree, gcs)
    await stage.paired()
    stage.said = len(tree.inbox(CONTACT))
    yield stage
    await stage.lanes.close()
    await tree.close()


async def test_a_host_whose_disk_is_gone_comes_back_without_a_qr(stage: Stage) -> None:
    """G7, G8: the process is killed and its directory with it; the next one goes on from the bucket.

    Its account is shown as online as before: that is in the state store, not in the session.
    """
    tree = stage.tree
    await tree.connections.configure(stage.shop, show_online=True)
    await poke(tree.redis)
    await stage.shown_online()
    await stage.talk()
    await stage.all_arrived()
    await stage.copied()
    before = await tree.lease(stage.shop)
    assert before.owner is not None
    began = time.monotonic()
    # At once, and before the death: the next owner must not find a part of it.
    gone = stage.file.parent.rename(stage.file.parent.parent.parent / "gone")
    kill(before.owner.pid)
    shutil.rmtree(gone)
    await poke(tree.redis)
    await tree.newer(stage.shop, before, 30)
    after = await tree.state(stage.shop, "open", 30)
    print(f"open again {time.monotonic() - began:.1f} s after process and disk were gone")
    assert (after.account, after.obstacle) == (before.account, None)
    assert await tree.leases.qr(stage.shop) is None
    await stage.shown_online()
    for _ in range(3):
        await stage.talk()
    await stage.all_arrived()


async def test_googles_client_is_in_one_process(stage: Stage) -> None:
    """A connection stays what it was; who stands before the bucket is one more process."""
    tree = stage.tree
    pids = await tree.complete(stage.shop)
    loaded = {role: _loads(pid, "google_crc32c") for role, pid in pids.items()}
    print({role: round(_pss(pid)) for role, pid in pids.items()})
    assert [role for role, there in loaded.items() if there] == ["vault"]
    kill(pids["vault"])
    await stage.talk()
    await stage.all_arrived()

    async def again() -> bool:
        return tree.pids().get("vault", pids["vault"]) != pids["vault"]

    await eventually("the vault's process is there again", again, 20)
    await stage.copied()


async def test_a_bucket_that_is_away_loses_nothing_and_is_caught_up_with(stage: Stage) -> None:
    """G11: sends and receives go on, `/health` says degraded and why, then all of it is kept."""
    await _away(stage, AWAY)


async def test_a_bucket_that_hangs_holds_up_no_takeover(stage: Stage) -> None:
    """G8: the host that has the file goes on with it, and stores the missed copies later."""
    tree = stage.tree
    await stage.copied()
    await tree.complete(stage.shop)
    before = await tree.lease(stage.shop)
    assert before.owner is not None
    stage.gcs.freeze()
    try:
        began = time.monotonic()
        kill(before.owner.pid)
        await tree.newer(stage.shop, before, 20)
        await tree.state(stage.shop, "open")
        print(f"open again after {time.monotonic() - began:.1f} s, with a bucket that hangs")
        await stage.talk()
        await stage.all_arrived()
    finally:
        stage.gcs.thaw()
    await stage.copied(60)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_bucket_that_is_away_for_five_minutes(stage: Stage) -> None:
    await _away(stage, 300.0)


async def test_a_deleted_connection_leaves_no_copy(stage: Stage) -> None:
    """Its copies in the bucket would be nobody's any more."""
    await stage.copied()
    await stage.tree.connections.delete(stage.shop)
    await poke(stage.tree.redis)

    async def gone() -> bool:
        return await stage.vault.copies(stage.shop) == [] and not stage.file.exists()

    await eventually("its copies are gone", gone, 40)


async def _away(stage: Stage, seconds: float) -> None:
    await stage.copied()
    stage.gcs.kill()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await stage.talk()
        await asyncio.sleep(min(0.2, seconds / 200))
    degraded = await stage.health(
        lambda latest: {"vault_away", "backups_behind"} <= {r["name"] for r in latest["reasons"]},
        "the health says what is behind",
    )
    assert degraded["status"] == "degraded"
    assert {"vault_away", "backups_behind"} <= {alert["name"] for alert in degraded["alerts"]}
    await stage.all_arrived()
    lease = await stage.tree.lease(stage.shop)
    assert (lease.state, lease.behind is None) == ("open", False)
    stage.gcs.start()
    began = time.monotonic()
    await stage.copied()
    print(f"{stage.said} messages each way; caught up {time.monotonic() - began:.1f} s after")
    await stage.health(
        lambda latest: (
            not {"vault_away", "backups_behind"} & {a["name"] for a in latest["alerts"] or ()}
        ),
        "the alerts are over",
    )
    page = await stage.tree.documents.query(
        HEALTH_ALERTS, where=[Where("name", "==", "vault_away")], limit=10
    )
    assert page.items[-1]["cleared_at"] is not None


def _loads(pid: int, module: str) -> bool:
    return module in Path(f"/proc/{pid}/maps").read_text()


def _pss(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("Pss:"))) / 1024
