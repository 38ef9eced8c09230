"""`teimoso backup`, beside a connection that is served and without one."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING

from actors.runtime.connection_options import ConnectionOptions
from actors.state.connection_document import ENGINE
from actors.state.connections import Connections
from actors.state.open_store import open_documents
from tests.integration.engine.simulated import CONTACT
from tests.integration.vault.commands import items, left_behind, run
from tests.integration.vault.conftest import KEY, SHOP, Host, World
from tests.processes import forked

if TYPE_CHECKING:
    from pathlib import Path


async def test_copies_are_listed_made_verified_and_restored(world: World) -> None:
    """An old copy is put back by hand: its device is linked, and both directions go on."""
    host = Host(world, "a")
    async with host.serves() as actor:
        first = await world.pair()
        await world.copied(first.epoch)
        await world.hear("one")
        await world.send(actor, "one")
        (made,) = await items(host, "create", SHOP)
        await world.hear("two")
        await world.send(actor, "two")
        status, _, said = await run(host, "restore", SHOP)
        assert (status, said) == (
            1,
            "shop is served: `teimoso connections stop shop` first.\n",
        )
        assert left_behind(host) == []
    copies = await items(host, "list")
    assert made["copy"] in [one["copy"] for one in copies]
    assert copies[-1]["copy"] != made["copy"]
    verified = await items(host, "verify", "--all")
    assert [one["ok"] for one in verified] == [True] * len(copies)
    assert all(one["linked"] for one in verified[1:])
    before = await world.lease()
    status, restored, _ = await run(host, "restore", SHOP, "--copy", made["copy"], "--json")
    assert status == 0
    assert json.loads(restored)["epoch"] == before.epoch + 1
    after = await world.lease()
    assert (after.owner, after.state, after.final) == (None, "stopped", False)
    async with host.serves() as actor:
        await world.opened()
        await world.send(actor, "three")
        await world.hear("three")
    assert list(host.file.parent.glob("drained/*/session.db"))
    assert world.texts == ["one", "two", "three"]
    texts = [item["text"] for item in await world.simulator.inbox(CONTACT)]
    assert texts == ["one", "two", "three"]


async def test_what_cannot_be_done_is_a_sentence(world: World, tmp_path: Path) -> None:
    host = Host(world, "a")
    for arguments, sentence in (
        (("restore", SHOP), "There is no copy of shop."),
        (("create", SHOP), "There is no session of shop here."),
        (("list", "../x"), "'../x' is not the id of a connection."),
    ):
        assert (await run(host, *arguments))[::2] == (1, f"{sentence}\n")
    async with host.serves():
        first = await world.pair()
        await world.copied(first.epoch)
    status, _, said = await run(host, "restore", SHOP, "--copy", "9-9")
    assert (status, said) == (
        1,
        "There is no copy 9-9 of shop; `teimoso backup list` names them.\n",
    )
    copies = await world.vault.copies(SHOP)
    newest = world.bucket / copies[-1].name
    content = newest.read_bytes()
    newest.write_bytes(content[:-1])
    (found,) = await items(host, "verify", status=1)
    assert (found["ok"], found["code"]) == (False, "backup_damaged")
    newest.write_bytes(content)
    other = Host(world, "b", session_encryption_key="77" * 32)
    status, _, said = await run(other, "restore", SHOP)
    assert status == 1
    assert "which is none of those in SESSION_ENCRYPTION_KEY" in said
    world.bucket.rename(tmp_path / "away")
    assert (await run(host, "list"))[::2] == (1, "The bucket does not answer: ENOENT.\n")


async def test_the_output_is_json_alone_where_the_copy_is_there(world: World) -> None:
    host = Host(world, "a")
    async with host.serves():
        await world.copied((await world.pair()).epoch)
    words = [sys.executable, "-m", "gateway.cli", "backup", "create", SHOP, "--json"]
    made = set()
    for _ in range(2):
        done = await asyncio.to_thread(
            forked.run, [*words, "--data", str(host.data)], capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
        [copy] = json.loads(done.stdout)["items"]
        made.add(copy["copy"])
    assert len(made) == 1


async def test_what_a_killed_command_left_is_removed(world: World) -> None:
    host = Host(world, "a")
    async with host.serves():
        first = await world.pair()
        await world.copied(first.epoch)
    names = ("snapshot-7", "snapshot-7.whatsmeow.db", "snapshot-7-wal", "restoring-7")
    left = [host.file.with_name(f"session.{name}") for name in names]
    for command in (("create", SHOP), ("restore", SHOP)):
        for age in (60, 4000):
            for file in left:
                file.touch()
                os.utime(file, (time.time() - age,) * 2)
            assert (await run(host, *command))[0] == 0
            assert sorted(left_behind(host)) == (sorted(left) if age < 3600 else [])
    assert host.file.exists()


async def test_copies_are_put_under_a_new_key(world: World) -> None:
    host = Host(world, "a")
    async with host.serves():
        first = await world.pair()
        await world.copied(first.epoch)
    newer = "77" * 32
    both = Host(world, "b", session_encryption_key=f"{newer},{KEY}")
    (count,) = {len(await items(both, "list"))}
    for wrapped in (count, 0):
        status, told, _ = await run(both, "rewrap", "--json")
        assert (status, json.loads(told)) == (0, {"copies": count, "rewrapped": wrapped})
    alone = Host(world, "c", session_encryption_key=newer)
    assert all(one["ok"] for one in await items(alone, "verify", "--all"))
    assert [one["code"] for one in await items(host, "verify", status=1)] == ["wrong_key"]


async def test_without_an_instance_the_environment_names_the_bucket(
    world: World, tmp_path: Path
) -> None:
    host = Host(world, "a")
    async with host.serves():
        first = await world.pair()
        await world.copied(first.epoch)
    shutil.rmtree(host.data)
    host.data.mkdir()
    named = {"STORAGE_BUCKET": str(world.bucket), "SESSION_ENCRYPTION_KEY": KEY}
    assert all(one["ok"] for one in await items(host, "verify", named=named))
    status, _, said = await run(host, "list")
    assert (status, said) == (1, "There is no bucket: STORAGE_BUCKET names one.\n")
    # Nothing runs, so nobody holds a lease: the session is put where the next start finds it.
    status, told, said = await run(host, "restore", SHOP, named=named)
    assert (status, said) == (0, "")
    assert "settings (show_online, proxy, reject_calls) to be set" in " ".join(told.split())
    documents = open_documents(host.settings)
    registered = await Connections(documents).get(SHOP)
    await documents.close()
    assert registered is not None
    assert (registered.desired, registered.options) == ("stopped", ConnectionOptions())
    assert registered.engine == ENGINE
    status, told, said = await run(host, "restore", SHOP, named=named)
    assert (status, said, "show_online" in told) == (0, "", False), "it is known now"
    host.settings.save()
    async with host.serves() as actor:
        await world.opened()
        await world.send(actor, "from a new machine")
