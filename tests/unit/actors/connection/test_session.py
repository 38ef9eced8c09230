"""The session file: who may write it, what a transaction leaves, what a crash leaves."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from actors.connection import inbox, session_file
from actors.connection.engine import InboxMessage, InboxReceipt
from actors.connection.native.signal import new_credentials
from actors.connection.session import (
    Session,
    SessionDamaged,
    SessionTooNew,
    SessionUnavailable,
    StaleEpoch,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALICE = "15550100002@s.whatsapp.net"
DAY = 86_400.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "account" / "session.db"


@pytest.fixture
def session(path: Path, clock: Clock) -> Iterator[Session]:
    one = Session.open(path, 3, clock=clock)
    yield one
    one.close()


async def put(session: Session, message_id: str, **more: object) -> bool:
    message: dict[str, object] = {
        "chat": ALICE,
        "sender": ALICE,
        "message_id": message_id,
        "at": 1_700_000_000,
        "type": "text",
        "text": f"text of {message_id}",
        "body": b"body",
    }
    async with session.transaction():
        return session.add_message(**(message | more))  # type: ignore[arg-type]


# opening


def test_a_file_is_only_its_owners(session: Session, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.with_name("session.db-wal").stat().st_mode) == 0o600


def test_the_epoch_is_known_without_opening(path: Path) -> None:
    assert Session.known_epoch(path) == 0
    assert not path.exists()
    Session.open(path, 5).close()
    assert Session.known_epoch(path) == 5
    Session.open(path, 9).close()
    assert Session.known_epoch(path) == 9


def test_an_older_epoch_does_not_open_it(session: Session, path: Path) -> None:
    """G6."""
    with pytest.raises(StaleEpoch):
        Session.open(path, 2)
    assert Session.known_epoch(path) == 3


def test_the_same_epoch_opens_it_again(session: Session, path: Path) -> None:
    session.close()
    Session.open(path, 3).close()


async def test_a_stale_owner_commits_nothing(session: Session, path: Path) -> None:
    """G6: the successor opened the file while the older owner still had it open."""
    assert await put(session, "BEFORE")
    with closing(Session.open(path, 4)) as successor:
        with pytest.raises(StaleEpoch):
            await put(session, "AFTER")
        assert [item.key for item in successor.pending("message", 10)] == [1]
        assert await put(successor, "SUCCESSOR")


@pytest.mark.parametrize("content", [b"garbage" * 999, b"SQLite format 3\0" + b"\xff" * 5000])
def test_garbage_is_left_as_it_is(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(SessionDamaged):
        Session.open(path, 1)
    with pytest.raises(SessionDamaged):
        Session.known_epoch(path)
    assert path.read_bytes() == content
    assert [one.name for one in path.parent.iterdir()] == ["session.db"]


def test_another_programs_database_is_left_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE notes (text TEXT)")
    before = path.read_bytes()
    with pytest.raises(SessionDamaged):
        Session.open(path, 1)
    assert path.read_bytes() == before


async def test_a_spoilt_page_is_found_at_opening(session: Session, path: Path) -> None:
    for number in range(200):
        await put(session, f"M{number}", text="x" * 500)
    session.close()
    spoil(path)


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = os.urandom(4096)
    path.write_bytes(content)
    with pytest.raises(SessionDamaged):
        Session.open(path, 9)
    assert path.read_bytes() == content


def test_a_newer_releases_file_is_left_as_it_is(session: Session, path: Path) -> None:
    session.close()
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version=999")
    with pytest.raises(SessionTooNew):
        Session.open(path, 4)


def test_a_creation_cut_short_is_no_damage(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    assert Session.known_epoch(path) == 0
    Session.open(path, 1).close()


async def test_what_cannot_be_written_is_said_and_undone(
    session: Session, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, played by SQLite's own page limit."""
    await put(session, "FITS")
    pages = session._writer.execute("PRAGMA page_count").fetchone()[0]
    session._writer.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(SessionUnavailable, match="SQLITE_FULL"):
        await put(session, "TOO MUCH", body=os.urandom(100_000))
    assert not session.seen(ALICE, ALICE, "TOO MUCH")
    session._writer.execute(f"PRAGMA max_page_count={pages + 1000}")
    assert await put(session, "TOO MUCH")


