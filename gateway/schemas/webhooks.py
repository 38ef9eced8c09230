"""Defines models of webhooks, and of the deliveries of events to them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from actors.state.events.event import EventType  # noqa: TC001 - pydantic reads it at run time
from gateway.http.response_base import Answer, Time
from gateway.schemas.request_models import FileTiming  # noqa: TC001
from gateway.schemas.response_models import Connection

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
    media: FileTiming = Field(
        description="`wait`: a message with a file comes once the file is stored or has failed, or `media_wait` has"
        " passed. `apart`: it comes at once."
    )
    media_wait: int | None = Field(
        description="Seconds that a message waits for its file at most; null where it does not."
    )
    base64: bool = Field(description="Whether the file comes with the message, as base64.")
    base64_limit: int | None = Field(
        description="Bytes of a file that comes so; of a larger one its address alone does."
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
        " `private_address`, `tls_failed`, `malformed_answer` or `file_unreadable`."
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
    """All webhooks, without their secrets."""

    items: list[Webhook]
    next: None = None


class Rotated(Answer):
    """The new secret, which nothing shows again."""

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
    """A page of the deliveries of a webhook."""

    items: list[Delivery]
    next: str | None
