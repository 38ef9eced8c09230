"""A connection's end in the state store: its limit, or its part of what the disk has, and nobody else's."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from actors.config.settings import Settings
from actors.state.connections import Connections
from actors.state.sqlite.store import SqliteDocuments
from actors.state.sqlite.stored_bytes import read
from actors.state.tenants.store_floor import StoreFloor
from tests.integration.gateway.webhooks.stored_messages import store_messages
from tests.processes.small_disk import mount_small_disk
from tests.reserves import MORE_THAN_THERE_IS, beyond_the_free

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

GREEDY, MODEST, GONE = "shop--T00000000000", "other--T00000000000", "gone--T00000000000"
MANY = 100
CONNECTIONS = 3


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteDocuments]:
    """One with two connections; the greedy one has a hundred messages, the modest one a single one."""
    opened = SqliteDocuments(tmp_path / "state.db")
    for connection in (GREEDY, MODEST):
        await Connections(opened).create(connection.partition("--")[0], id=connection)
    await store_messages(opened, 0, MANY, GREEDY)
    await store_messages(opened, MANY, 1, MODEST)
    yield opened
    await opened.close()


def settings(data: Path, **values: object) -> Settings:
    named = {"DISK_RESERVE": 0, "MAX_CONNECTIONS": CONNECTIONS, **values}
    made = Settings.model_validate(named).model_copy(update={"data": data})
    made.save()
    return made


def reached(floor: StoreFloor, connection: str) -> tuple[str, str] | None:
    """The setting of the refusal, and whose limit it is."""
    refusal = floor.refusal_of(connection)
    return None if refusal is None else (refusal.limit.setting, refusal.scope)


def looked(made: Settings) -> StoreFloor:
    floor = StoreFloor.of(made)
    floor.look()
    return floor


async def test_the_one_that_has_its_limit_is_refused_alone(
    store: SqliteDocuments, tmp_path: Path
) -> None:
    had = read(tmp_path / "state.db").used[GREEDY]
    floor = looked(settings(tmp_path, STORED_BYTES_PER_CONNECTION=had))
    assert reached(floor, GREEDY) == ("STORED_BYTES_PER_CONNECTION", "connection")
    assert reached(floor, MODEST) is None
    assert not floor.reached, "the disk has room"
    assert floor.used == {GREEDY: had, MODEST: read(tmp_path / "state.db").used[MODEST]}
    settings(tmp_path, STORED_BYTES_PER_CONNECTION=had + 1)
    floor.look()
    assert reached(floor, GREEDY) is None, "it may be raised while everything runs"


async def test_the_one_that_took_all_but_the_parts_is_refused_alone(
    store: SqliteDocuments, tmp_path: Path
) -> None:
    """Of eight eighths four are parts; one connection may have its own and the other four."""
    had = read(tmp_path / "state.db").used[GREEDY]
    total = had * 8 // 5
    floor = looked(settings(tmp_path, MAX_STORED_BYTES=total))
    assert reached(floor, GREEDY) == ("MAX_STORED_BYTES", "instance")
    assert reached(floor, MODEST) is None
    assert reached(floor, "new--T00000000000") is None, "one that has nothing yet"
    assert reached(looked(settings(tmp_path, MAX_STORED_BYTES=total + 100)), GREEDY) is None


async def test_deleted_connections_have_no_part(store: SqliteDocuments, tmp_path: Path) -> None:
    await store_messages(store, 200, 10, GONE)
    used = read(tmp_path / "state.db").used
    total = (used[GREEDY] + used[GONE]) * 8 // 5 - 100
    floor = looked(settings(tmp_path, MAX_STORED_BYTES=total))
    assert used[GONE] < total // 8, "of a part it would be within"
    assert reached(floor, GREEDY) == ("MAX_STORED_BYTES", "instance")
    assert reached(floor, MODEST) is None


async def test_without_a_limit_each_has_its_part_of_a_disk_at_its_reserve(tmp_path: Path) -> None:
    with mount_small_disk(tmp_path / "data", megabytes=16) as disk:
        store = SqliteDocuments(disk / "state.db")
        for connection in (GREEDY, MODEST):
            await Connections(store).create(connection.partition("--")[0], id=connection)
        floor = looked(settings(disk, DISK_RESERVE=8 * 2**20))
        number = 0
        while reached(floor, GREEDY) is None:
            await store_messages(store, number, 10, GREEDY, more="w" * 10_000)
            number += 10
            floor.look()
        assert reached(floor, GREEDY) == ("MAX_STORED_BYTES", "instance")
        assert 2 * 2**20 < shutil.disk_usage(disk).free < 8 * 2**20
        for first in range(number, number + 50, 10):
            await store_messages(store, first, 10, MODEST, more="w" * 10_000)
            floor.look()
            assert reached(floor, MODEST) is None
        await store.close()


async def test_a_single_connection_goes_on_to_the_disks_floor(
    store: SqliteDocuments, tmp_path: Path
) -> None:
    await Connections(store).delete(MODEST)
    floor = looked(settings(tmp_path, DISK_RESERVE=beyond_the_free(tmp_path)))
    assert reached(floor, GREEDY) is None
    floor = looked(settings(tmp_path, DISK_RESERVE=MORE_THAN_THERE_IS))
    assert reached(floor, GREEDY) == ("DISK_RESERVE", "instance")


async def test_of_a_connection_it_is_reached_with_its_limit_or_the_disks_end(
    store: SqliteDocuments, tmp_path: Path
) -> None:
    made = settings(tmp_path, STORED_BYTES_PER_CONNECTION=50_000)
    greedy = StoreFloor.of(made, connection=GREEDY)
    modest = StoreFloor.of(made, connection=MODEST)
    assert (greedy.look(), modest.look()) == (True, False)
    assert (greedy.reached, modest.reached) == (True, False)
    settings(tmp_path, DISK_RESERVE=MORE_THAN_THERE_IS)
    assert (greedy.look(), modest.look()) == (True, True)
    assert reached(modest, MODEST) == ("DISK_RESERVE", "instance")
    settings(tmp_path)
    assert (greedy.look(), modest.look()) == (False, False)


async def test_a_store_that_cannot_be_read_changes_nothing(
    store: SqliteDocuments, tmp_path: Path
) -> None:
    made = settings(tmp_path, STORED_BYTES_PER_CONNECTION=50_000)
    floor = StoreFloor.of(made)
    (tmp_path / "state.db").rename(tmp_path / "elsewhere")
    floor.look()
    assert reached(floor, GREEDY) is None
    (tmp_path / "elsewhere").rename(tmp_path / "state.db")
    floor.look()
    (tmp_path / "state.db").unlink()
    floor.look()
    assert reached(floor, GREEDY) is not None


async def test_a_store_elsewhere_is_not_looked_at(store: SqliteDocuments, tmp_path: Path) -> None:
    made = settings(tmp_path, STORED_BYTES_PER_CONNECTION=1, FIRESTORE_EMULATOR_HOST="127.0.0.1:1")
    assert reached(looked(made), GREEDY) is None