async def test_a_lock_held_elsewhere_is_not_waited_for_forever(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_file, "BUSY_SECONDS", 0.05)
    with closing(Session.open(path, 1)) as session, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(SessionUnavailable, match="SQLITE_BUSY"):
            await put(session, "LATER")
        other.execute("ROLLBACK")
        assert await put(session, "LATER")


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (StaleEpoch, "stale_epoch"),
        (SessionDamaged, "session_damaged"),
        (SessionTooNew, "session_too_new"),
        (SessionUnavailable, "session_unavailable"),
    ],
)
def test_refusals_have_stable_codes(refusal: type[StaleEpoch], code: str) -> None:
    assert refusal.code == code


async def test_an_epoch_that_cannot_be_read_is_a_refusal_like_others(
    session: Session, path: Path
) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("ALTER TABLE file RENAME TO gone")
        with pytest.raises(SessionUnavailable, match="SQLITE_ERROR"):
            await put(session, "A")
        other.execute("ALTER TABLE gone RENAME TO file")
    assert await put(session, "A")


async def test_a_key_that_cannot_be_read_is_a_refusal_like_others(session: Session) -> None:
    """SQLite fails after the row went in: the row is undone."""

    def refuse(action: int, _: object, name: object, *__: object) -> int:
        refused = (action, name) == (sqlite3.SQLITE_FUNCTION, "last_insert_rowid")
        return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK

    session._writer.set_authorizer(refuse)
    with pytest.raises(SessionUnavailable, match="SQLITE_ERROR"):
        await put(session, "A")
    session._writer.set_authorizer(None)
    assert session.pending("message", 10) == []
    assert await put(session, "A")


# transactions


async def test_changes_need_a_transaction(session: Session) -> None:
    with pytest.raises(RuntimeError):
        session.settle([1])
    with pytest.raises(RuntimeError):
        session.save_credentials(new_credentials())


async def test_an_unrelated_task_cannot_write_into_a_transaction(session: Session) -> None:
    async def intrude() -> None:
        session.settle([1])

    before = asyncio.get_running_loop()
    inside = asyncio.Event()
    leave = asyncio.Event()

    async def work() -> None:
        async with session.transaction():
            inside.set()
            await leave.wait()

    working = before.create_task(work())
    await inside.wait()
    with pytest.raises(RuntimeError):
        await intrude()
    leave.set()
    await working


async def test_what_a_transaction_awaits_may_write(session: Session) -> None:
    async def part() -> None:
        session.save_devices(ALICE, [ALICE], 1.0)

    async with session.transaction():
        await asyncio.wait_for(part(), 1)
    assert session.devices(ALICE) is not None


async def test_a_transaction_in_a_transaction_is_refused(session: Session) -> None:
    async with session.transaction():
        with pytest.raises(RuntimeError):
            async with session.transaction():
                pass


async def test_an_exception_undoes_all_of_it_also_in_memory(session: Session) -> None:
    first = new_credentials()
    async with session.transaction():
        session.save_credentials(first)
    assert session.credentials() == first

    async def fail() -> None:
        async with session.transaction():
            session.save_credentials(replace(first, push_name="changed"))
            changed = session.credentials()
            assert changed is not None
            assert changed.push_name == "changed"
            session.learn_lid("1@lid", ALICE)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert session.credentials() == first
    assert session.pn_for("1@lid") is None


async def test_a_cancelled_transaction_leaves_nothing(session: Session) -> None:
    entered = asyncio.Event()

    async def hang() -> None:
        async with session.transaction():
            session.learn_lid("1@lid", ALICE)
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert session.pn_for("1@lid") is None
    assert await put(session, "NEXT")


