"""Defines the field types of message content: the API's limits, descriptions and examples.

The kinds name these types in annotations alone, so that a process without pydantic holds content too; the gateway
evaluates them (`gateway.schemas.content.content_fields`). Content that arrives is not held to them: engines bound it, and an answer
shows all of it.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, NamedTuple, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from actors.runtime.text_pattern import TextPattern

T = TypeVar("T")

MAX_TEXT_CHARACTERS = 65_536  # WhatsApp's limit for a text message

# C0 except tab, line feed and carriage return; DEL. No client of WhatsApp can show them.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

# The texts that `sendable` takes, as a pattern for JSON Schema: no control character, and at least one
# that is no white space.
_REFUSED = r"\x00-\x08\x0B\x0C\x0E-\x1F\x7F"
_WHITE = r"\t\n\r \x85\xA0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000"
TEXT_PATTERN = f"^[^{_REFUSED}]*[^{_REFUSED}{_WHITE}][^{_REFUSED}]*$"


class InvalidText(ValueError):
    """A text that cannot be sent; the message never repeats it. `code` is stable."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def sendable(text: str) -> str:
    """The text itself; raises `InvalidText` when WhatsApp would refuse or mangle it."""
    if not text or text.isspace():
        raise InvalidText("text_empty", "write a text that is more than white space")
    if len(text) > MAX_TEXT_CHARACTERS:
        raise InvalidText(
            "text_too_long",
            f"write at most {MAX_TEXT_CHARACTERS} characters, not {len(text)}",
        )
    found = None if text.isprintable() else _CONTROL.search(text)
    if found:
        raise InvalidText(
            "control_character",
            f"write it without control characters; character {found.start() + 1} is U+{ord(found[0]):04X}",
        )
    return text


class AnswerDescription(NamedTuple):
    """The description of a field in answers, where that is another one than a caller's."""

    description: str


HIDDEN: Final = object()
"""Marks a field that no request and no answer has."""

AS_TEXT: Final = object()
"""Marks words that answers have in the `text` of a message, and not in its content."""

GIVEN: Final = object()
"""Marks a field that a send always has, and content that arrived may be without."""

Hidden = Annotated[T, HIDDEN]


def whole(value: object) -> object:
    """JSON has one kind of number: 5.0 is 5 (JSON Schema, 6.1.1)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _sendable(value: str) -> str:
    try:
        return sendable(value)
    except InvalidText as error:
        raise PydanticCustomError(error.code, "{reason}", {"reason": str(error)}) from None


def _different(options: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(options)) < len(options):
        raise PydanticCustomError("invalid_field", "list each option once")
    return options


PIN_SECONDS: Final = (0, 86_400, 604_800, 2_592_000)
"""The seconds of a pin that WhatsApp's apps offer, and 0."""


def _offered(seconds: int) -> int:
    if seconds not in PIN_SECONDS:
        raise PydanticCustomError("invalid_field", "write 0, 86400, 604800 or 2592000 seconds")
    return seconds


Whole = Annotated[int, BeforeValidator(whole)]
_LINE = r"^[^\x00-\x1f\x7f-\x9f]+$"
Line = Annotated[
    str,
    TextPattern(
        _LINE,
        "write 1 to 255 characters on one line, without control characters",
        shortest=1,
        longest=255,
    ),
]
SendableText = Annotated[
    str,
    AfterValidator(_sendable),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_TEXT_CHARACTERS,
            "pattern": TEXT_PATTERN,
            "description": "The text; control characters other than tab and line ends are refused.",
            "examples": ["hi"],
        }
    ),
]
Words = Annotated[SendableText, AS_TEXT]
Caption = Annotated[SendableText | None, AS_TEXT, Field(description="The text below the file.")]

Latitude = Annotated[
    float,
    Field(ge=-90, le=90, allow_inf_nan=False, description="In degrees.", examples=[-23.55]),
]
Longitude = Annotated[
    float,
    Field(ge=-180, le=180, allow_inf_nan=False, description="In degrees.", examples=[-46.63]),
]

PlaceName = Annotated[
    Line | None, Field(description="The name of the place.", examples=["Our shop"])
]
PlaceAddress = Annotated[
    Line | None,
    Field(
        description="The place's address, as people write it.", examples=["Avenida Paulista 1578"]
    ),
]

Vcard = Annotated[
    str,
    TextPattern(
        r"^BEGIN:VCARD\r?\n[^\x00\x0b\x0c\x7f]*END:VCARD\s*$",
        "a vCard has at most 65536 characters, begins with the line BEGIN:VCARD and ends with END:VCARD",
        shortest=1,
        longest=65_536,
    ),
    Field(
        description="The vCard, which phones show and store.",
        examples=["BEGIN:VCARD\nVERSION:3.0\nFN:Ana\nEND:VCARD"],
    ),
]

Seconds = Annotated[
    Annotated[int, Field(ge=0, le=86_400), BeforeValidator(whole)] | None,
    Field(description="Its length in seconds.", examples=[7]),
]
Voice = Annotated[
    bool,
    Field(
        description="As a voice note. Sound that is not Opus in Ogg, of one channel, is converted, for which ffmpeg is needed."
    ),
]

Animated = Annotated[bool, Field(description="Whether its WebP has more than one picture.")]

Question = Annotated[Line, Field(description="The question.", examples=["Tea or coffee?"])]
_OPTION = TextPattern(
    _LINE,
    "write 1 to 100 characters on one line, without control characters, as in tea",
    shortest=1,
    longest=100,
)
Options = Annotated[
    tuple[Annotated[str, _OPTION], ...],
    Field(
        min_length=2,
        max_length=12,
        json_schema_extra={"uniqueItems": True},
        description="The options to choose from.",
        examples=[["tea", "coffee"]],
    ),
    AfterValidator(_different),
]
_CHOICES = "Number of options that one may choose; 0 is any number."
Choices = Annotated[
    int,
    Field(default=1, ge=0, le=12, description=_CHOICES),
    BeforeValidator(whole),
    AnswerDescription(_CHOICES),
]
Chosen = Annotated[
    tuple[Annotated[str, StringConstraints(max_length=4096), Field(examples=["tea"])], ...],
    Field(
        max_length=100,
        json_schema_extra={"uniqueItems": True},
        description="Of the poll's options, at most as many as it allows. None takes the vote back.",
        examples=[["tea"]],
    ),
    AfterValidator(_different),
    GIVEN,
    AnswerDescription("null where the vote could not be read."),
]

Emoji = Annotated[
    str,
    TextPattern(
        r"^[^\x00-\x20\x7f-\x9f]*$",
        "write one emoji of at most 32 characters, without spaces, as in 👍",
        longest=32,
    ),
    Field(description="Empty takes the reaction back.", examples=["👍"]),
    AnswerDescription("Empty where a reaction was taken back."),
]

PinSeconds = Annotated[
    int,
    Field(
        default=604_800,
        json_schema_extra={"enum": list(PIN_SECONDS)},
        description="Seconds for which it stays: a day, 7 days or 30 days, as WhatsApp's apps offer; 0 takes the pin back.",
        examples=[86_400],
    ),
    BeforeValidator(whole),
    AfterValidator(_offered),
    AnswerDescription("Seconds for which it stays; 0 where a pin was taken back."),
]
