from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from actors.messages.content import ChatChange, PollVote, Reaction, ReadMark, Target, encode
from actors.queue.mirror import mirror_writes
from actors.queue.records import Record
from actors.state.account import chat_activity
from actors.state.account.app_state import document_id
from actors.state.account.chat_activity import Activity
from actors.state.documents import CHATS, JOBS, MESSAGES
from actors.state.messages.applied_changes import target_id
from actors.state.sqlite.store import SqliteDocuments

if TYPE_CHECKING:
    from pathlib import Path

ANA = "15550100002@s.whatsapp.net"
RECORD = Record(
    id="shop.3EB0000000000000000001",
    message_id="3EB0000000000000000001",
    connection="shop",
    chat="15550100002@s.whatsapp.net",
    type="text",
    text="hello",
    priority=5,
    status="sent",
    attempts=2,
    error=None,
    uncertain=False,
    accepted_at=10.0,
    times={"queued": 10.0, "sending": 11.0, "sent": 12.0},
    revision=7,
)


async def shown(directory: Path, *records: Record) -> dict[str, Any]:
    """Both documents of a store after these mirrorings, by collection."""
    documents = SqliteDocuments(directory / "state.sqlite3")
    try:
        for record in records:
            await documents.batch(mirror_writes.writes([record]))
        found = {each: await documents.get(each, RECORD.id) for each in (JOBS, MESSAGES)}
    finally:
        await documents.close()
    assert all(found.values())
    return found


def test_a_record_is_mirrored_into_both_collections_under_its_id() -> None:
    assert [(write.collection, write.id) for write in mirror_writes.writes([RECORD])] == [
        (JOBS, RECORD.id),
        (MESSAGES, RECORD.id),
        (CHATS, document_id("shop", ANA)),
    ]


async def test_its_chat_is_listed_by_it_and_read_once_the_account_wrote(tmp_path: Path) -> None:
    documents = SqliteDocuments(tmp_path / "state.sqlite3")
    try:
        for at in (5.0, 6.0):
            came = Activity(ANA, at, f"shop.in.{at}", "arrived", "Ana")
            await documents.batch(chat_activity.noting("shop", [came]))
        for record in (RECORD, replace(RECORD, status="read", revision=8)):
            await documents.batch(mirror_writes.writes([record]))
        (chat,) = (await documents.query(CHATS)).items
        assert (chat["last"], chat["active_at"], chat["name"]) == (RECORD.id, 10.0, "Ana")
        assert chat["unread_count"] == 0
        await documents.batch(
            chat_activity.noting("shop", [Activity(ANA, 20.0, "shop.in.20", "arrived")])
        )
        mark = replace(RECORD, type="read_mark", text="", accepted_at=21.0)
        for mirrored, unread in ((replace(mark, status="sending"), 1), (mark, 0)):
            await documents.batch(mirror_writes.writes([mirrored]))
            (chat,) = (await documents.query(CHATS)).items
            assert chat["unread_count"] == unread
    finally:
        await documents.close()


def test_a_reaction_is_no_message_of_its_chat() -> None:
    reaction = Reaction(Target("A", ANA), "x")
    record = replace(RECORD, type="reaction", text="", content=encode(reaction))
    assert CHATS not in {write.collection for write in mirror_writes.writes([record])}


async def test_a_message_is_listed_by_acceptance_with_a_time_per_status(tmp_path: Path) -> None:
    document = (await shown(tmp_path, RECORD))[MESSAGES]
    assert document["direction"] == "out"
    assert document["at"] == 10.0
    assert (document["queued_at"], document["sending_at"], document["sent_at"]) == (10, 11, 12)
    assert "read_at" not in document


@pytest.mark.parametrize(("send_at", "at_ms"), [(None, 10_250), (9.0, 10_250), (11.5, 11_500)])
@pytest.mark.parametrize(
    "change", [Reaction(Target("A", ANA), "+"), PollVote(Target("A", ANA), ("yes",))]
)
async def test_a_reaction_or_a_vote_is_noted_with_the_time_that_it_bears(
    tmp_path: Path, change: Reaction | PollVote, send_at: float | None, at_ms: int
) -> None:
    """That of its acceptance, whenever WhatsApp had it: others compare by it, and so does the document."""
    record = replace(
        RECORD, accepted_at=10.25, send_at=send_at, type=change.type, content=encode(change)
    )
    documents = SqliteDocuments(tmp_path / "state.sqlite3")
    try:
        await documents.batch(mirror_writes.writes([record]))
        target = await documents.get(MESSAGES, target_id("shop", ANA, change.target))
    finally:
        await documents.close()
    assert target is not None
    ((_, noted),) = next(iter(target["changes"].values())).items()
    assert (noted["at"], noted["at_ms"]) == (12.0, at_ms)


async def test_a_job_has_neither_text_nor_chat(tmp_path: Path) -> None:
    document = (await shown(tmp_path, RECORD))[JOBS]
    assert "hello" not in str(document)
    assert "15550100002" not in str(document)
    assert document["updated_at"] == 12.0


async def test_an_older_revision_never_replaces_a_newer(tmp_path: Path) -> None:
    read = replace(RECORD, status="read", revision=9)
    for number, order in enumerate([(read, RECORD), (RECORD, read)]):
        directory = tmp_path / str(number)
        directory.mkdir()
        found = await shown(directory, *order)
        assert {document["status"] for document in found.values()} == {"read"}


async def test_a_message_accepted_again_in_an_emptied_redis_replaces_the_old_one(
    tmp_path: Path,
) -> None:
    again = replace(RECORD, status="queued", accepted_at=20.0, revision=1)
    found = await shown(tmp_path, RECORD, again)
    assert {document["status"] for document in found.values()} == {"queued"}


async def test_where_documents_are_paid_for_what_was_sent_at_once_is_no_job(tmp_path: Path) -> None:
    documents = SqliteDocuments(tmp_path / "state.sqlite3")
    waiting = replace(RECORD, status="waiting", revision=3)
    try:
        await documents.batch(mirror_writes.writes([RECORD], billed=True))
        assert await documents.get(JOBS, RECORD.id) is None
        assert await documents.get(MESSAGES, RECORD.id) is not None
        # A message that waited has a view, and keeps it with each of its ends.
        for record in (waiting, RECORD, waiting):
            await documents.batch(mirror_writes.writes([record], billed=True))
        job = await documents.get(JOBS, RECORD.id)
        assert job is not None
        assert (job["status"], job["revision"]) == ("sent", 7)
    finally:
        await documents.close()


@pytest.mark.parametrize("notice", [ReadMark(until=10.0), ChatChange(archived=True)])
@pytest.mark.parametrize("billed", [False, True])
async def test_a_notice_is_no_message_and_a_job_only_while_it_is_dead(
    tmp_path: Path, notice: ReadMark | ChatChange, billed: bool
) -> None:
    content = encode(notice)
    mark = replace(RECORD, type=notice.type, text="", content=content, status="sending")
    documents = SqliteDocuments(tmp_path / "state.sqlite3")

    async def status(**changes: Any) -> str | None:
        await documents.batch(mirror_writes.writes([replace(mark, **changes)], billed=billed))
        assert await documents.get(MESSAGES, mark.id) is None
        job = await documents.get(JOBS, mark.id)
        return None if job is None else str(job["status"])

    try:
        assert await status() is None
        assert await status(status="sent", revision=8) is None
        assert await status(status="dead", revision=9) == "dead"
        assert await status(status="sent", revision=10) == "sent"
    finally:
        await documents.close()
