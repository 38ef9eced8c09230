"""Defines models of blocked people, of the own profile and of pictures that are set (pure)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from actors.runtime.text_pattern import TextPattern
from gateway.http.response_base import Answer
from gateway.schemas.content.outbound_messages import SHA256
from gateway.schemas.examples import FILE_EXAMPLE
from gateway.schemas.request_models import Body

MAX_PROFILE_NAME = 25
LONGEST_ABOUT = 139

Picture = Annotated[
    str,
    TextPattern(SHA256, "a SHA-256 has 64 digits, 0 to 9 and a to f, as an upload has it"),
    Field(examples=[FILE_EXAMPLE]),
]


_ON_ONE_LINE = r"[^\x00-\x1f\x7f-\x9f]"
Name = Annotated[
    str,
    TextPattern(
        f"^{_ON_ONE_LINE}+$",
        f"write 1 to {MAX_PROFILE_NAME} characters on one line, without control characters",
        shortest=1,
        longest=MAX_PROFILE_NAME,
    ),
    Field(examples=["Teimoso shop"]),
]
About = Annotated[
    str,
    TextPattern(
        f"^{_ON_ONE_LINE}*$",
        f"write up to {LONGEST_ABOUT} characters on one line, without control characters",
        longest=LONGEST_ABOUT,
    ),
]


class NewPicture(Body):
    """The picture of a group: a JPEG that was uploaded (`POST /api/media`)."""

    picture: Picture = Field(
        description="The SHA-256 of the file, as its upload has it.", examples=[FILE_EXAMPLE]
    )


class ProfileChange(Body):
    """Changes of the account as others see it, one field at least; the others stay."""

    name: Name | None = Field(None, description="The name that strangers see.")
    about: About | None = Field(
        None, description="The text beneath the name; empty: none.", examples=["At work"]
    )
    picture: Picture | None = Field(
        None, description="The SHA-256 of a JPEG that was uploaded. null removes the picture."
    )

    @property
    def changes(self) -> dict[str, Any]:
        """The fields that are named; null is a value for the picture alone."""
        named = {name: getattr(self, name) for name in self.model_fields_set}
        return {
            name: value for name, value in named.items() if value is not None or name == "picture"
        }


class Profile(Answer):
    """The account as others see it."""

    name: str | None = Field(
        description="null while the connection does not know it.", examples=["Teimoso shop"]
    )
    about: str = Field(description="Empty where it has none.", examples=["At work"])


class Blocked(Answer):
    """The people whom the account blocks."""

    items: list[str] = Field(
        description="Addresses; a LID where no number is known.",
        examples=[["15550100002@s.whatsapp.net"]],
    )
    next: None = None
