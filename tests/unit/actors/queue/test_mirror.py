from __future__ import annotations

from dataclasses import replace
from typing import Any

from actors.queue import mirror
from actors.queue.record import Record
from actors.state.documents import JOBS, MESSAGES

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
    reply_to=None,
    accepted_at=10.0,
    times={"queued": 10.0, "sending": 11.0, "sent": 12.0},
    revision=7,
)


def shown(current: dict[str, Any] | None, record: Record) -> dict[str, Any]:
    """Both documents after a mirroring, by collection."""
    documents = {}
    for write in mirror.writes([record]):
        assert write.op == "change"
        assert write.change is not None
        found = None if current is None else current[write.collection]
        changed = write.change(found)
        documents[write.collection] = found if changed is None else dict(changed)
    assert all(documents.values())
    return documents


def test_a_record_is_mirrored_into_both_collections_under_its_id() -> None:
    assert [(write.collection, write.id) for write in mirror.writes([RECORD])] == [
        (JOBS, RECORD.id),
        (MESSAGES, RECORD.id),
    ]


def test_a_message_is_listed_by_acceptance_with_a_time_per_status() -> None:
    document = shown(None, RECORD)[MESSAGES]
    assert document["direction"] == "out"
    assert document["at"] == 10.0
    assert (document["queued_at"], document["sending_at"], document["sent_at"]) == (10, 11, 12)
    assert "read_at" not in document


def test_a_job_has_neither_text_nor_chat() -> None:
    document = shown(None, RECORD)[JOBS]
    assert "hello" not in str(document)
    assert "15550100002" not in str(document)
    assert document["updated_at"] == 12.0


def test_an_older_revision_never_replaces_a_newer() -> None:
    read = replace(RECORD, status="read", revision=9)
    before = shown(None, read)
    assert shown(before, RECORD)[MESSAGES]["status"] == "read"
    assert shown(before, RECORD)[JOBS]["status"] == "read"
    assert shown(shown(None, RECORD), read)[MESSAGES]["status"] == "read"


def test_a_message_accepted_again_in_an_emptied_redis_replaces_the_old_one() -> None:
    again = replace(RECORD, status="queued", accepted_at=20.0, revision=1)
    assert shown(shown(None, RECORD), again)[MESSAGES]["status"] == "queued"
