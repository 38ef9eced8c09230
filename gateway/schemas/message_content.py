"""Models of a message's content, and of changes by others afterwards."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.http.response import Answer, Time


class Referred(Answer):
    """Another message of the same chat."""

    id: str = Field(description="By which it can be asked for, if it is known here.")
    message_id: str


class VideoContent(Answer):
    type: Literal["video"] = "video"
    seconds: int | None


class AudioContent(Answer):
    type: Literal["audio"] = "audio"
    voice: bool
    seconds: int | None


class StickerContent(Answer):
    type: Literal["sticker"] = "sticker"
    animated: bool


class LocationContent(Answer):
    type: Literal["location"] = "location"
    latitude: float
    longitude: float
    name: str | None
    address: str | None


class SentCard(Answer):
    name: str
    vcard: str


class ContactContent(Answer):
    type: Literal["contact"] = "contact"
    contacts: list[SentCard]


class PollContent(Answer):
    type: Literal["poll"] = "poll"
    question: str
    options: list[str]
    choices: int = Field(description="Number of options that one may choose; 0 is any number.")


class ReactionContent(Answer):
    type: Literal["reaction"] = "reaction"
    message: Referred
    emoji: str = Field(description="Empty where a reaction was taken back.")


class PollVoteContent(Answer):
    type: Literal["poll_vote"] = "poll_vote"
    message: Referred
    options: list[str] | None = Field(description="null where the vote could not be read.")


class EditContent(Answer):
    """The new words are the `text` of the message that was edited."""

    type: Literal["edit"] = "edit"
    message: Referred


class DeleteContent(Answer):
    type: Literal["delete"] = "delete"
    message: Referred


Content = Annotated[
    LocationContent
    | ContactContent
    | VideoContent
    | AudioContent
    | StickerContent
    | PollContent
    | PollVoteContent
    | ReactionContent
    | EditContent
    | DeleteContent,
    Field(discriminator="type"),
]


class MessageReaction(Answer):
    by: str = Field(description="`me` for the account, else the address of who reacted.")
    emoji: str
    at: Time


class Vote(Answer):
    by: str = Field(description="`me` for the account, else the address of who voted.")
    options: list[str]
    at: Time


class Former(Answer):
    """A text before an edit."""

    text: str
    until: Time
