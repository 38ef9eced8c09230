"""Defines models of API answers (connections, messages, queue, alerts, recoveries), from which OpenAPI is generated."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.http.response_base import Answer, Time
from gateway.schemas.account_pacing import AccountPacing  # noqa: TC001 - pydantic reads it
from gateway.schemas.content.message_content import (  # noqa: TC001 - pydantic reads them at run time
    Content,
    Former,
    MessageReaction,
    Quoted,
    Referred,
    ShownPreview,
    Vote,
)
from gateway.schemas.examples import FILE_EXAMPLE
from gateway.schemas.people.people import Person  # noqa: TC001
from gateway.schemas.request_models import Status  # noqa: TC001

BreakerState = Literal["closed", "open", "half_open"]
State = Literal["pairing", "connecting", "open", "reconnecting", "stopped", "failed", "logged_out"]
LimitReason = Literal["time_lock", "new_chats_capped"]
Incarnation = Annotated[
    str | None,
    Field(
        description="Of that connection; tells it from a later one of the same id.",
        examples=["shop--K7Q2M9XA4TBC"],
    ),
]


class Connection(Answer):
    """A connection as it should be (`desired`) and as it is (`state` and what follows)."""

    id: str = Field(examples=["shop"])
    incarnation: str = Field(
        description="This connection and no later one of the same id; stands for the id wherever"
        " one is asked for.",
        examples=["shop--K7Q2M9XA4TBC"],
    )
    state: State
    cause: str | None = Field(description="Why it is in this state, where there is a reason.")
    epoch: int = Field(description="Rises whenever another actor takes the connection over.")
    restarts: int
    breaker: BreakerState = Field(
        description="`open`: it fell again and again and is left alone for five minutes;"
        " `half_open`: it is tried once more."
    )
    since: Time | None = Field(description="Since when it is in this state.")
    retry_at: Time | None = Field(description="When it tries again, where it waits for that.")
    version_ends_at: Time | None = Field(
        description="When WhatsApp stops accepting the version that the connection announced, where it"
        " said so (alert `version_expires`)."
    )
    pairing_step: Literal["qr", "code", "passkey"] | None = Field(
        description="The step that linking waits for: `GET …/qr`, `…/pairing-code` or `…/passkey` has it."
    )
    limited_until: Time | None = Field(
        description="Until then WhatsApp lets the account write to nobody new: messages to people who"
        " never wrote wait, but for those in chats that the account began, under a cap; answers go on"
        " (alert `connection_limited`). null where it is not limited."
    )
    limit_reason: LimitReason | None = Field(
        description="`time_lock`: WhatsApp takes the account for one that reaches out too much."
        " `new_chats_capped`: it began as many new chats as it may for now."
    )
    pacing: AccountPacing
    refused_documents: int = Field(
        description="Items received and messages sent that the state store refuses for good: `GET …/refused-documents` lists"
        " them (alert `document_refused`).",
        examples=[0],
    )
    deferred_files: int = Field(
        description="Files that arrived and wait for room on the disk (alert `disk_reserve`), in the"
        " connection's part of it, or for the next day; fetched by themselves.",
        examples=[0],
    )
    over_budget_files: int = Field(
        description="Those of them that wait for the next day (alert `files_deferred`).",
        examples=[0],
    )
    account: str | None = Field(description="The address of the paired account.")
    show_online: bool = Field(description="Whether the account is shown as online at all times.")
    proxy: str | None = Field(
        description="The proxy of its own through which it reaches WhatsApp, with stars for the user and the"
        " password. null where it has the instance's (`WHATSAPP_PROXY`), or none.",
        examples=["socks5://***:***@proxy.example.com:1080"],
    )
    reject_calls: bool = Field(description="Whether calls to its account are refused.")
    reject_calls_text: str | None = Field(
        description="The text that goes to each caller then; null for none."
    )
    desired: Literal["running", "stopped", "logged_out"]
    created_at: Time | None


class Connections(Answer):
    """A page of connections, by id."""

    items: list[Connection]
    next: str | None


class Recovered(Answer):
    """The connections that were asked to recover."""

    items: list[str]
    next: None = None


class Accepted(Answer):
    """The message is on disk and will be sent."""

    id: str = Field(examples=["shop--K7Q2M9XA4TBC.3EB0A1B2C3D4E5F6A7B8C9"])
    message_id: str = Field(description="WhatsApp's id of the message, the same at each attempt.")
    status: Status
    error: str | None = Field(description="The code of what went wrong last.")


class Crash(Answer):
    """The process of a connection ended while it was sending the message."""

    sending_at: Time | None
    noticed_at: Time | None
    epoch: int
    cause: str = Field(description="`crashed`, `hung` or `broke`; `unseen` where nobody saw it.")


class Uploaded(Answer):
    """A file that is kept, for messages to name by its SHA-256."""

    sha256: str = Field(examples=[FILE_EXAMPLE])
    size: int = Field(description="Bytes.")
    mime: str
    name: str | None


class MessageMedia(Answer):
    """The file that a message brings."""

    sha256: str
    size: int = Field(description="Bytes.")
    mime: str
    name: str | None
    state: Literal["pending", "deferred", "stored", "failed"] = Field(
        description="`pending`: it is still to be had from WhatsApp; `failed`: it cannot be;"
        " `deferred`: it is fetched by itself once there is room for it."
    )
    error: str | None = Field(
        description="The code of what went wrong with it last; of one that is `deferred` what it"
        " waits for: room by `disk_reserve` or `connection_part`, or the next day (UTC) by `connection_budget` or"
        " `sender_budget`."
    )
    url: str = Field(description="Its address in this service.")


class Marked(Answer):
    """A read mark, or a change of a chat, on its way; `GET /api/messages/{id}` follows it for a week."""

    id: str = Field(examples=["shop--K7Q2M9XA4TBC.3EB0A1B2C3D4E5F6A7B8C9"])
    status: Status = Field(description="`sent` once WhatsApp has it.")
    error: str | None = Field(description="The code of what went wrong last.")


class Message(Answer):
    """A message, sent or received, with the time at which it entered each status."""

    id: str
    message_id: str
    connection: str
    chat: str
    chat_name: str | None = Field(
        description="The subject of a group, or the name of the person, as it was known when the message"
        " arrived; of one that came without and of one that went out through the API, as it is known now, on Firestore in"
        " the list of dead letters alone. null where none is, and in events of messages that went out."
    )
    sender: str | None = Field(
        description="Superseded by `author.address`.", json_schema_extra={"deprecated": True}
    )
    author: Person | None = Field(
        description="The person who wrote it; null for a message that went out through the API."
    )
    direction: Literal["in", "out"]
    source: Literal["api", "live", "offline", "history"] = Field(
        description="The way it came. `history`: the account's phone sent it later."
    )
    at: Time | None = Field(
        description="The time by which lists are sorted: that of its acceptance, or of its arrival; of what"
        " waited at WhatsApp or is of a history sync, WhatsApp's."
    )
    whatsapp_at: Time | None = Field(
        description="WhatsApp's time of a message that did not go out through the API, in whole seconds."
    )
    type: str
    text: str | None = Field(description="As it reads after its edits.")
    content: Content | None = Field(description="The content of kinds that are more than a text.")
    media: MessageMedia | None = Field(description="The file that it brings.")
    reply_to: Referred | None
    quoted: Quoted | None = Field(description="The message that it answers, as it quotes that.")
    forwarding_score: int | None = Field(
        description="How often it was forwarded, as WhatsApp's apps count: 127 from five times on, 0 where it forwards a"
        " message of the account's own, which they do not mark. null where it was not forwarded.",
        examples=[1],
    )
    mentions: list[str] | Literal["all"] = Field(
        description="The people whom it mentions, by their addresses; each has its `@` and number in the text, also where"
        " WhatsApp has a LID there. `all`: everybody in the group.",
        examples=[["15550100003@s.whatsapp.net"]],
    )
    link_preview: ShownPreview | None = Field(
        description="Of a text of this service, where one was sent."
    )
    reactions: list[MessageReaction]
    votes: list[Vote] = Field(description="Of a poll, the last of each who voted.")
    pinned_until: Time | None = Field(description="The end of its pin, also once that is over.")
    edits: list[Former] = Field(description="Its earlier texts, oldest first.")
    edited_at: Time | None
    deleted_at: Time | None = Field(
        description="When its sender deleted it for everyone; what it said is gone."
    )
    status: Status
    attempts: int
    error: str | None = Field(description="The code of what went wrong last.")
    uncertain: bool = Field(
        description="Ended without being sent, but an attempt may have arrived all the same."
    )
    crashes: list[Crash] = Field(
        description="The end of the connection's process while it sent this message. The second time"
        " the message was the only one on its way, and is a dead letter with the error `poison`; of"
        " ends that nobody saw, as when the power fails, the fifth time."
    )
    accepted_at: Time | None
    send_at: Time | None
    queued_at: Time | None
    waiting_at: Time | None
    sending_at: Time | None
    sent_at: Time | None
    delivered_at: Time | None
    read_at: Time | None
    dead_at: Time | None
    cancelled_at: Time | None
    received_at: Time | None


class Messages(Answer):
    """A page of messages."""

    items: list[Message]
    next: str | None


class Lane(Answer):
    """The queue of one connection."""

    connection: str
    waiting: int = Field(description="Ready to be sent.")
    active: int = Field(description="Being sent.")
    delayed: int = Field(description="Not before a time, or before the next attempt.")
    dead: int
    oldest_at: Time | None = Field(
        description="Since when, or from when on, the oldest that waits may leave: accepted, due, sent"
        " again, or free of a limit of the account and its pacing."
    )


class Queue(Answer):
    """The queue of all connections, and of each."""

    waiting: int
    active: int
    delayed: int
    dead: int
    items: list[Lane]
    next: None = None


class Retried(Answer):
    """The outcome of a retry."""

    retried: int = Field(description="Number of dead letters that went back into their lanes.")


class Redriven(Answer):
    """The outcome of a redrive, of the dead letters that one request looks at."""

    redriven: int = Field(description="Number of dead letters that went back into their lanes.")
    next: str | None = Field(
        description="There are more than one request looks at: ask again with `?after=` this."
    )


class AlertAnswer(Answer):
    """A lasting condition that somebody should know of. It is cleared once it is over."""

    name: str = Field(description="Its stable code.", examples=["connection_failed"])
    connection: str | None = Field(description="The connection that it is about; null for none.")
    incarnation: Incarnation
    severity: Literal["warning", "critical"]
    reason: str = Field(description="The reason, in a sentence.")
    raised_at: Time


class Alert(AlertAnswer):
    """An alert, also one that is over."""

    id: str
    active: bool
    cleared_at: Time | None = Field(description="When it was over.")
    told_at: Time | None = Field(description="When it was last an event: raised, or repeated.")
    repeats: int = Field(description="Number of reminders since it was raised.")


class Alerts(Answer):
    """A page of alerts, the newest first."""

    items: list[Alert]
    next: str | None


class RecoveryAction(Answer):
    """A recovery of a part that fell."""

    id: str
    role: str = Field(
        description="The part that fell: `connection`, `queue`, `state`, `health`, `root`, or a part that"
        " the keeper starts.",
        examples=["connection"],
    )
    connection: str | None = Field(description="The connection that it served; null for none.")
    incarnation: Incarnation
    cause: str = Field(description="Why, as far as is known: `crashed`, `hung`, …")
    action: Literal["restarted", "recovered", "gave_up"] = Field(
        description="`recovered`: out of `failed`, by itself or because somebody asked. `gave_up`:"
        " it fell too often, or AUTO_RECOVERY is off."
    )
    before: str | None = Field(
        description="The state before: a connection's, or the reason of the fall."
    )
    after: str | None = Field(description="The state after.")
    epoch_before: int | None
    epoch_after: int | None = Field(description="Of the owner that took over, of a connection.")
    seconds: float = Field(description="From the moment the fall was noticed until this was done.")
    at: Time = Field(description="When it was done.")


class RecoveryActions(Answer):
    """A page of recoveries, the newest first."""

    items: list[RecoveryAction]
    next: str | None


class FieldError(Answer):
    """A field or parameter that is wrong: its place, a stable code, and a sentence."""

    field: str
    code: str
    message: str


class ProblemAnswer(BaseModel):
    """The reason of a refused request (RFC 9457). `code` is stable."""

    model_config = ConfigDict(extra="allow", title="Problem")

    type: str
    title: str
    status: int
    code: str
    detail: str
    uncertain: bool = Field(
        False,
        description="The request may have been carried out all the same, though it was refused.",
    )


class InvalidAnswer(ProblemAnswer):
    """A refusal that names each field or parameter that is wrong."""

    model_config = ConfigDict(extra="allow", title="InvalidProblem")

    errors: list[FieldError] | None = None