async def test_others_read_only_what_is_committed(session: Session) -> None:
    async with session.transaction():
        session.save_credentials(new_credentials())
        session.learn_lid("1@lid", ALICE)
        assert session.pn_for("1@lid") == ALICE
        seen = await asyncio.get_running_loop().create_task(_outside(session))
        assert seen == (None, None)
    assert session.pn_for("1@lid") == ALICE


async def _outside(session: Session) -> tuple[object, object]:
    # A task inherits its creator's context: leave it, as an unrelated task would have none.
    session_file._inside.set(None)
    return session.pn_for("1@lid"), session.credentials()


async def test_a_savepoint_is_one_messages_share(session: Session) -> None:
    def learn_and_fail() -> None:
        with session.savepoint():
            session.learn_lid("2@lid", "15550100003@s.whatsapp.net")
            raise ZeroDivisionError

    async with session.transaction():
        with session.savepoint():
            session.learn_lid("1@lid", ALICE)
        with pytest.raises(ZeroDivisionError):
            learn_and_fail()
        with session.savepoint():
            session.learn_lid("3@lid", "15550100004@s.whatsapp.net")
    assert [session.pn_for(f"{n}@lid") is None for n in (1, 2, 3)] == [False, True, False]


# inbox


async def test_a_message_is_there_once(session: Session) -> None:
    """G5."""
    assert not session.seen(ALICE, ALICE, "A")
    assert await put(session, "A", push_name="Al", source="offline", from_me=True)
    assert session.seen(ALICE, ALICE, "A")
    assert not await put(session, "A", text="another")
    assert await put(session, "A", sender="15550100003@s.whatsapp.net")
    first, _ = session.pending("message", 10)
    assert first == InboxMessage(
        1, ALICE, ALICE, "A", 1_700_000_000, "text", "text of A", True, "Al", "offline"
    )
    assert session._rows("SELECT body FROM inbox WHERE key = 1") == [(b"body",)]


async def test_settled_messages_leave_a_tombstone_for_30_days(
    session: Session, clock: Clock, path: Path
) -> None:
    await put(session, "A", text="q7Zk3-unmistakable")
    await put(session, "B")
    clock.now += 40 * DAY
    async with session.transaction():
        session.prune(clock.now)
    assert session.seen(ALICE, ALICE, "A"), "unsettled: its term has not begun"
    async with session.transaction():
        session.settle([1, 1, 77])
    assert [item.key for item in session.pending("message", 10)] == [2]
    clock.now += 29 * DAY
    async with session.transaction():
        session.prune(clock.now)
    assert not await put(session, "A")
    clock.now += 2 * DAY
    async with session.transaction():
        session.prune(clock.now)
    assert not session.seen(ALICE, ALICE, "A")
    session.close()
    assert not holds(path, b"q7Zk3-unmistakable")


def holds(path: Path, text: bytes) -> bool:
    assert [one.name for one in path.parent.iterdir()] == [path.name], "the log is folded in"
    return text in path.read_bytes()


@pytest.mark.parametrize("settled", [True, False])
async def test_a_resend_replaces_a_placeholder(session: Session, *, settled: bool) -> None:
    assert await put(session, "A", type="undecryptable", text=None, body=None)
    assert not session.seen(ALICE, ALICE, "A")
    assert not await put(session, "A", type="undecryptable", text=None, body=None)
    if settled:
        async with session.transaction():
            session.settle([1])
    assert await put(session, "A")
    assert session.seen(ALICE, ALICE, "A")
    assert not await put(session, "A", type="undecryptable", text=None, body=None)
    (item,) = session.pending("message", 10)
    assert (item.key, item.text) == (2, "text of A")


async def test_what_shows_nothing_leaves_a_tombstone_alone(session: Session) -> None:
    key = {"chat": ALICE, "sender": ALICE}
    await put(session, "MESSAGE")
    await put(session, "PLACEHOLDER", type="undecryptable", text=None)
    async with session.transaction():
        for message_id in ("FRESH", "MESSAGE", "PLACEHOLDER"):
            session.bury(**key, message_id=message_id)
    for message_id in ("FRESH", "MESSAGE", "PLACEHOLDER"):
        assert session.seen(ALICE, ALICE, message_id)
        assert not await put(session, message_id)
    assert [item.key for item in session.pending("message", 10)] == [1]


