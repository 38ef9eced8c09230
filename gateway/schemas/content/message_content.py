"""Builds models of message content in answers from the declared kinds, and defines models of later changes."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union

from pydantic import Field, create_model

from actors.messages import content
from gateway.http.response_base import Answer, Time
from gateway.schemas.content.content_fields import shown
from gateway.schemas.people.people import Person  # noqa: TC001 - pydantic reads it at run time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.messages.content import Sendable


class Referred(Answer):
    """Another message of the same chat."""

    id: str = Field(description="By which it can be asked for, if it is known here.")
    message_id: str


class Quoted(Referred):
    """The message that another one answers, as that quotes it."""

    author: Person | None = Field(
        description="The person who wrote it; null for a message that went out through the API."
    )
    type: str | None = Field(description="Its kind, where it is known.")
    excerpt: str | None = Field(
        description="The beginning of its text or caption, 300 characters at most. WhatsApp checks no quote: of a reply"
        " that arrived it is the word of its sender, and the message itself is at `/api/messages/{id}` where it is known.",
        examples=["At noon?"],
    )


class SentCard(Answer):
    """A person by a vCard."""

    name: str
    vcard: str


_DOCS: Final = {"edit": "The new words are the `text` of the message that was edited."}


def _shown(kind: type[Sendable]) -> type[Answer] | None:
    """The model of a kind in answers; None for one that its text and its file say in full."""
    names = {each.name for each in fields(kind)}
    own: dict[str, Any] = {}
    if "target" in names:
        own["message"] = (Referred, ...)
    if "cards" in names:
        own["contacts"] = (list[SentCard], ...)
    own |= shown(kind)
    if not own:
        return None
    typed = {"type": (Literal[kind.type], kind.type), **own}
    name = f"{kind.__name__}Content"
    return create_model(
        name, __base__=Answer, __module__=__name__, __doc__=_DOCS.get(kind.type), **typed
    )


CONTENT_MODELS: Final[Mapping[str, type[Answer]]] = {
    name: model
    for name, kind in content.CONTENT_KINDS.items()
    if (model := _shown(kind)) is not None
}
"""The models of `content` in answers, by the type of the message."""

if TYPE_CHECKING:
    Content = Answer
else:
    Content = Annotated[Union[tuple(CONTENT_MODELS.values())], Field(discriminator="type")]  # noqa: UP007


class ShownPreview(Answer):
    """Title and description of the page that a text links to."""

    url: str = Field(description="The link, as the text has it.")
    title: str
    description: str | None
    has_thumbnail: bool = Field(description="Whether a picture of the page was sent with it.")


class MessageReaction(Answer):
    """The reaction of one person to a message."""

    by: str = Field(description="`me` for the account, else the address of who reacted.")
    author: Person | None = Field(description="The person who reacted; null for the account.")
    emoji: str
    at: Time


class Vote(Answer):
    """The options that one person chose in a poll."""

    by: str = Field(description="`me` for the account, else the address of who voted.")
    author: Person | None = Field(description="The person who voted; null for the account.")
    options: list[str]
    at: Time


class Former(Answer):
    """A text before an edit."""

    text: str
    until: Time
