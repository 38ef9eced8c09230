"""What WhatsApp answers at once, as the API gives it on."""

from __future__ import annotations

from pydantic import Field

from gateway.answers import Answer


class Number(Answer):
    number: str
    on_whatsapp: bool
    chat: str | None = Field(description="Where to write to, if it is on WhatsApp.")


class GroupMember(Answer):
    address: str = Field(description="As `sender` of messages; a LID where no number is known.")
    admin: bool


class Group(Answer):
    chat: str = Field(description="Where to write to.", examples=["120363000000000001@g.us"])
    subject: str
    members: list[GroupMember]


class Groups(Answer):
    """The groups that the account is in."""

    items: list[Group]
    next: None = None
