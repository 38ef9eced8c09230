"""Defines models of events for webhooks and `/api/events`, and models of webhooks and deliveries."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from actors.state.events.event import EventType  # noqa: TC001 - pydantic reads it at run time
from gateway.http.response_base import Answer, Time
from gateway.schemas.account import ChangedChat, ChangedContact  # noqa: TC001
from gateway.schemas.people.people import Person  # noqa: TC001
from gateway.schemas.response_models import (
    Alert,
    Connection,
    Incarnation,
    LimitReason,
    Message,
    State,
)

Step = Literal["sent", "delivered", "read", "dead", "cancelled"]
Withheld = Literal["expired", "missing_scope", "redis_away"]


class EventAnswer(Answer):
    """Fields of all events. Delivered again, also after a crash, an event has the same `id`."""

    id: str = Field(description="Of the event; `webhook-id` of its delivery.")
    seq: int = Field(description="Rises with each event of the instance.")
    timestamp: Time = Field(description="When it happened.")
    connection: str | None = Field(
        description="The connection that it is about; null for none.", examples=["shop"]
    )
    incarnation: Incarnation
    cut: bool = Field(description="Its words were too long, and are null: ask for them by the id.")


class ReceivedEvent(EventAnswer):
    """A message arrived; once more where one that could not be read at first now can be."""

    type: Literal["message.received"]
    data: Message


class MessageStep(Answer):
    id: str = Field(examples=["shop--K7Q2M9XA4TBC.3EB0A1B2C3D4E5F6A7B8C9"])
    message_id: str
    connection: str
    chat: str
    type: str
    status: Step = Field(description="The status that it entered.")
    at: Time
    attempts: int
    error: str | None = Field(description="The code of what went wrong last.")
    uncertain: bool = Field(
        description="Ended without being sent, but an attempt may have arrived all the same."
    )


class StepEvent(EventAnswer):
    """A message that this service, or the account's phone, sent got further, or ended."""

    type: Literal[
        "message.sent",
        "message.delivered",
        "message.read",
        "message.dead",
        "message.cancelled",
    ]
    data: MessageStep


class MessageChange(Answer):
    id: str = Field(description="Of the message that was changed.")
    message_id: str
    connection: str
    chat: str
    change: Literal["reaction", "edit", "delete", "vote"]
    by: str = Field(description="`me` for the account, else the address of who did it.")
    author: Person | None = Field(description="The person who did it; null for the account.")
    at: Time
    emoji: str | None = Field(description="Of a reaction; empty where one was taken back.")
    text: str | None = Field(description="The text after this edit.")
    options: list[str] | None = Field(
        description="The options of the vote; null where it could not be read."
    )


class ChangedEvent(EventAnswer):
    """A reaction, an edit, a delete or a vote. It is no message besides."""

    type: Literal["message.changed"]
    data: MessageChange


class ConnectionState(Answer):
    id: str = Field(examples=["shop"])
    state: State
    cause: str | None = Field(description="Why it is in this state, where there is a reason.")
    epoch: int
    since: Time | None
    account: str | None
    retry_at: Time | None


class StateEvent(EventAnswer):
    """A connection is in another state, or in it for another cause."""

    type: Literal["connection.state"]
    data: ConnectionState


class ConnectionLimit(Answer):
    id: str = Field(examples=["shop"])
    limited_until: Time | None = Field(description="null where it is limited no more.")
    limit_reason: LimitReason | None = Field(description="As `GET /api/connections/{id}` gives it.")
    since: Time = Field(description="When that was reported.")


class LimitedEvent(EventAnswer):
    """WhatsApp lets the account write to nobody new for a while, for another time, or again."""

    type: Literal["connection.limited"]
    data: ConnectionLimit


