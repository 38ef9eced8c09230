"""A backup of an instance is restored into an empty directory, or refused by a sentence that says why."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from actors.config.settings import Settings
from actors.connection.backup.keyring import Keyring
from actors.connection.session import SESSION_FILE
from actors.connection.session.session import Session
from actors.queue.outbound_queue import OutboundQueue
from actors.queue.records import split_id
from actors.state.connections import Connections
from actors.state.open_store import open_documents
from gateway.cli.commands.settings import SETTINGS_FILE
from supervision.backup import parts, restored_queue
from supervision.backup.backup_store import BackupName, Manifest
from supervision.backup.unfinished import UNFINISHED_RESTORE
from supervision.keeper.manifest import Plan
from tests.clocks import believe_clock
from tests.integration.backup.conftest import EPOCH, KEY, OTHER, SHOP, WORDS, Place, run
from tests.processes.gcs import BUCKET, Gcs

if TYPE_CHECKING:
    from collections.abc import Sequence

YEAR = 365 * 86_400.0


async def queued(data: Path, ids: Sequence[str]) -> dict[str, Any]:
    """The restored records of these messages."""
    settings = Settings.load(data)
    async with restored_queue.served(data, settings) as redis:
        queue = OutboundQueue(redis, settings)
        return {id_: await queue.reader.get(id_) for id_ in ids}


async def test_everything_comes_back(place: Place, tmp_path: Path) -> None:
    (waiting,) = await _in_thread(place.accept, WORDS)
    made = await _in_thread(place.back_up)
    written = b"".join(file.read_bytes() for file in place.target.rglob("*") if file.is_file())
    assert WORDS.encode() not in written
    second = tmp_path / "second"
    status, said = await _in_thread(place.restore, second)
    assert (status, f"has the instance of {made['name']}" in said) == (0, True), said
    for kept in place.data.glob("media/*/*"):
        assert (second / kept.relative_to(place.data)).read_bytes() == kept.read_bytes()
    assert not (second / UNFINISHED_RESTORE).exists()
    session = Path("sessions") / SHOP / SESSION_FILE
    assert Session.stored_position(second / session).epoch == EPOCH + 1
    documents = open_documents(Settings.load(second))
    registered = await Connections(documents).get("shop")
    await documents.close()
    assert registered is not None
    assert registered.id == SHOP
    record = (await queued(second, [waiting]))[waiting]
    assert (record.status, record.text) == ("queued", WORDS)
    assert "DEAD_LETTER_RETENTION_DAYS=3" in (second / SETTINGS_FILE).read_text()
    plan = Plan.load(second)
    assert plan is not None
    assert plan.settings_file == str(second / SETTINGS_FILE)


async def test_everything_comes_back_from_a_bucket(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (waiting,) = await _in_thread(place.accept, WORDS)
    target, second = f"gs://{BUCKET}", tmp_path / "second"
    with Gcs(tmp_path / "objects") as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        status, *said = await _in_thread(run, place.data, "backup", "create", "--to", target)
        assert status == 0, said
        written = [file for file in server.data.rglob("*") if file.is_file()]
        assert written
        assert not [file for file in written if WORDS.encode() in file.read_bytes()]
        shutil.rmtree(place.data / "media")
        key = {"SESSION_ENCRYPTION_KEY": KEY}
        status, *said = await _in_thread(lambda: run(second, "restore", target, environment=key))
        assert status == 0, said
    assert [file.read_bytes() for file in second.glob("media/*/*")] == [b"a picture" * 9_000]
    assert (await queued(second, [waiting]))[waiting].text == WORDS


async def test_each_part_is_copied_before_those_that_get_its_items(
    place: Place, tmp_path: Path
) -> None:
    """The other way round an item that moves on meanwhile would be in neither copy."""
    found = [
        part.path
        async for part in parts.parts(place.settings, tmp_path, runs=True)
        if isinstance(part, parts.BackupPart)
    ]
    order = ("sessions/", parts.AOF_BASE, "state.db", "media/")
    places = [next(n for n, path in enumerate(found) if path.startswith(each)) for each in order]
    assert places == sorted(places)


async def test_what_the_newer_store_shows_as_ended_does_not_leave_again(
    place: Place, tmp_path: Path
) -> None:
    """The queue is copied first: what was sent before the state store was is queued in the copy."""
    sent, cancelled, waiting, unseen = await _in_thread(place.accept, "1", "2", "3", "4")
    times = {"at": 1.0, "sent_at": 2.0, "delivered_at": 3.0}
    await _in_thread(lambda: place.show(sent, status="delivered", **times))
    await _in_thread(lambda: place.show(cancelled, status="cancelled", at=1.0))
    await _in_thread(lambda: place.show(waiting, status="queued", at=1.0, revision=900))
    await _in_thread(place.back_up)
    second = tmp_path / "second"
    status, said = await _in_thread(lambda: place.restore(second, "--json"))
    assert status == 0, said
    assert '"sent": 1, "cancelled": 1' in said
    found = await queued(second, [sent, cancelled, waiting, unseen])
    states = {id_: record.status for id_, record in found.items()}
    assert states == {
        sent: "delivered",
        cancelled: "cancelled",
        waiting: "queued",
        unseen: "queued",
    }
    settings = Settings.load(second)
    async with restored_queue.served(second, settings) as redis:
        await OutboundQueue(redis, settings).cancel(waiting)
        names = split_id(waiting)
        assert names is not None
        standing = (await OutboundQueue(redis, settings).reader.standings(SHOP, [names[1]]))[
            names[1]
        ]
    assert standing is not None
    assert standing.revision > 900, "the older view would stay"


def test_what_cannot_be_restored_is_a_sentence(place: Place, tmp_path: Path) -> None:
    place.accept(WORDS)
    second = tmp_path / "second"
    place.target.mkdir()
    assert place.restore(second) == (1, "There is no whole backup there.")
    made = place.back_up()
    second.mkdir()
    (second / "mine").touch()
    status, said = place.restore(second)
    assert (status, "is not empty" in said) == (1, True), said
    assert [file.name for file in second.iterdir()] == ["mine"]
    (second / "mine").unlink()
    assert "is not set" in run(second, "restore", str(place.target))[2]
    status, said = place.restore(second, key=OTHER)
    assert (status, "none of those in SESSION_ENCRYPTION_KEY" in said) == (1, True), said
    status, said = place.restore(second, "--copy", "0a0a0a0a/20300101T000000Z")
    assert (status, "There is no whole backup 0a0a0a0a" in said) == (1, True), said
    assert list(second.iterdir()) == [], "nothing was begun"
    listed = place.target / "backups" / made["name"]
    for damaged in (listed, *place.content()):
        whole = damaged.read_bytes()
        damaged.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        status, said = place.restore(second)
        assert (status, "is not as it was written" in said) == (1, True), (damaged, said)
        damaged.unlink()
        assert place.restore(second)[0] == 1
        damaged.write_bytes(whole)
    assert (second / UNFINISHED_RESTORE).exists()
    status, _, said = run(second, "up", "--detach")
    assert (status, "was cut off: `teimoso restore` begins it anew" in said) == (1, True), said
    # A restore that was refused halfway is begun anew, and goes through.
    assert place.restore(second)[0] == 0


def test_parts_that_were_exchanged_are_refused(place: Place, tmp_path: Path) -> None:
    """Each is whole, and of the length of the other one."""
    place.back_up()
    sizes: dict[int, Path] = {}
    for file in place.content():
        if file.stat().st_size > 20_000 and (twin := sizes.get(file.stat().st_size)):
            break
        sizes[file.stat().st_size] = file
    else:
        pytest.fail("no two parts are as long")
    aside = tmp_path / "aside"
    file.parent.rename(aside)
    twin.parent.rename(file.parent)
    aside.rename(twin.parent)
    status, said = place.restore(tmp_path / "second")
    assert (status, "is missing or changed" in said) == (1, True), said


def test_a_backup_that_was_cut_off_is_none(place: Place, tmp_path: Path) -> None:
    first = place.back_up()["name"]
    cut = place.back_up()["name"]
    (place.target / "backups" / cut).unlink()
    status, said = place.restore(tmp_path / "second", "--json")
    assert (status, f'"copy": "{first}"' in said) == (0, True), said


def test_backups_of_two_instances_are_named_by_their_marks(place: Place, tmp_path: Path) -> None:
    first = place.back_up()["name"]
    (place.data / "backups.mark").unlink()  # as the directory of another instance has none
    second = place.back_up()["name"]
    status, said = place.restore(tmp_path / "second")
    assert (status, "There are backups of 2 instances there" in said) == (1, True), said
    for name in (first, second):
        shutil.rmtree(tmp_path / "second", ignore_errors=True)
        status, said = place.restore(tmp_path / "second", "--copy", name, "--json")
        assert (status, f'"copy": "{name}"' in said) == (0, True), said


def test_the_newest_stay_with_what_they_need(place: Place, tmp_path: Path) -> None:
    names = [place.back_up("--keep", "2")["name"]]  # nothing is deleted, nobody is asked
    size = len(place.content())
    for number in range(3):
        for _ in range(number + 1):
            place.accept(WORDS * 500)
        made = place.back_up("--keep", "2", "--yes")
        names.append(made["name"])
        assert made["added"] < made["size"], "the file of a message was there"
    status, listed, _ = run(place.data, "backup", "list", "--from", str(place.target), "--json")
    assert (status, [name in listed for name in names]) == (0, [False, False, True, True])
    assert re.search(r'"at": ?"20\d\d-\d\d-\d\dT[^"]+Z"', listed), listed
    assert len(place.content()) < size * 4
    for name in names[2:]:
        shutil.rmtree(tmp_path / "second", ignore_errors=True)
        assert place.restore(tmp_path / "second", "--copy", name)[0] == 0
    last = BackupName(*place.back_up("--keep", "1", "--yes")["name"].split("/"))
    keyring = Keyring.of(KEY)
    sealed = (place.target / "backups" / str(last)).read_bytes()
    needed = Manifest.opened(last, sealed, keyring).pieces
    stored = {file.parent.name for file in place.content()}
    assert stored == {keyring.pseudonyms(piece)[0] for piece in needed}


def test_older_backups_are_deleted_only_where_that_was_agreed_to(place: Place) -> None:
    names = [place.back_up("--keep", "1")["name"]]
    words = ("backup", "create", "--to", str(place.target), "--keep", "1")
    status, _, said = run(place.data, *words)
    assert (status, names[0] in said, "--yes does it" in said) == (1, True, True), said
    _, listed, _ = run(place.data, "backup", "list", "--from", str(place.target), "--json")
    assert [one["copy"] for one in json.loads(listed)["items"]] == names
    names.append(place.back_up("--keep", "1", "--yes")["name"])
    _, listed, _ = run(place.data, "backup", "list", "--from", str(place.target), "--json")
    assert [one["copy"] for one in json.loads(listed)["items"]] == names[1:]


def test_a_backup_of_the_future_is_never_the_newest(place: Place, tmp_path: Path) -> None:
    """A clock that was a year ahead for an hour made it; one that is behind sees all of them so."""
    good = place.back_up()["name"]
    made = place.back_up_at(time.time() + YEAR)
    target = ("--from", str(place.target), "--json")
    _, listed, _ = run(place.data, "backup", "list", *target)
    found = {one["copy"]: one["state"] for one in json.loads(listed)["items"]}
    assert found == {good: "complete", made: "in_future"}
    assert place.restore(tmp_path / "second", "--json")[1].count(good) == 1
    newest = place.back_up("--keep", "1", "--yes")["name"]
    _, listed, _ = run(place.data, "backup", "list", *target)
    assert {one["copy"] for one in json.loads(listed)["items"]} == {newest, made}
    shutil.rmtree(tmp_path / "second")
    assert place.restore(tmp_path / "second", "--json")[1].count(newest) == 1
    (place.target / "backups" / newest).unlink()
    shutil.rmtree(tmp_path / "second")
    status, said = place.restore(tmp_path / "second")
    assert (status, f"--copy {made}" in said) == (1, True), said
    assert place.restore(tmp_path / "second", "--copy", made)[0] == 0, "its content is whole"


def test_a_clock_that_is_ahead_while_a_backup_is_made_deletes_none(place: Place) -> None:
    believe_clock(place.data)
    good = place.back_up()["name"]
    made = place.back_up_at(time.time() + YEAR, keep=1)
    _, listed, _ = run(place.data, "backup", "list", "--from", str(place.target), "--json")
    assert [one["copy"] for one in json.loads(listed)["items"]] == [good, made]


async def _in_thread(work: Any, *arguments: Any) -> Any:
    """A command has an event loop of its own."""
    return await asyncio.to_thread(work, *arguments)


@pytest.mark.parametrize("words", [("shop", "--to", "target"), ("--to", "No Bucket")])
def test_a_target_that_is_none_is_refused(place: Place, words: tuple[str, ...]) -> None:
    status, _, said = run(place.data, "backup", "create", *words)
    assert status == 1
    assert "takes no connection" in said or "names no target" in said
