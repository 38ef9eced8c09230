"""Defines the request models of messages to send (one for each `type`), of forwards and of read marks.

The models here are the envelope, and references to files and other messages; the fields of a kind come from its
declaration in `actors.messages` (`content_fields.requested`). A kind that stands for itself may answer another message
(`reply_to`); one that changes another (`message`) goes with the priority of that, so it has none of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, Union, cast

from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    Tag,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError

from actors.messages import content
from actors.messages.field_types import Line, SendableText, Vcard, Whole  # noqa: TC001 - pydantic reads it
from actors.runtime import connection_ids
from actors.runtime.text_pattern import TextPattern
from gateway.schemas.address_fields import Address, Chat, Mentions  # noqa: TC001 - pydantic reads them
from gateway.schemas.content.content_fields import requested
from gateway.schemas.examples import FILE_EXAMPLE
from gateway.schemas.request_models import Body, ConnectionId, Moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.messages.content import Media, Sendable

MESSAGE_ID = rf"^{connection_ids.ID}\.(3EB0[0-9A-F]{{18}}|in\.[0-9a-f]{{24}})$"
MessageId = Annotated[
    str,
    TextPattern(
        MESSAGE_ID,
        "give the id of a message as the API has it, as in shop--K7Q2M9XA4TBC.3EB0A1B2C3D4E5F6A7B8C9",
    ),
]

SHA256 = r"^[0-9a-f]{64}$"
URL = r"^[Hh][Tt][Tt][Pp][Ss]?://[!-~]+$"
LONGEST_URL = 4096
MIME = (
    r"^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
    r"( ?; ?[A-Za-z0-9-]{1,40}=[A-Za-z0-9!#$&^_.+-]{1,80})*$"
)


class OutboundMessage(Body):
    """The envelope of a message to send. `kind` declares its content, and `own` of its fields are given here."""

    kind: ClassVar[type[Sendable]]
    own: ClassVar[tuple[str, ...]] = ()
    connection: ConnectionId = Field(
        description="The id of the connection that sends it.", examples=["shop"]
    )
    to: Chat

    def content(self, **references: Any) -> Sendable:
        """The content that is asked for, with what it refers to (`target`, `reply_to`, `file`, `cards`)."""
        given = {name: getattr(self, name) for name in self.own}
        for name, value in given.items():
            if isinstance(value, list):
                given[name] = tuple(value)
        return self.kind(**given, **references)


class QueuedMessage(Body):
    """The place of a message in the queue."""

    priority: Whole = Field(5, ge=0, le=9, description="0 goes first, 9 last.")
    send_at: Moment | None = Field(
        None,
        description="Not before this time (RFC 3339 with a zone, before the year 9999).",
        examples=["2030-01-01T09:00:00Z"],
    )


class StandaloneMessage(QueuedMessage, OutboundMessage):
    """A message that stands for itself."""

    reply_to: MessageId | None = Field(
        None, description="The `id` of the message of this chat that it answers."
    )


class MentioningMessage(StandaloneMessage):
    """A message with a text or a caption, in which members of a group may be mentioned."""

    mentions: Mentions | None = Field(
        None,
        exclude_if=lambda found: found is None,
        description='Members of the group who are mentioned and notified, or `"all"` for all of them. Their apps show a'
        " mention where the text has `@` and the number of the person, as in `@15550100003`; without it nothing"
        " is shown. With somebody who is not in the group the message becomes a dead letter"
        " (`mention_not_in_group`).",
        examples=[["15550100003"]],
    )

    def content(self, **references: Any) -> Sendable:
        named = tuple(self.mentions) if isinstance(self.mentions, list) else self.mentions
        return super().content(mentions=named, **references)


class Given(Body):
    """A file: one that was uploaded, by its SHA-256, or where it can be fetched."""

    model_config = ConfigDict(
        json_schema_extra=lambda schema: schema.update(
            properties={
                "sha256": {
                    "type": "string",
                    "pattern": SHA256,
                    "examples": [FILE_EXAMPLE],
                    "description": "Of an upload, as the answer of `POST /api/media` has it.",
                },
                "url": {
                    "type": "string",
                    "pattern": URL,
                    "maxLength": LONGEST_URL,
                    "description": "The address that the file is fetched from.",
                },
            },
            oneOf=[{"required": ["sha256"]}, {"required": ["url"]}],
        )
    )
    sha256: (
        Annotated[
            str,
            TextPattern(SHA256, "a SHA-256 has 64 digits, 0 to 9 and a to f, as an upload has it"),
        ]
        | None
    ) = None
    url: (
        Annotated[
            str,
            TextPattern(
                URL,
                f"write a URL of at most {LONGEST_URL} characters, as in https://example.com/invoice.pdf",
                longest=LONGEST_URL,
            ),
        ]
        | None
    ) = Field(None, repr=False)

    @model_validator(mode="before")
    @classmethod
    def _one(cls, given: Any) -> Any:
        if not isinstance(given, dict) or set(given) not in ({"sha256"}, {"url"}):
            raise PydanticCustomError("invalid_field", "give either its sha256 or its url")
        if None in given.values():
            raise PydanticCustomError("invalid_field", "give its sha256 or its url a value")
        return given


class FileMessage(StandaloneMessage):
    """A message that brings a file."""

    media: Given = Field(
        description='`{"sha256": …}` names one that was uploaded, `{"url": …}` is fetched before'
        " the answer.",
        examples=[{"sha256": FILE_EXAMPLE}],
    )
    mime: (
        Annotated[
            str,
            TextPattern(
                MIME,
                "write a media type of at most 255 characters, as in image/png",
                longest=255,
            ),
        ]
        | None
    ) = Field(
        None,
        description="Its type; without it the one that the upload or the server that it is fetched from"
        " says, or what is usual for the kind.",
        examples=["image/png"],
    )

    def content(self, **references: Any) -> Media:
        return cast("Media", super().content(**references))


class CaptionedMessage(FileMessage, MentioningMessage):
    """A message that brings a file with a caption."""


class ChangeMessage(OutboundMessage):
    """A message that changes another one."""

    message: MessageId = Field(
        description="The `id` of a message of this chat.",
        examples=["shop--K7Q2M9XA4TBC.3EB0A1B2C3D4E5F6A7B8C9"],
    )


class TextMessage(MentioningMessage):
    """A text."""

    type: Literal["text"] = "text"
    text: SendableText
    link_preview: bool = Field(
        True,
        exclude_if=lambda wanted: wanted,
        description="Whether the first link in the text is sent with title, description and a picture of its page, which is"
        " fetched before the answer, within 3 seconds. A preview that fails is left out.",
    )


class NumberCard(Body):
    """A person by name and phone number."""

    name: Line = Field(description="The name that is shown.", examples=["Ana"])
    phone: Address


class VcardCard(Body):
    """A person by a vCard."""

    name: Line = Field(description="The name that is shown.", examples=["Ana"])
    vcard: Vcard


class ContactMessage(StandaloneMessage):
    """People by name and phone number, or by vCards."""

    type: Literal["contact"]
    contacts: list[NumberCard | VcardCard] = Field(
        min_length=1,
        max_length=20,
        description="Each with a phone number, or a vCard of one's own.",
        examples=[[{"name": "Ana", "phone": "15550100002"}]],
    )


class DocumentMessage(CaptionedMessage):
    """A file of any type, shown by its name."""

    type: Literal["document"]
    name: Line | None = Field(None, description="Name of the file.", examples=["invoice.pdf"])


def _model(
    kind: type[Sendable], envelope: type[OutboundMessage], sentence: str
) -> type[OutboundMessage]:
    """The model of a kind: its envelope, then the fields that the kind declares."""
    own = requested(kind)
    named = {"type": Literal[kind.type], **own}
    added = {name: of for name, of in named.items() if name not in envelope.model_fields}
    name = f"New{kind.__name__}"
    model = create_model(name, __base__=envelope, __module__=__name__, __doc__=sentence, **added)
    model.kind, model.own = kind, tuple(own)
    return model


_MODELS: Final[Mapping[str, type[OutboundMessage]]] = {
    kind.type: _model(kind, envelope, sentence)
    for kind, envelope, sentence in (
        (content.Text, TextMessage, "A text to send."),
        (content.Location, StandaloneMessage, "A place to send."),
        (content.Contact, ContactMessage, "People to send, each with a phone number or a vCard."),
        (content.Poll, StandaloneMessage, "A question with options to choose from."),
        (content.Image, CaptionedMessage, "A picture to send, of 16 MB at most."),
        (content.Video, CaptionedMessage, "A film to send, of 16 MB at most."),
        (content.Audio, FileMessage, "Sound to send, of 16 MB at most."),
        (content.Document, DocumentMessage, "Any file to send, of 100 MB at most."),
        (content.Sticker, FileMessage, "A sticker to send: WebP, of 512 kB at most."),
        (content.PollVote, ChangeMessage, "The account's choice in a poll, in place of an earlier one."),
        (content.Reaction, ChangeMessage, "A reaction to a message; the next one replaces it."),
        (content.Pin, ChangeMessage, "A message shown at the top of its chat, for everyone in it; the next pin of it replaces this one."),
        (content.Edit, ChangeMessage, "Other words for a text that was sent within the last 15 minutes."),
        (content.Delete, ChangeMessage, "Take back, for everyone, a message that was sent within the last 60 hours."),
    )
}  # fmt: skip


def _kind(given: Any) -> str | None:
    kind = given.get("type", "text") if isinstance(given, dict) else "text"
    return kind if isinstance(kind, str) and kind in _MODELS else None


if TYPE_CHECKING:
    _AnyKind = StandaloneMessage | ChangeMessage
else:
    _AnyKind = Annotated[
        Union[tuple(Annotated[model, Tag(kind)] for kind, model in _MODELS.items())],  # noqa: UP007
        Discriminator(
            _kind,
            custom_error_type="unsupported_type",
            custom_error_message=f"write one of {', '.join(_MODELS)}, as in text",
        ),
    ]


class NewMessage(RootModel[_AnyKind]):
    """A message to send; without a `type` it is a text."""

    tagged: ClassVar[bool] = True
    model_config = ConfigDict(
        json_schema_extra={
            "discriminator": {
                "propertyName": "type",
                "mapping": {
                    kind: f"#/components/schemas/{model.__name__}"
                    for kind, model in _MODELS.items()
                },
            }
        }
    )


class NewForward(QueuedMessage):
    """The chat that a message is forwarded to."""

    connection: ConnectionId | None = Field(
        None, description="The connection of the message, and no other.", examples=["shop"]
    )
    to: Chat = Field(examples=["15550100003"])


class ReadUntil(Body):
    """Up to when the chat was read."""

    until: Moment | None = Field(
        None,
        description="The time of the newest message that was read; without it, all that arrived so far.",
        examples=["2030-01-01T09:00:00Z"],
    )
