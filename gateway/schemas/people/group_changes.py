"""Defines models of requests that change groups, and of their answers; builds those from a connection's answer (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from actors.connection.abilities.administration import INVITE_PREFIX
from actors.messages.field_types import Line
from actors.runtime.text_pattern import TextPattern
from gateway.http.response_base import Answer
from gateway.schemas.address_fields import People, Person
from gateway.schemas.people.groups import OfGroup
from gateway.schemas.request_models import Body, ConnectionId, Parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_PARTICIPANTS = 100
"""People of one request; WhatsApp allows more in a group."""

INVITE_CODE_PATTERN = r"[0-9A-Za-z_-]{8,64}"
LONGEST_DESCRIPTION = 2048

AddMode = Literal["admins", "all"]
EphemeralSeconds = Annotated[Literal[0, 86400, 604800, 7776000], Field(examples=[86_400])]
Outcome = Literal["done", "unchanged", "refused"]
Participants = Annotated[
    list[Person],
    Field(
        min_length=1,
        max_length=MOST_PARTICIPANTS,
        description="Phone numbers, addresses or LIDs.",
        examples=[["15550100002", "15550100003"]],
    ),
]
Description = Annotated[
    str,
    TextPattern(
        r"^[^\x00-\x09\x0b-\x1f\x7f-\x9f]*$",
        f"write up to {LONGEST_DESCRIPTION} characters, without control characters but line breaks",
        longest=LONGEST_DESCRIPTION,
    ),
]
Subject = Annotated[Line, Field(description="Its name.", examples=["Chess club"])]


class NewGroup(Body):
    """A group to create; the account is in it, as an admin."""

    connection: ConnectionId = Field(description="The account that creates it.", examples=["shop"])
    subject: Subject
    participants: Participants


class GroupChange(Body):
    """Settings of a group to change, one at least; the others stay."""

    subject: Subject | None = Field(None, examples=["Chess club"])
    description: Description | None = Field(
        None, description="Empty: none.", examples=["Every Tuesday"]
    )
    announce: bool | None = Field(None, description="Only admins write.")
    locked: bool | None = Field(
        None, description="Only admins change subject, description and picture."
    )
    ephemeral_seconds: EphemeralSeconds | None = Field(
        None, description="Seconds after which messages disappear; 0: they stay."
    )
    member_add_mode: AddMode | None = Field(None, description="The members who add others.")
    approval: bool | None = Field(
        None, description="An admin approves each person who comes by an invitation."
    )


class Members(Body):
    """People who become members, or admins."""

    participants: Participants


class FormerMembers(OfGroup):
    """People who are members, or admins, no more."""

    participants: People = Field(
        description=f"Phone numbers, addresses or LIDs, {MOST_PARTICIPANTS} at most, with commas between.",
        examples=["15550100002,15550100003"],
    )


class Invitation(Body):
    """An invitation to a group that the account accepts."""

    connection: ConnectionId = Field(description="The account that joins.", examples=["shop"])
    invite: Annotated[
        str,
        TextPattern(
            rf"^(https?://chat\.whatsapp\.com/(invite/)?)?{INVITE_CODE_PATTERN}([?][!-~]{{0,200}})?$",
            f"write the invitation's code, or its link, as in {INVITE_PREFIX}AbCdEfGhIjKlMnOpQrStUv",
        ),
    ] = Field(
        description="The code of the invitation, or its link.",
        examples=[f"{INVITE_PREFIX}AbCdEfGhIjKlMnOpQrStUv"],
    )

    @property
    def code(self) -> str:
        """The code alone."""
        return self.invite.rpartition("/")[2].partition("?")[0]


class OfInvitation(Parameters):
    """The account that looks at an invitation."""

    connection: ConnectionId = Field(description="The connection whose account asks WhatsApp.")


class Participant(Answer):
    """The outcome for one person of a request."""

    address: str = Field(description="A LID where no number is known.")
    outcome: Outcome = Field(description="`unchanged`: it was so before.")
    error: str | None = Field(
        description="Of `refused`: `invite_needed` (the person lets nobody add them: send them the invitation),"
        " `blocked_by_person`, `left_recently`, `not_on_whatsapp`, `not_in_group`, `group_full`, `not_allowed`,"
        " `whatsapp_refused`; `no_answer`: WhatsApp's answer has nothing about the person.",
    )


class Outcomes(Answer):
    """The outcome for each person, in the order of the request."""

    participants: list[Participant]


class CreatedGroup(Answer):
    """The new group; people who are refused are not in it."""

    chat: str = Field(description="The address to write to.", examples=["120363000000000001@g.us"])
    subject: str = Field(examples=["Chess club"])
    participants: list[Participant]


class Invite(Answer):
    """The invitation to a group: everybody who has it can join."""

    code: str = Field(examples=["AbCdEfGhIjKlMnOpQrStUv"])
    link: str = Field(examples=[f"{INVITE_PREFIX}AbCdEfGhIjKlMnOpQrStUv"])


class InvitedGroup(Answer):
    """The group of an invitation."""

    chat: str = Field(description="Its address.", examples=["120363000000000001@g.us"])
    subject: str = Field(examples=["Chess club"])
    description: str = Field(description="Empty where it has none.", examples=["Every Tuesday"])
    size: int | None = Field(
        description="The number of its members, where WhatsApp reports it.", examples=[3]
    )


class JoinedGroup(Answer):
    """The group that the account joined, or asked to join."""

    chat: str = Field(description="Its address.", examples=["120363000000000001@g.us"])
    pending: bool = Field(description="An admin has to approve it first.")


def outcomes(answer: Mapping[str, Any]) -> list[Participant]:
    """Outcomes in the answer of a connection's owner (the fields of `administration.MemberOutcome`)."""
    return [Participant.model_validate(one) for one in answer["participants"]]


def invite(code: str) -> Invite:
    """The invitation of this code."""
    return Invite(code=code, link=f"{INVITE_PREFIX}{code}")
