"""Messages in an older file of a session get to the state store (G5)."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

from actors.connection.backup.quarantine import DRAINED
from actors.connection.backup.restore import OLDER_DIRECTORY
from actors.connection.backup.stranded_inbox import StrandedInbox
from actors.connection.owner.sender import Ticket
from actors.connection.session.files.pending_downloads import Downloads, Transfer
from actors.connection.session.session import Session, SessionUnavailable
from actors.connection.state_manager.port import StateRefused
from actors.messages.content import Edit, Target, decode, encode
from tests.integration.tree.scripted import Shelf

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

    from actors.queue.outbound_queue import OutboundQueue

CHAT = "15550100002@s.whatsapp.net"


async def test_changes_leave_it_as_messages_do(tmp_path: Path) -> None:
    said = Edit(Target("3EB0A1B2C3D4E5F6A7B8C9", CHAT), "ho")
    file = tmp_path / OLDER_DIRECTORY / "1" / "session.db"
    with closing(Session.open(file, 1)) as older:
        async with older.transaction():
            for message_id, content in (("WORDS", None), ("CHANGE", encode(said))):
                older.inbox.add(
                    chat=CHAT,
                    sender=CHAT,
                    message_id=message_id,
                    at=900,
                    type="text" if content is None else "edit",
                    text="hi" if content is None else None,
                    content=content,
                )
    shelf = Shelf()
    await StrandedInbox(Ticket("shop", 2), tmp_path, cast("OutboundQueue", None), shelf).run()
    assert list(shelf.messages) == ["shop.WORDS", "shop.CHANGE"]
    assert decode(shelf.messages["shop.CHANGE"]["content"]) == said
    assert (tmp_path / DRAINED / "1" / "session.db").is_file()


async def test_files_that_it_was_still_to_fetch_are_the_live_sessions(tmp_path: Path) -> None:
    fetched, waiting = (
        Transfer(CHAT, CHAT, name, False, "image", b"k" * 32, "/p", b"h" * 32, b"s" * 32, 5)
        for name in ("FETCHED", "WAITING")
    )
    file = tmp_path / OLDER_DIRECTORY / "1" / "session.db"
    with closing(Session.open(file, 1)) as older:
        async with older.transaction():
            for transfer in (fetched, waiting):
                older.inbox.add(
                    chat=CHAT,
                    sender=CHAT,
                    message_id=transfer.message_id,
                    at=900,
                    type="image",
                    text=None,
                )
                older.downloads.add(transfer)
            older.downloads.put_off(waiting, 2e9, attempts=3, requests=1)
            older.downloads.end(fetched, "stored")
    shelf = Shelf()
    with closing(Session.open(tmp_path / "session.db", 2)) as live:
        await StrandedInbox(Ticket("shop", 2), tmp_path, cast("OutboundQueue", None), shelf).run()
        assert shelf.messages["shop.FETCHED"]["media"] == "stored"
        (found,) = live.downloads.due(2e9, 9)
        assert (found.name, found.attempts, found.requests) == (waiting.name, 3, 1)
        assert found.next_at < 2e9
        async with live.transaction():
            assert live.downloads.end(found, "stored")
    assert (tmp_path / DRAINED / "1" / "session.db").is_file()


async def test_a_live_session_that_takes_nothing_now_is_given_them_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transfer = Transfer(CHAT, CHAT, "A", False, "image", b"k" * 32, "/p", b"h" * 32, b"s" * 32, 5)
    with closing(Session.open(tmp_path / OLDER_DIRECTORY / "1" / "session.db", 1)) as older:
        async with older.transaction():
            older.downloads.add(transfer)
    real, refused = Downloads.add, list[str]()

    def full(downloads: Downloads, one: Transfer) -> None:
        if not refused:
            refused.append(one.message_id)
            raise SessionUnavailable("SQLITE_FULL")
        real(downloads, one)

    with closing(Session.open(tmp_path / "session.db", 2)) as live:
        monkeypatch.setattr(Downloads, "add", full)
        await StrandedInbox(Ticket("shop", 2), tmp_path, cast("OutboundQueue", None), Shelf()).run()
        assert refused == ["A"]
        assert [one.name for one in live.downloads.due(2e9, 9)] == [transfer.name]


async def test_the_newest_three_stay_once_they_are_drained(tmp_path: Path) -> None:
    for minute in range(5):
        name = f"19700101T000{minute}00Z-{minute}"
        with closing(
            Session.open(tmp_path / OLDER_DIRECTORY / name / "session.db", minute)
        ) as older:
            async with older.transaction():
                older.inbox.add(
                    chat=CHAT, sender=CHAT, message_id=name, at=900, type="text", text="hi"
                )
    shelf = Shelf()
    await StrandedInbox(Ticket("shop", 9), tmp_path, cast("OutboundQueue", None), shelf).run()
    assert len(shelf.messages) == 5
    assert list((tmp_path / OLDER_DIRECTORY).iterdir()) == []
    assert sorted(place.name[-1] for place in (tmp_path / DRAINED).iterdir()) == ["2", "3", "4"]


class Choosy(Shelf):
    async def store_messages(
        self, connection: str, epoch: int, items: Sequence[dict[str, Any]]
    ) -> bool:
        if any(item["message_id"] == "REFUSED" for item in items):
            raise StateRefused
        return await super().store_messages(connection, epoch, items)


async def test_what_the_store_refuses_is_the_live_sessions_to_keep(tmp_path: Path) -> None:
    with closing(Session.open(tmp_path / OLDER_DIRECTORY / "1" / "session.db", 1)) as older:
        async with older.transaction():
            for name in ("A", "REFUSED", "B"):
                older.inbox.add(
                    chat=CHAT, sender=CHAT, message_id=name, at=900, type="text", text="hi"
                )
    shelf = Choosy()
    with closing(Session.open(tmp_path / "session.db", 2)) as live:
        await StrandedInbox(Ticket("shop", 2), tmp_path, cast("OutboundQueue", None), shelf).run()
        assert set(shelf.messages) == {"shop.A", "shop.B"}
        (item,) = live.refused.items(10, 0)
        assert (item.message_id, item.kind, item.excerpt) == ("REFUSED", "message", "hi")
    assert (tmp_path / DRAINED / "1" / "session.db").is_file()
