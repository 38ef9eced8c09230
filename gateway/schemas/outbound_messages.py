"""Messages that can be sent: one model for each kind, told apart by `type`.

A kind that stands for itself may answer another message (`reply_to`); one that changes another
(`message`) goes with the priority of that, so it has none of its own.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    StringConstraints,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from actors.messages.content import KINDS
from actors.runtime import connection_ids
from gateway.schemas.address_fields import Address, Chat  # noqa: TC001 - pydantic reads it
from gateway.schemas.requests import Body, ConnectionId, Line, Moment, Text, whole

MESSAGE_ID = rf"^{connection_ids.ID}\.(3EB0[0-9A-F]{{18}}|in\.[0-9a-f]{{24}})$"
_LINE = r"^[^\x00-\x1f\x7f-\x9f]+$"

MessageId = Annotated[str, StringConstraints(pattern=MESSAGE_ID)]
Option = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=_LINE)]
Chosen = Annotated[str, StringConstraints(max_length=4096)]
Vcard = Annotated[
    str,
    StringConstraints(
        min_length=1,
        max_length=65_536,
        pattern=r"^BEGIN:VCARD\r?\n[^\x00\x0b\x0c\x7f]*END:VCARD\s*$",
    ),
]


def _different(options: list[str]) -> list[str]:
    if len(set(options)) < len(options):
        raise PydanticCustomError("invalid_field", "an option is there twice")
    return options


SHA256 = r"^[0-9a-f]{64}$"
URL = r"^[Hh][Tt][Tt][Pp][Ss]?://[!-~]+$"
LONGEST_URL = 4096
MIME = (
    r"^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
    r"( ?; ?[A-Za-z0-9-]{1,40}=[A-Za-z0-9!#$&^_.+-]{1,80})*$"
)

EMOJI = r"^[^\x00-\x20\x7f-\x9f]*$"


class _New(Body):
    connection: ConnectionId = Field(examples=["shop"])
    to: Chat


class _Standing(_New):
    priority: Annotated[int, BeforeValidator(whole)] = Field(
        5, ge=0, le=9, description="0 goes first, 9 last."
    )
    send_at: Moment | None = Field(
        None,
        description="Not before this time (RFC 3339 with a zone, before the year 9999).",
        examples=["2030-01-01T09:00:00Z"],
    )
    reply_to: MessageId | None = Field(
        None, description="The `id` of the message of this chat that it answers."
    )


class NewText(_Standing):
    """A text to send."""

    type: Literal["text"] = "text"
    text: Text


class NewLocation(_Standing):
    """A place to send."""

    type: Literal["location"]
    latitude: float = Field(ge=-90, le=90, allow_inf_nan=False, examples=[-23.55])
    longitude: float = Field(ge=-180, le=180, allow_inf_nan=False, examples=[-46.63])
    name: Line | None = None
    address: Line | None = None


class NumberCard(Body):
    """A person by name and phone number."""

    name: Line = Field(examples=["Ana"])
    phone: Address


class VcardCard(Body):
    """A person by a vCard."""

    name: Line
    vcard: Vcard = Field(examples=["BEGIN:VCARD\nVERSION:3.0\nFN:Ana\nEND:VCARD"])


class NewContact(_Standing):
    """People to send, each with a phone number or a vCard."""

    type: Literal["contact"]
    contacts: list[NumberCard | VcardCard] = Field(
        min_length=1, max_length=20, examples=[[{"name": "Ana", "phone": "15550100002"}]]
    )


class NewPoll(_Standing):
    """A question with options to choose from."""

    type: Literal["poll"]
    question: Line = Field(examples=["Tea or coffee?"])
    options: Annotated[list[Option], AfterValidator(_different)] = Field(
        min_length=2,
        max_length=12,
        json_schema_extra={"uniqueItems": True},
        examples=[["tea", "coffee"]],
    )
    choices: Annotated[int, BeforeValidator(whole)] = Field(
        1, ge=0, le=12, description="Number of options that one may choose; 0 is any number."
    )


class Given(Body):
    """A file: one that was uploaded, by its SHA-256, or where it can be fetched."""

    model_config = ConfigDict(
        json_schema_extra=lambda schema: schema.update(
            properties={
                "sha256": {"type": "string", "pattern": SHA256},
                "url": {"type": "string", "pattern": URL, "maxLength": LONGEST_URL},
            },
            oneOf=[{"required": ["sha256"]}, {"required": ["url"]}],
        )
    )
    sha256: Annotated[str, StringConstraints(pattern=SHA256)] | None = None
    url: Annotated[str, StringConstraints(pattern=URL, max_length=LONGEST_URL)] | None = Field(
        None, repr=False
    )

    @model_validator(mode="before")
    @classmethod
    def _one(cls, given: Any) -> Any:
        if not isinstance(given, dict) or set(given) not in ({"sha256"}, {"url"}):
            raise PydanticCustomError("invalid_field", "give either its sha256 or its url")
        if None in given.values():
            raise PydanticCustomError("invalid_field", "it is not given")
        return given


class _File(_Standing):
    media: Given = Field(
        description='`{"sha256": …}` names one that was uploaded, `{"url": …}` is fetched before'
        " the answer.",
        examples=[{"sha256": "0" * 64}],
    )
    mime: Annotated[str, StringConstraints(max_length=255, pattern=MIME)] | None = Field(
        None,
        description="Its type; without it the one that the upload or the server that it is fetched from"
        " says, or what is usual for the kind.",
        examples=["image/png"],
    )


class NewImage(_File):
    """A picture to send, of 16 MB at most."""

    type: Literal["image"]
    caption: Text | None = None


class NewVideo(_File):
    """A film to send, of 16 MB at most."""

    type: Literal["video"]
    caption: Text | None = None
    seconds: Annotated[int, BeforeValidator(whole)] | None = Field(
        None, ge=0, le=86_400, description="Its length."
    )


class NewAudio(_File):
    """Sound to send, of 16 MB at most."""

    type: Literal["audio"]
    voice: bool = Field(False, description="As a voice note: Opus in Ogg, if phones shall play it.")
    seconds: Annotated[int, BeforeValidator(whole)] | None = Field(
        None, ge=0, le=86_400, description="Its length."
    )


class NewDocument(_File):
    """Any file to send, of 100 MB at most."""

    type: Literal["document"]
    name: Line | None = Field(None, description="Name of the file.", examples=["invoice.pdf"])
    caption: Text | None = None


class NewSticker(_File):
    """A sticker to send: WebP, of 512 kB at most."""

    type: Literal["sticker"]
    animated: bool = False


class _Changing(_New):
    message: MessageId = Field(
        description="The `id` of a message of this chat.",
        examples=["shop--K7Q2M9XA4TBC.3EB0A1B2C3D4E5F6A7B8C9"],
    )


class NewReaction(_Changing):
    """A reaction to a message; the next one replaces it."""

    type: Literal["reaction"]
    emoji: Annotated[str, StringConstraints(max_length=32, pattern=EMOJI)] = Field(
        description="Empty takes the reaction back.", examples=["👍"]
    )


class NewPollVote(_Changing):
    """The account's choice in a poll, in place of an earlier one."""

    type: Literal["poll_vote"]
    options: Annotated[list[Chosen], AfterValidator(_different)] = Field(
        max_length=100,
        json_schema_extra={"uniqueItems": True},
        description="Of the poll's options, at most as many as it allows. None takes the vote back.",
        examples=[["tea"]],
    )


