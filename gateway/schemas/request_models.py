"""Defines pydantic models of API queries and of most request bodies, for validation and for the OpenAPI document.

Bodies are strict (a number is not a text) and refuse fields that they do not know; query
parameters come as text and are read leniently, but refuse names that they do not know as well.
Each type explains itself by its field descriptions; the codes of refusals are in `gateway/http/problems.py`.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from actors.messages.field_types import Line, Whole  # noqa: TC001 - pydantic reads it
from actors.runtime.connection_ids import ID
from actors.runtime.text_pattern import TextPattern
from actors.state.events.event import EVENT_TYPES, EventType
from gateway.schemas.address_fields import Chat  # noqa: TC001 - pydantic reads it
from gateway.schemas.examples import PATH
from gateway.schemas.webhook_headers import Headers  # noqa: TC001 - pydantic reads it

EARLIEST_TIME, LATEST_TIME = datetime(2, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_TYPE = "(" + "|".join(map(re.escape, EVENT_TYPES)) + ")"
EVENTS_PATTERN = f"^{_TYPE}(,{_TYPE})*$"
CONNECTION_PATTERN = f"^{ID}$"
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

KEY_PATTERN = "^[0-9a-f]{16}$"
WEBHOOK_PATTERN = "^wh_[0-9a-f]{24}$"
URL_LONGEST = 2048
URL_PATTERN = (
    r"^https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9.])?)(:[0-9]{1,5})?"
    r"([/?][!$%&'()*+,./0-9:;=?@A-Z_a-z~-]*)?$"
)
_URL = re.compile(URL_PATTERN[1:-1], re.ASCII)

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)

ConnectionId = Annotated[
    str,
    TextPattern(
        CONNECTION_PATTERN,
        "a connection's id has lower-case letters, digits, - and _, as in shop-2",
    ),
    Field(examples=["shop"]),
]
"""The id of a connection, or its incarnation."""
Status = Literal[
    "queued",
    "waiting",
    "sending",
    "sent",
    "delivered",
    "read",
    "dead",
    "cancelled",
    "received",
]


def _decimal(value: object) -> object:
    """A number as JSON writes it: pydantic takes ``1_0`` for ten, and spaces around it."""
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise PydanticCustomError("invalid_parameter", "write a number in decimal digits, as in 20")
    return value


def truth(value: object) -> object:
    """JSON's two words: pydantic takes ``yes``, ``1`` and ``on`` too."""
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _written_out(value: object) -> object:
    """Read RFC 3339 alone: pydantic takes numbers too, for seconds or milliseconds since 1970."""
    if not isinstance(value, str):
        return value
    if _RFC3339.fullmatch(value):
        with suppress(ValueError):  # a 30th of February
            return datetime.fromisoformat(value.upper())
    raise PydanticCustomError(
        "invalid_field", "write a time with a zone, as in 2030-01-01T09:00:00Z"
    )


def _tellable(moment: datetime) -> datetime:
    """Only a time that can be written: its UTC may lie outside of all years."""
    if not EARLIEST_TIME <= moment <= LATEST_TIME:
        raise PydanticCustomError("invalid_field", "write a time of the years 2 to 9998")
    return moment


def _url(value: str) -> str:
    """One that every reader of URLs reads alike."""
    try:
        parts = urlsplit(value)
        usable = parts.port != 0 and parts.hostname is not None
    except ValueError:
        usable = False
    if not usable or not _URL.fullmatch(value) or "@" in parts.netloc or len(value) > URL_LONGEST:
        raise PydanticCustomError(
            "invalid_url", "write it as https://HOST/PATH, without a user and a fragment"
        )
    return value


Limit = Annotated[int, BeforeValidator(_decimal)]
Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_written_out),
    AfterValidator(_tellable),
    Field(examples=["2030-01-01T09:00:00Z"]),
]


WebhookUrl = Annotated[
    str,
    AfterValidator(_url),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 8,
            "maxLength": URL_LONGEST,
            "pattern": URL_PATTERN,
            "description": "Where to POST to, over https or http. No user, no fragment.",
            "examples": ["https://example.com/teimoso"],
        }
    ),
]