async def test_keys_never_name_a_second_item(session: Session) -> None:
    await put(session, "A")
    async with session.transaction():
        session.settle([1])
    await put(session, "B")
    assert [item.key for item in session.pending("message", 10)] == [2]


async def test_each_kind_waits_in_its_own_order(session: Session) -> None:
    """Neither kind hides the other, however much of it waits."""
    for number in range(3):
        await put(session, f"{number}")
    async with session.transaction():
        session.add_receipt(chat=ALICE, message_ids=["X", "Y"], status="read", at=7)
        session.add_receipt(chat=ALICE, message_ids=["Z"], status="delivered", at=8)
    await put(session, "3")
    assert [item.key for item in session.pending("message", 3)] == [1, 2, 3]
    assert session.pending("receipt", 10) == [
        InboxReceipt(4, ALICE, ("X", "Y"), "read", 7),
        InboxReceipt(5, ALICE, ("Z",), "delivered", 8),
    ]
    assert [item.key for item in session.pending("message", 10)] == [1, 2, 3, 6]


def test_one_kind_is_read_without_the_other(session: Session) -> None:
    """By an index, already in order: what is read is what is asked for."""
    (step,) = session._rows(f"EXPLAIN QUERY PLAN {inbox.PENDING}", ("receipt", 10))
    assert step[3] == "SEARCH inbox USING INDEX inbox_kind (kind=?)"


# sent, devices, LIDs