class PairingShown(Answer):
    id: str = Field(examples=["shop"])
    kind: Literal["qr", "code"] = Field(description="A QR to scan, or a code to type on the phone.")
    number: int = Field(description="Counts the QRs and codes of this `epoch`, from 1.")
    epoch: int
    expires_at: Time
    qr: str | None = Field(description="The text that the QR's image has, as `GET …/qr` gives it.")
    code: str | None = Field(
        description="As `GET …/pairing-code` gives it.", examples=["K7RM-2V9D"]
    )
    withheld: Withheld | None = Field(
        description="Why neither `qr` nor `code` is given. `expired`: it is void, or another took its"
        " place, before this was delivered. `missing_scope`: the reader's key is not an admin's."
        " `redis_away`: what has it did not answer; ask by `GET`."
    )


class PairingEvent(EventAnswer):
    """A QR or a pairing code is shown, by which the account can be linked.

    Stored without it: the QR or code is added when the event is delivered, while it is valid, for
    webhooks and for readers with an admin's key.
    """

    type: Literal["connection.qr"]
    data: PairingShown


class PasskeyAsked(Answer):
    id: str = Field(examples=["shop"])
    number: int = Field(description="Counts what was shown in this `epoch` to link it, from 1.")
    epoch: int
    expires_at: Time


class PasskeyEvent(EventAnswer):
    """Linking waits for the account's passkey, or for a code to be compared: `GET …/passkey` has it."""

    type: Literal["connection.passkey"]
    data: PasskeyAsked


class CallState(Answer):
    id: str = Field(description="Of the call, as it is refused by.")
    connection: str = Field(examples=["shop"])
    caller: str = Field(
        description="An address. Superseded by `author.address`.",
        examples=["15550100002@s.whatsapp.net"],
        json_schema_extra={"deprecated": True},
    )
    author: Person = Field(description="The person who calls.")
    state: Literal["offered", "ended"] = Field(description="It rings, or it is over.")
    at: Time = Field(description="WhatsApp's time of it.")
    video: bool
    group: str | None = Field(description="The chat of a group call.")


class CallEvent(EventAnswer):
    """A call to the account; once more when it is over, by either side or on another device."""

    type: Literal["call.received"]
    data: CallState


class ChatEvent(EventAnswer):
    """Settings of a chat changed, on whatever device of the account."""

    type: Literal["chat.updated"]
    data: ChangedChat


class RenamedChat(Answer):
    connection: str = Field(examples=["shop"])
    chat: str = Field(
        description="The address from now on, also of what the chat had before.",
        examples=["15550100002@s.whatsapp.net"],
    )
    former: str = Field(description="The address until now.", examples=["200000000000001@lid"])
    at: Time


class RenamedEvent(EventAnswer):
    """A chat goes by another address from now on, since two addresses are one person's."""

    type: Literal["chat.renamed"]
    data: RenamedChat


class ContactEvent(EventAnswer):
    """A contact has other names, or is in the address book of the account's phone no more."""

    type: Literal["contact.updated"]
    data: ChangedContact


class AlertEvent(EventAnswer):
    """Something lasting that somebody should know of began, lasts, or is over."""

    type: Literal["alert.raised", "alert.repeated", "alert.cleared"]
    data: Alert


class TestedWebhook(Answer):
    webhook: str = Field(examples=["wh_0c5a7b1e9d3f42868d17a2b4"])


class TestEvent(EventAnswer):
    """A test that a person asked for; it is no part of the log, and its `seq` is 0."""

    type: Literal["webhook.test"]
    data: TestedWebhook


Told = Annotated[
    ReceivedEvent
    | StepEvent
    | ChangedEvent
    | StateEvent
    | LimitedEvent
    | PairingEvent
    | PasskeyEvent
    | CallEvent
    | ChatEvent
    | RenamedEvent
    | ContactEvent
    | AlertEvent,
    Field(discriminator="type"),
]
MODELS: tuple[type[EventAnswer], ...] = (
    ReceivedEvent,
    StepEvent,
    ChangedEvent,
    StateEvent,
    LimitedEvent,
    PairingEvent,
    PasskeyEvent,
    CallEvent,
    ChatEvent,
    RenamedEvent,
    ContactEvent,
    AlertEvent,
)
SENT: tuple[type[EventAnswer], ...] = (*MODELS, TestEvent)
"""Models of all that an endpoint gets."""

Progress = Literal["waiting", "delivered", "dead"]


