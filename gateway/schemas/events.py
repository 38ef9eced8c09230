"""Defines models of events for webhooks and `/api/events`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from gateway.http.response_base import Answer, Time
from gateway.schemas.account import ChangedChat, ChangedContact  # noqa: TC001
from gateway.schemas.people.group_events import ChangedGroup, ChangedMembers  # noqa: TC001
from gateway.schemas.people.people import ChangedPicture, Person  # noqa: TC001
from gateway.schemas.response_models import (
    Alert,
    Incarnation,
    LimitReason,
    Message,
    MessageMedia,
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


class ReceivedFile(MessageMedia):
    """The file that a message brings; a webhook that asks for it gets the file itself, too."""

    base64: str | None = Field(
        description="The file, for a webhook with `base64` once it is `stored`; else null."
    )
    base64_omitted: Literal["too_large", "unavailable"] | None = Field(
        description="Why a webhook with `base64` gets the address alone: the file has more bytes than its"
        " `base64_limit`, or could not be read."
    )


class ReceivedMessage(Message):
    """The message, as `GET /api/messages/{id}` has it."""

    media: ReceivedFile | None


class ReceivedEvent(EventAnswer):
    """A message arrived; once more where one that could not be read at first now can be."""

    type: Literal["message.received"]
    data: ReceivedMessage


class MessageStep(Answer):
    """A message at the status that it entered."""

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
    """The change of a message; the fields of other kinds of changes are null."""

    id: str = Field(description="Of the message that was changed.")
    message_id: str
    connection: str
    chat: str
    change: Literal["reaction", "pin", "edit", "delete", "vote"]
    by: str = Field(description="`me` for the account, else the address of who did it.")
    author: Person | None = Field(description="The person who did it; null for the account.")
    at: Time
    emoji: str | None = Field(description="Of a reaction; empty where one was taken back.")
    pinned_until: Time | None = Field(
        description="Of a pin, until when the message is pinned; null where one was taken back."
    )
    text: str | None = Field(description="The text after this edit.")
    options: list[str] | None = Field(
        description="The options of the vote; null where it could not be read."
    )


class ChangedEvent(EventAnswer):
    """A reaction, a pin, an edit, a delete or a vote. It is no message besides."""

    type: Literal["message.changed"]
    data: MessageChange


class MessageFile(Answer):
    """The final state of a file; a message that names none has the code `media_unusable` alone."""

    state: Literal["stored", "failed"] = Field(
        description="`stored`: `url` has it. `failed`: it is not fetched any more."
    )
    error: str | None = Field(
        description="The code of why it failed.", examples=["media_unreachable"]
    )
    sha256: str | None
    size: int | None = Field(description="Bytes.")
    mime: str | None
    name: str | None
    url: str = Field(
        description="Its address in this service; a key with the scope `read` gets it."
    )


class MessageMediaOutcome(Answer):
    """A message whose file is stored, or failed."""

    id: str = Field(description="Of the message that brings the file.")
    message_id: str
    connection: str
    chat: str
    direction: Literal["in", "out"] = Field(
        description="`out`: the account's phone sent the message."
    )
    type: str = Field(description="Of the message.", examples=["image"])
    author: Person | None = Field(description="The person who sent it, as the message has it.")
    media: MessageFile


class MediaEvent(EventAnswer):
    """The file of a message is stored, or cannot be had. It comes behind the message's own event."""

    type: Literal["message.media"]
    data: MessageMediaOutcome


class ConnectionState(Answer):
    """The state that a connection entered."""

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
    """The limit of an account as WhatsApp reported it."""

    id: str = Field(examples=["shop"])
    limited_until: Time | None = Field(description="null where it is limited no more.")
    limit_reason: LimitReason | None = Field(description="As `GET /api/connections/{id}` gives it.")
    since: Time = Field(description="When that was reported.")


class LimitedEvent(EventAnswer):
    """WhatsApp lets the account write to nobody new for a while, for another time, or again."""

    type: Literal["connection.limited"]
    data: ConnectionLimit


class PairingShown(Answer):
    """A QR or a pairing code, valid until `expires_at`."""

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
    """The step of linking that waits for a passkey, until `expires_at`."""

    id: str = Field(examples=["shop"])
    number: int = Field(description="Counts what was shown in this `epoch` to link it, from 1.")
    epoch: int
    expires_at: Time


class PasskeyEvent(EventAnswer):
    """Linking waits for the account's passkey, or for a code to be compared: `GET …/passkey` has it."""

    type: Literal["connection.passkey"]
    data: PasskeyAsked


class CallState(Answer):
    """A call that rings, or is over."""

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
    """The addresses of a chat, until now and from now on."""

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


class GroupEvent(EventAnswer):
    """A setting of a group changed, or the account came into the group and learnt it."""

    type: Literal["group.updated"]
    data: ChangedGroup


class GroupMembersEvent(EventAnswer):
    """Members of a group came or went, or are admins or not."""

    type: Literal["group.participants"]
    data: ChangedMembers


class ContactEvent(EventAnswer):
    """A contact has other names, or is in the address book of the account's phone no more."""

    type: Literal["contact.updated"]
    data: ChangedContact


class PictureEvent(EventAnswer):
    """A person whom the account knows has another picture, or none any more; the account itself too."""

    type: Literal["contact.picture"]
    data: ChangedPicture


class AlertEvent(EventAnswer):
    """Something lasting that somebody should know of began, lasts, or is over."""

    type: Literal["alert.raised", "alert.repeated", "alert.cleared"]
    data: Alert


class TestedWebhook(Answer):
    """The endpoint that is tested."""

    webhook: str = Field(examples=["wh_0c5a7b1e9d3f42868d17a2b4"])


class TestEvent(EventAnswer):
    """A test that a person asked for; it is no part of the log, and its `seq` is 0."""

    type: Literal["webhook.test"]
    data: TestedWebhook


EVENT_MODELS: tuple[type[EventAnswer], ...] = (
    ReceivedEvent,
    StepEvent,
    ChangedEvent,
    MediaEvent,
    StateEvent,
    LimitedEvent,
    PairingEvent,
    PasskeyEvent,
    CallEvent,
    ChatEvent,
    RenamedEvent,
    GroupEvent,
    GroupMembersEvent,
    ContactEvent,
    PictureEvent,
    AlertEvent,
)
SENT: tuple[type[EventAnswer], ...] = (*EVENT_MODELS, TestEvent)
"""Models of all that an endpoint gets."""


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