async def test_plaintexts_are_kept_a_day_and_bounded(
    session: Session, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.connection.sent.SENT_ROWS", 3)
    async with session.transaction():
        for n in range(5):
            session.remember_sent(ALICE, f"M{n}", b"text", clock.now)
    kept = [session.sent_plaintext(ALICE, f"M{n}") for n in range(5)]
    assert kept == [None, None, b"text", b"text", b"text"]
    clock.now += DAY + 1
    assert session.sent_plaintext(ALICE, "M4") is None
    async with session.transaction():
        session.prune(clock.now)
    assert session._rows("SELECT * FROM sent") == []


async def test_retries_are_counted_per_direction_and_peer(session: Session) -> None:
    async with session.transaction():
        assert session.count_retry("asked", ALICE, ALICE, "M") == 1
        assert session.count_retry("asked", ALICE, ALICE, "M") == 2
        assert session.count_retry("answered", ALICE, ALICE, "M") == 1
    assert session.retries("asked", ALICE, ALICE, "M") == 2
    assert session.retries("asked", ALICE, "15550100003@s.whatsapp.net", "M") == 0


async def test_devices_are_cached_until_forgotten(session: Session) -> None:
    assert session.devices(ALICE) is None
    async with session.transaction():
        session.save_devices(ALICE, [ALICE, "15550100002:3@s.whatsapp.net"], 5.0)
    found = session.devices(ALICE)
    assert found is not None
    assert (found.fetched_at, len(found.devices)) == (5.0, 2)
    async with session.transaction():
        session.forget_devices(ALICE)
    assert session.devices(ALICE) is None


async def test_the_newest_pair_of_lid_and_number_wins(session: Session) -> None:
    async with session.transaction():
        assert session.learn_lid("1@lid", ALICE)
        assert not session.learn_lid("1@lid", ALICE)
        assert session.learn_lid("2@lid", ALICE)
    assert (session.pn_for("1@lid"), session.pn_for("2@lid")) == (None, ALICE)


async def test_sessions_move_from_the_lid_to_the_number(session: Session) -> None:
    async with session.transaction():
        session.add_ratchet("1:3@lid", b"base", b"identity", "lid state")
        session.save_identity("1:3@lid", b"identity")
        session.add_ratchet("11@lid", b"other", b"identity", "of another")
        session.add_ratchet("2@lid", b"b", b"identity", "from lid")
        session.add_ratchet("15550100003@s.whatsapp.net", b"c", b"identity", "own")
        session.learn_lid("1@lid", ALICE)
        session.learn_lid("2@lid", "15550100003@s.whatsapp.net")
    (moved,) = session.ratchets("15550100002:3@s.whatsapp.net")
    assert (moved.current, moved.state) == (True, "lid state")
    assert session.identity("15550100002:3@s.whatsapp.net") == b"identity"
    assert session.ratchets("1:3@lid") == []
    assert len(session.ratchets("11@lid")) == 1
    own, archived = session.ratchets("15550100003@s.whatsapp.net")
    assert (own.state, archived.state) == ("own", "from lid")


# keys


async def test_credentials_come_back_as_they_were(session: Session, path: Path) -> None:
    full = replace(
        new_credentials(),
        account="15550100001@s.whatsapp.net",
        device="15550100001:7@s.whatsapp.net",
        lid="123:7@lid",
        device_identity=b"\x00\xff",
        push_name="Näme",
        account_signature_key=bytes(32),
    )
    async with session.transaction():
        session.save_credentials(full)
    session.close()
    with closing(Session.open(path, 4)) as again:
        assert again.credentials() == full
        assert again.signed_prekey(1) == full.signed_prekey
    assert full.identity_private.hex() not in repr(full)
    assert repr(full.identity_private) not in repr(full)


async def test_a_logout_forgets_keys_and_keeps_the_inbox(session: Session, clock: Clock) -> None:
    async with session.transaction():
        session.save_credentials(new_credentials())
        first = session.add_prekeys([(b"p" * 32, b"q" * 32)], published=True)
        session.add_ratchet(ALICE, b"base", b"identity", "state")
        session.save_identity(ALICE, b"identity")
        session.save_devices(ALICE, [ALICE], 1.0)
        session.learn_lid("1@lid", ALICE)
        session.remember_sent(ALICE, "S", b"text", clock.now)
    await put(session, "A")
    async with session.transaction():
        session.forget_credentials()
    assert session.credentials() is None
    assert session.signed_prekey(1) is None
    assert session.prekey(first[0].id) is None
    assert session.ratchets(ALICE) == []
    assert session.identity(ALICE) is None
    assert session.devices(ALICE) is None
    assert session.sent_plaintext(ALICE, "S") is None
    assert session.seen(ALICE, ALICE, "A")
    assert len(session.pending("message", 10)) == 1
    async with session.transaction():
        second = session.add_prekeys([(b"r" * 32, b"s" * 32)], published=True)
    assert second[0].id > first[0].id


async def test_prekey_ids_are_never_used_again(session: Session, path: Path) -> None:
    async with session.transaction():
        ids = [key.id for key in session.add_prekeys([(b"a", b"b")] * 3, published=False)]
        session.delete_prekey(3)
    session.close()
    with closing(Session.open(path, 4)) as again:
        async with again.transaction():
            ids += [key.id for key in again.add_prekeys([(b"a", b"b")], published=True)]
    assert ids == [1, 2, 3, 4]


async def test_forty_archived_sessions_are_kept(session: Session) -> None:
    async with session.transaction():
        for n in range(50):
            session.add_ratchet(ALICE, bytes([n]), b"identity", str(n))
        kept = session.ratchets(ALICE)
        assert [one.state for one in kept] == [str(n) for n in range(49, 8, -1)]
        session.promote_ratchet(ALICE, kept[5].id)
        assert [one.state for one in session.ratchets(ALICE)][:3] == ["44", "49", "48"]


async def test_replaced_signed_prekeys_serve_90_days(session: Session, clock: Clock) -> None:
    made = new_credentials()
    async with session.transaction():
        session.save_credentials(made)
    clock.now += 200 * DAY
    second = replace(made.signed_prekey, id=2, private=b"x" * 32)
    async with session.transaction():
        session.save_credentials(replace(made, signed_prekey=second))
    for days, first_serves in ((89, True), (2, False)):
        clock.now += days * DAY
        async with session.transaction():
            session.prune(clock.now)
        assert (session.signed_prekey(1) is not None) is first_serves
    assert session.signed_prekey(2) is not None