class Webhook(Answer):
    """An endpoint that gets events."""

    id: str = Field(examples=["wh_0c5a7b1e9d3f42868d17a2b4"])
    url: str = Field(examples=["https://example.com/teimoso"])
    events: list[EventType] | None = Field(description="Types of events that it gets; null is all.")
    connections: list[str] | None = Field(
        description="Connections whose events it gets; null is all, and those of no connection too. One that was deleted"
        " is named by its incarnation."
    )
    enabled: bool
    disabled_because: Literal["paused", "gone", "ended"] | None = Field(
        description="`gone`: the endpoint answered 410. `ended`: every connection that it was for is"
        " deleted; it stays listed, and gets nothing more."
    )
    created_at: Time
    headers: dict[str, str] = Field(
        description="Headers that go with each delivery, their values masked."
    )
    waiting: int = Field(
        description="Events that are still to be dealt with; of those that were not looked at yet, of any type."
    )
    held_chats: int = Field(
        description="Chats that wait because an event of theirs was refused, and is tried again."
    )
    failing_since: Time | None = Field(description="Since when no delivery gets through.")
    attempts: int = Field(
        description="Attempts at the event that was refused first of those that are tried again."
    )
    error: str | None = Field(
        description="Why the last attempt failed: `status_…`, `timeout`, `unreachable`, `unknown_host`,"
        " `private_address`, `tls_failed` or `malformed_answer`."
    )
    retry_at: Time | None = Field(description="When the next of those is tried again.")
    delivered_at: Time | None = Field(description="When something got through last.")
    missed: int = Field(description="Events that were gone before they could be delivered.")


class AddedWebhook(Webhook):
    """The endpoint with its secret, which nothing shows again."""

    secret: str = Field(description="The key that signs deliveries.", examples=["whsec_…"])


class AddedConnection(Connection):
    """The connection, and the webhook that was asked for with it."""

    webhook: AddedWebhook


class Webhooks(Answer):
    items: list[Webhook]
    next: None = None


class Rotated(Answer):
    secret: str = Field(description="The new one. The one before signs too for 24 hours.")


class Attempt(Answer):
    """One request to an endpoint."""

    at: Time
    http_status: int | None = Field(
        description="Of the answer; null where none came.", examples=[204]
    )
    error: str | None = Field(
        description="null for an answer 2xx. `unreadable` and `endpoint_was_gone`: there was no request."
    )
    seconds: float = Field(description="Until the answer's status came, or the attempt failed.")


class Tested(Attempt):
    """Outcome of a test event."""

    event_id: str = Field(description="Its `webhook-id`.")
    delivered: bool


class Delivery(Answer):
    """An event on its way to an endpoint."""

    id: str
    event_id: str = Field(description="Its `webhook-id`.")
    type: EventType | Literal["unreadable"]
    connection: str | None
    status: Progress
    at: Time = Field(description="When it happened.")
    attempts: int | None = Field(description="null where that is not kept: it was delivered.")
    error: str | None
    tried_at: Time | None
    retry_at: Time | None = Field(description="When it is tried again.")
    tries: list[Attempt] = Field(description="The last 20 attempts, the oldest first.")


class Deliveries(Answer):
    items: list[Delivery]
    next: str | None


def example() -> dict[str, Any]:
    """An event as readers and endpoints get it."""
    return {
        "id": "evt_3f6b0c2d7a914e58b1c9d0e2f3a4b5c6",
        "seq": 42,
        "timestamp": "2030-01-01T09:00:00.000Z",
        "connection": "shop",
        "incarnation": "shop--K7Q2M9XA4TBC",
        "cut": False,
        "type": "message.read",
        "data": {
            "id": "shop--K7Q2M9XA4TBC.3EB0A1B2C3D4E5F6A7B8C9",
            "message_id": "3EB0A1B2C3D4E5F6A7B8C9",
            "connection": "shop",
            "chat": "15550100002@s.whatsapp.net",
            "type": "text",
            "status": "read",
            "at": "2030-01-01T09:00:00.000Z",
            "attempts": 1,
            "error": None,
            "uncertain": False,
        },
    }
