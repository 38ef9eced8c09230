"""Copies of a session of the engine on whatsmeow: its keys are beside the file, and in the copy."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

from actors.connection.backup import session_snapshot
from actors.connection.session.session import SessionDamaged
from actors.connection.whatsmeow.program import executable
from actors.runtime import child_processes
from supervision.keeper.process import COMMAND
from tests.integration.engine.simulated import ACCOUNT, CONTACT, until
from tests.integration.vault.commands import items, left_behind, run
from tests.integration.vault.conftest import SHOP, Host, World

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from actors.connection.actor import ConnectionActor

COUNT = 40

BROKEN_PAGE = (
    "The backup is not as it was written (a page of the session or of its keys cannot be read)."
)

Run: TypeAlias = "tuple[int, str, str]"
"""Exit status, output and errors of a command."""


async def unacknowledged(world: World) -> int:
    return int((await world.simulator.account(ACCOUNT))["unacknowledged"])


async def goes_on(world: World, actor: ConnectionActor, word: str) -> None:
    await world.send(actor, f"{word} out")
    await world.hear(f"{word} in")


async def test_a_disk_that_is_lost_costs_no_qr(world: World) -> None:
    """G7: the copy is of both files, and what was said after it was made is said once."""
    host = Host(world, "a")
    async with host.serves(clean=False) as actor:
        first = await world.pair()
        await world.copied(first.epoch)
        await goes_on(world, actor, "one")
        before = (await world.vault.copies(SHOP))[-1].position
        assert actor._copies is not None
        actor._copies.look()

        async def kept() -> bool:
            return (await world.vault.copies(SHOP))[-1].position > before

        await until(kept)
        await goes_on(world, actor, "after the copy")
    host.lose_disk()
    await world.simulator.say(CONTACT, ACCOUNT, "while away")
    async with host.serves() as actor:
        again = await world.opened()
        assert (again.epoch, again.obstacle) == (first.epoch + 1, None)
        assert await world.leases.qr(SHOP) is None
        await until(lambda: "while away" in world.texts)
        for word in ("two", "three"):
            await goes_on(world, actor, word)
        assert actor._serving is not None
        # Each message was readable at once: no key was used a second time.
        assert actor._serving._engine.counts["resend.resent"] == 0  # type: ignore[attr-defined]
    assert len(world.texts) == len(set(world.texts))


async def test_a_session_that_moved_on_is_not_woken_where_it_was(world: World) -> None:
    """G6: A → B → A. A's files move aside, and B's are served."""
    a, b = Host(world, "a"), Host(world, "b")
    async with a.serves() as actor:
        first = await world.pair()
        await goes_on(world, actor, "a")
    async with b.serves() as actor:
        await world.opened()
        await goes_on(world, actor, "b")
    async with a.serves() as actor:
        lease = await world.opened()
        await goes_on(world, actor, "a again")
        assert lease.epoch == first.epoch + 2
    assert list(a.file.parent.glob(f"*/*/{executable.DATABASE}")), "its former keys are gone"
    assert world.texts == ["a in", "b in", "a again in"]
    texts = [item["text"] for item in await world.simulator.inbox(CONTACT)]
    assert texts == ["a out", "b out", "a again out"]


async def test_nothing_is_acknowledged_that_the_store_has_not(world: World) -> None:
    """G5 beyond the disk: with the store away all stays WhatsApp's, and the connection stays open."""
    host = Host(world, "a", session_storage_type="cloud")
    async with host.serves(clean=False) as actor:
        first = await world.pair()
        await world.hear("before")
        await world.copied(first.epoch)
        world.shelf.away = True
        await world.simulator.say(CONTACT, ACCOUNT, "held", count=COUNT)
        assert actor._serving is not None
        counts = actor._serving._engine.counts  # type: ignore[attr-defined]
        await until(lambda: counts["message.stored"] == COUNT + 1)
        assert await unacknowledged(world) >= COUNT
        await world.send(actor, "goes on meanwhile")
    host.lose_disk()
    world.shelf.away = False
    async with host.serves() as actor:
        await world.opened()
        await until(lambda: len(world.texts) == COUNT + 1)
        await goes_on(world, actor, "later")

        async def all_of_it() -> bool:
            return await unacknowledged(world) == 0

        await until(all_of_it)
    assert world.texts == ["before", *(f"held {n}" for n in range(1, COUNT + 1)), "later in"]


