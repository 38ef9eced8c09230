"""Sessions with a page that cannot be read: no copy is made, and one that was made is left out for the one before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from actors.connection.session import SESSION_FILE
from actors.connection.session.session import Session
from gateway.cli.backup.instance_backups import INCOMPLETE
from tests.integration.backup.test_incomplete import page_damaged
from tests.integration.engine.simulated import until
from tests.integration.vault.commands import run
from tests.integration.vault.conftest import SHOP, Host, World

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

OTHER = "other--K7Q2M9XA4TBD"


async def test_a_session_that_breaks_is_not_copied_any_more(world: World) -> None:
    """Its owner serves on, and says since when there is no copy; the last whole one stays, and the other sessions are copied."""
    host = Host(world, "a", session_backup_interval=1000)
    async with host.serves(clean=False):
        first = await world.pair()
        await world.copied(first.epoch)
        await until(lambda: _behind(world, False))
        page_damaged(host.file)
        await until(lambda: _behind(world, True))
    (*_, newest) = await world.vault.copies(SHOP)
    Session.open(host.settings.sessions / OTHER / SESSION_FILE, 1).close()
    status, told, said = await run(host, "create", "--json")
    found = json.loads(told)
    assert (status, [one["incarnation"] for one in found["items"]]) == (INCOMPLETE, [OTHER])
    assert [(one["connection"], one["code"], one["newest"]) for one in found["left_out"]] == [
        (SHOP, "session_damaged", str(newest))
    ]
    assert f"(session_damaged): its newest copy is {newest}." in said
    assert (await run(host, "create", SHOP))[0] == 1
    host.lose_disk()
    async with host.serves():
        assert (await world.opened()).epoch > newest.position.epoch


async def _behind(world: World, wanted: bool) -> bool:
    return ((await world.lease()).behind is not None) == wanted


async def test_a_copy_with_a_broken_page_is_left_out_for_the_one_before(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(world, "a")
    async with host.serves():
        epoch = (await world.pair()).epoch
        await world.hear("one")
    (*_, whole) = await world.vault.copies(SHOP)
    for newer in (epoch + 1, epoch + 2):
        Session.open(host.file, newer).close()
        broken = tmp_path / f"{newer}.db"
        broken.write_bytes(host.file.read_bytes())
        page_damaged(broken)
        with monkeypatch.context() as before:  # a release that did not look at every page
            before.setattr(Session, "check", Session.stored_position)
            copy = await world.vault.back_up(SHOP, broken, tmp_path / "scratch")
        assert copy is not None
    host.lose_disk()
    status, told, said = await run(host, "restore", SHOP, "--json")
    done = json.loads(told)
    assert (status, done["copy"]) == (0, str(whole)), said
    assert len(done["refused"]) == 2
    for refused in done["refused"]:
        assert f"The copy {refused} is damaged, and was left out." in said
    host.lose_disk()
    async with host.serves() as actor:
        await world.opened()
        await world.send(actor, "two")
        await world.hear("two")