class NewEdit(_Changing):
    """Other words for a text that was sent within the last 15 minutes."""

    type: Literal["edit"]
    text: Text


class NewDelete(_Changing):
    """Take back, for everyone, a message that was sent within the last 60 hours."""

    type: Literal["delete"]


Bringing = NewImage | NewVideo | NewAudio | NewDocument | NewSticker
"""Kinds that bring a file."""

Standing = NewText | NewLocation | NewContact | NewPoll | Bringing
Changing = NewReaction | NewPollVote | NewEdit | NewDelete


def _kind(given: Any) -> str | None:
    kind = given.get("type", "text") if isinstance(given, dict) else "text"
    return kind if isinstance(kind, str) and kind in KINDS else None


_MODELS: dict[str, Any] = {
    "text": NewText,
    "location": NewLocation,
    "contact": NewContact,
    "poll": NewPoll,
    "image": NewImage,
    "video": NewVideo,
    "audio": NewAudio,
    "document": NewDocument,
    "sticker": NewSticker,
    "poll_vote": NewPollVote,
    "reaction": NewReaction,
    "edit": NewEdit,
    "delete": NewDelete,
}


class NewMessage(
    RootModel[
        Annotated[
            Annotated[NewText, Tag("text")]
            | Annotated[NewLocation, Tag("location")]
            | Annotated[NewContact, Tag("contact")]
            | Annotated[NewPoll, Tag("poll")]
            | Annotated[NewImage, Tag("image")]
            | Annotated[NewVideo, Tag("video")]
            | Annotated[NewAudio, Tag("audio")]
            | Annotated[NewDocument, Tag("document")]
            | Annotated[NewSticker, Tag("sticker")]
            | Annotated[NewPollVote, Tag("poll_vote")]
            | Annotated[NewReaction, Tag("reaction")]
            | Annotated[NewEdit, Tag("edit")]
            | Annotated[NewDelete, Tag("delete")],
            Discriminator(
                _kind,
                custom_error_type="unsupported_type",
                custom_error_message="this type of message is not supported",
            ),
        ]
    ]
):
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


class ReadUntil(Body):
    """Up to when the chat was read."""

    until: Moment | None = Field(
        None,
        description="The time of the newest message that was read; without it, all that arrived so far.",
        examples=["2030-01-01T09:00:00Z"],
    )