async def test_copies_by_hand_outlive_kills(world: World) -> None:
    """G7: of the program that copies the keys, of the one that serves, and of all with its disk."""
    host = Host(world, "a")
    async with host.serves(clean=False) as actor:
        await world.pair()
        await goes_on(world, actor, "one")
        (serving,) = programs()

        status, _, said = await killed(serving, run(host, "create", SHOP))
        assert status == 1
        assert said.startswith("The session cannot be copied: ")
        assert left_behind(host) == []

        os.kill(serving, signal.SIGKILL)
        (made,) = await items(host, "create", SHOP)
        await world.opened()
        await goes_on(world, actor, "two")
        assert serving not in programs()
    assert [one["linked"] for one in await items(host, "verify", "--all")][-1]

    host.lose_disk()
    # As the root does where its connection is stopped.
    await world.leases.release(SHOP, (await world.lease()).epoch, state="stopped", cause=None)
    for _ in range(5):
        status, _, said = await killed(0, run(host, "restore", SHOP, "--copy", made["copy"]))
        if status == 1:
            break
        host.lose_disk()  # it was over before its kill
    assert status == 1
    assert said.startswith("The session cannot be copied: ")
    assert not host.file.exists()
    assert left_behind(host) == []
    status, _, said = await run(host, "restore", SHOP, "--copy", made["copy"])
    assert (status, said) == (0, "")
    async with host.serves() as actor:
        await world.opened()
        assert await world.leases.qr(SHOP) is None
        for word in ("three", "four"):
            await goes_on(world, actor, word)
    assert len(world.texts) == len(set(world.texts))


async def test_a_copy_without_its_keys_is_no_copy(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(world, "a")
    async with host.serves():
        await world.pair()
    damaged = tmp_path / "keys"
    damaged.write_bytes((host.file.with_name(executable.DATABASE)).read_bytes()[:4096])
    with pytest.raises(SessionDamaged):
        await world.vault.back_up(
            SHOP, host.file, tmp_path / "scratch", enclosed={executable.DATABASE: damaged}
        )
    for enclosed, why in (
        ({}, "It has no keys."),
        ({executable.DATABASE: damaged}, BROKEN_PAGE),
    ):
        await world.vault.forget(SHOP)
        with monkeypatch.context() as before:  # a release that did not look at them
            before.setattr(session_snapshot, "check", lambda _: None)
            await world.vault.back_up(SHOP, host.file, tmp_path / "scratch", enclosed=enclosed)
        (found,) = await items(host, "verify", status=1)
        assert (found["ok"], found["code"], found["why"]) == (False, "backup_damaged", why)


def programs() -> set[int]:
    """The programs that this process started, by pid."""
    comms = {one.pid: Path(f"/proc/{one.pid}/comm") for one in child_processes.running()}
    return {
        pid
        for pid, comm in comms.items()
        if comm.exists() and comm.read_text().startswith(executable.EXECUTABLE_NAME[:COMMAND])
    }


async def killed(spared: int, command: Awaitable[Run]) -> Run:
    """Run a command, and kill the first program that it starts."""
    running = asyncio.ensure_future(command)
    async with asyncio.timeout(20):
        while not (there := programs() - {spared}):
            assert not running.done(), f"no program was seen: {running.result()}"
            await asyncio.sleep(0.001)
    os.kill(there.pop(), signal.SIGKILL)
    return await running
