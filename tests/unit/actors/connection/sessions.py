"""Parts of tests of a session file: a clock that stands still, and a message to put in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actors.connection.session.session import Session

ALICE = "15550100002@s.whatsapp.net"
DAY = 86_400.0

AS_IN_18 = """
ALTER TABLE signed_prekeys DROP COLUMN spent;
DROP TABLE file_details;
ALTER TABLE file DROP COLUMN clock_at;
ALTER TABLE file DROP COLUMN linked_at;
ALTER TABLE inbox DROP COLUMN received_at; ALTER TABLE inbox DROP COLUMN place;
DROP TABLE chat_order;
DROP TABLE contact_names; DROP TABLE group_subjects;
DROP TABLE refused; DROP TABLE received_bytes;
DROP INDEX transfers_deferred; ALTER TABLE transfers DROP COLUMN deferred;
DROP TABLE app_state; DROP TABLE app_state_lids;
DROP TABLE skipped_keys; DROP TABLE skipped_sender_keys;
DROP INDEX ratchets_kept; DROP INDEX sender_keys_kept;
ALTER TABLE ratchets DROP COLUMN peer_key; ALTER TABLE ratchets DROP COLUMN kept;
ALTER TABLE sender_keys DROP COLUMN kept;
ALTER TABLE sender_keys ADD COLUMN skipped BLOB NOT NULL DEFAULT x'';
"""
"""Makes of a session file without skipped keys one of version 18."""


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


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
        return session.inbox.add(**(message | more))  # type: ignore[arg-type]
