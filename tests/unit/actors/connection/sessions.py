"""Parts of tests of a session file: a clock that stands still, and a message to put in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.session.pruner import SessionPruner

if TYPE_CHECKING:
    from actors.connection.session.session import Session

ALICE = "15550100002@s.whatsapp.net"
DAY = 86_400.0


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


async def prune(session: Session) -> None:
    """Let the session have a round of its pruner."""
    await SessionPruner(session, session.clock, lambda _: None).round()
