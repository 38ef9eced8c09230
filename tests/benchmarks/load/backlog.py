"""A backlog in the state store, written as the StateManager and the monitor write it, by the store's own batches."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from actors.connection.abilities.app_state_changes import AppStateChange
from actors.connection.engine import InboxMessage
from actors.health.alerts import Alert
from actors.state.account import app_state, chat_activity
from actors.state.documents import BATCH_LIMIT, StoreAway
from actors.state.events.deliveries import Attempt, Delivery
from actors.state.events.log import EventLog
from actors.state.messages.received import incoming, storing
from actors.state.open_store import open_documents
from actors.state.recovery_actions import noting, recovery_action

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.config.settings import Settings
    from actors.state.documents import Document, Documents, Write

CHATS, LABELS = 500, 20
BEGAN = 1_764_000_000
WORDS = "as long as most"
"""Words of each message."""

IN_A_ROW = 4
"""Messages of one chat before the next one's."""

_BATCH = BATCH_LIMIT // 2


def person(number: int) -> str:
    return f"1555010{number:04}@s.whatsapp.net"


async def fill(settings: Settings, connection: str, messages: range) -> None:
    """Store received messages of these numbers, and an event of each where a webhook wants them."""
    documents = open_documents(settings)
    for first in range(messages.start, messages.stop, _BATCH):
        part = range(first, min(first + _BATCH, messages.stop))
        received = [_received(connection, number) for number in part]
        known = [chat_activity.of_message(each, each["id"]) for each in received]
        writes = [*map(storing, received), *chat_activity.noting(connection, known)]
        await _commit(documents, writes)
    await documents.close()


async def save_people(settings: Settings, connection: str) -> None:
    """Have each person in the address book, each chat with a setting, and some labels."""
    documents = open_documents(settings)
    changes = [
        *(
            AppStateChange.contact(person(each), full_name=f"Customer {each}")
            for each in range(CHATS)
        ),
        *(AppStateChange.archive(person(each), archived=True) for each in range(CHATS)),
        *(AppStateChange.label(str(each), name=f"Label {each}") for each in range(LABELS)),
    ]
    noted = {"epoch": 1, "collection": "regular", "at": BEGAN, "news": False}
    writes = [
        app_state.changing(connection, {**asdict(each), **noted, "key": key, "noted_as": each.id})
        for key, each in enumerate(changes)
    ]
    for first in range(0, len(writes), _BATCH):
        await _commit(documents, writes[first : first + _BATCH])
    await documents.close()


async def bury(settings: Settings, webhook: str, count: int) -> None:
    """Make dead letters of the newest events of a webhook."""
    documents = open_documents(settings)
    log = EventLog(documents)
    before = (await log.head()).seq + 1
    attempt = Attempt(BEGAN, 500, "status_500", 0.2)
    while count > 0:
        told = (await log.before(before, packs=1)).events[:count]
        await _commit(
            documents,
            [
                Delivery(webhook, each, "dead", "lane", 1, (attempt,)).write
                for each in told[:BATCH_LIMIT]
            ],
        )
        before, count = told[-1].seq, count - len(told)
    await documents.close()


async def raise_alerts(settings: Settings, connection: str, count: int) -> None:
    """Write alerts that are over, and as many recoveries."""
    documents = open_documents(settings)
    writes: list[Write] = []
    for number in range(count):
        at = BEGAN + 60.0 * number
        writes += (
            Alert("connection_down", connection, "warning", "It was away.", at, at + 30).write,
            noting(
                recovery_action(
                    role="connection",
                    action="restarted",
                    cause="crash",
                    at=at,
                    seconds=0.2,
                    connection=connection,
                    before="open",
                    after="open",
                    epoch_before=number,
                    epoch_after=number + 1,
                )
            ),
        )
    for first in range(0, len(writes), _BATCH):
        await _commit(documents, writes[first : first + _BATCH])
    await documents.close()


def _received(connection: str, number: int) -> Document:
    chat = person(number // IN_A_ROW % CHATS)
    message = InboxMessage(
        key=number + 1,
        chat=chat,
        sender=chat,
        message_id=f"{number:032X}",
        at=BEGAN + number,
        type="text",
        text=f"message {number} of this chat, {WORDS} of those that customers write",
        push_name=f"Customer {int(chat[7:11])}",
        received_at=BEGAN + number + 0.5,
        place=BEGAN + number + 0.5,
    )
    return incoming(connection, asdict(message), 0.0)


async def _commit(documents: Documents, writes: Sequence[Write]) -> None:
    """Repeat what a busy machine keeps from its answer: each write is safe to repeat."""
    while True:
        try:
            await documents.batch(writes)
        except StoreAway:
            continue
        return