class Body(BaseModel):
    """A JSON body; a field that it does not declare is refused, and no value is converted to another type."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Parameters(BaseModel):
    """A query; a parameter that it does not declare is refused."""

    model_config = ConfigDict(extra="forbid")


class NewKey(Body):
    """An API key. It is shown once, and kept as a hash."""

    name: Line = Field(description="Its purpose.", examples=["checkout"])
    scopes: Annotated[
        list[Literal["admin", "send", "read", "metrics"]], Field(min_length=1, max_length=4)
    ] = Field(description="Its rights; `admin` is all of them.", examples=[["send", "read"]])
    connections: Annotated[list[ConnectionId], Field(min_length=1, max_length=1000)] | None = Field(
        None, description="For which connections; without this for all."
    )


FileTiming = Literal["apart", "wait"]


class WebhookFiles(Body):
    """The way in which a webhook gets the files of messages."""

    media: FileTiming | None = Field(
        None,
        description="`wait`: a message with a file comes once the file is stored or has failed, or `media_wait` has"
        " passed; what follows in its chat waits too. `apart`: it comes at once.",
        examples=["wait"],
    )
    media_wait: int | None = Field(
        None,
        ge=1,
        le=300,
        description="Seconds that a message waits for its file at most, with `wait`; 30 by default.",
        examples=[30],
    )
    base64: bool | None = Field(
        None,
        description="Have the file come with the message, as base64; with `wait` alone.",
        examples=[True],
    )
    base64_limit: int | None = Field(
        None,
        ge=1,
        le=16 * 2**20,
        description="Bytes of a file that comes so, 1 MiB by default; of a larger one its address alone does.",
        examples=[1_048_576],
    )


class NewWebhook(WebhookFiles):
    """An endpoint that gets events from now on."""

    url: WebhookUrl
    events: Annotated[list[EventType], Field(min_length=1, max_length=20)] | None = Field(
        None,
        description="Types of events that it gets; without this all.",
        examples=[["message.read"]],
    )
    connections: Annotated[list[ConnectionId], Field(min_length=1, max_length=1000)] | None = Field(
        None,
        description="Connections whose events it gets; without this all, also events of no connection.",
    )
    headers: Headers | None = Field(None, repr=False)


class ChangedWebhook(WebhookFiles):
    """Changes; fields that are not named stay."""

    url: WebhookUrl | None = Field(None, description="Where its events go from now on.")
    enabled: bool | None = Field(
        None,
        examples=[False],
        description="`false` pauses it: events of that time follow later.",
    )
    headers: Headers | None = Field(None, repr=False)


class Presence(Body):
    """The presence to show."""

    presence: Literal["available", "unavailable"] = Field(
        description="`available`: contacts see the account online.", examples=["available"]
    )


class TypingChange(Body):
    """The activity to show in a chat."""

    state: Literal["composing", "recording", "paused"] = Field(
        description="`paused` ends the other two.", examples=["composing"]
    )


class Recovery(Body):
    """The connection to recover; without one, all that should run."""

    connection: ConnectionId | None = Field(
        None, description="The connection's id; without one, all.", examples=["shop"]
    )


class Retry(Body):
    """The connection whose dead letters are sent again; without one, those of all."""

    connection: ConnectionId | None = Field(
        None, description="The connection's id; without one, all.", examples=["shop"]
    )


DeadId = Annotated[str, StringConstraints(max_length=200), Field(examples=[PATH["id"]])]


class Redrive(Body):
    """A filter of the dead letters to send again: those that match every given field."""

    connection: ConnectionId | None = Field(
        None, description="The connection of the dead letters.", examples=["shop"]
    )
    chat: Chat | None = None
    code: (
        Annotated[
            str,
            TextPattern(
                r"^[A-Za-z0-9_]{1,100}$", "an error has letters, digits and _, as in ack_timeout"
            ),
        ]
        | None
    ) = Field(
        None,
        description="The `error` that they died of.",
        examples=["ack_timeout"],
    )
    died_after: Moment | None = Field(
        None, description="They died at this time or later.", examples=["2030-01-01T09:00:00Z"]
    )
    died_before: Moment | None = Field(None, description="They died before this time.")
    ids: list[DeadId] | None = Field(
        None,
        max_length=1000,
        description="Only these; what is not a dead letter is passed over.",
    )
    limit: Whole = Field(10_000, ge=1, le=100_000, description="The most to send again.")


class WaitParameters(Parameters):
    """The time for which an answer waits for the message."""

    wait: Annotated[float, BeforeValidator(_decimal)] = Field(
        0,
        ge=0,
        le=60,
        allow_inf_nan=False,
        description="Seconds to wait for the message to be sent or dead before answering: 200 once it"
        " is sent, 202 while it is not, 422 `message_dead` or 409 `message_cancelled` when it ended"
        " otherwise, with the message as `message`. One that is due only later is answered at once.",
    )


class UploadParameters(Parameters):
    """A name for the file that is the body."""

    name: Line | None = Field(None, description="Name of the file.", examples=["invoice.pdf"])


class After(Parameters):
    """The place in a list from which a page goes on."""

    after: str | None = Field(
        None,
        min_length=1,
        max_length=1024,
        description="The `next` of the page before.",
        examples=["WyI0ZjZhMDkxYyIsWzQxXV0"],
    )


class ListQuery(After):
    """A page of a list: its beginning and its length."""

    limit: Limit = Field(50, ge=1, le=500, description="The most items to give.")


class ListConnections(ListQuery):
    """A page of connections; longer than other pages, since one is short."""

    limit: Limit = Field(1000, ge=1, le=1000, description="The most items to give.")


class ListMessages(ListQuery):
    """A page of messages; those that match every given field."""

    connection: ConnectionId | None = None
    chat: Chat | None = None
    direction: Literal["in", "out"] | None = None
    status: Status | None = None
    order: Literal["newest", "oldest"] = Field(
        "newest", description="The message that comes first."
    )


class ListDeliveries(ListQuery):
    """A page of the deliveries of a webhook, of one status where it is given."""

    status: Literal["waiting", "delivered", "dead"] | None = None


class ReadEvents(Parameters):
    """A filter of the events that a reader gets."""

    connection: ConnectionId | None = None
    events: (
        Annotated[
            str,
            TextPattern(
                EVENTS_PATTERN,
                "write types of events with commas between, as in message.received,message.read",
                longest=500,
            ),
        ]
        | None
    ) = Field(
        None,
        description="Only these types, with commas between.",
        examples=["message.received"],
    )


class ListDead(ListQuery):
    """A page of dead letters, of one connection where it is given."""

    connection: ConnectionId | None = None


class ListAlerts(ListQuery):
    """A page of alerts; those that match every given field."""

    connection: ConnectionId | None = None
    active: Annotated[StrictBool | None, BeforeValidator(truth)] = Field(
        None, description="Only those that are active (`true`) or over (`false`)."
    )


class ListRecoveries(ListQuery):
    """A page of recoveries, of one connection where it is given."""

    connection: ConnectionId | None = None
