"""Defines models of an account's groups, and of one with its members' names from a connection's answer (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import Field

from gateway.http.response_base import Answer
from gateway.schemas.people.people import Person, person
from gateway.schemas.request_models import ConnectionId, Parameters

if TYPE_CHECKING:
    from collections.abc import Mapping


class GroupMember(Answer):
    """A member of a group, and whether an admin of it."""

    address: str = Field(description="As `sender` of messages; a LID where no number is known.")
    admin: bool


class Group(Answer):
    """A group with its members."""

    chat: str = Field(description="The address to write to.", examples=["120363000000000001@g.us"])
    subject: str
    members: list[GroupMember]


class Groups(Answer):
    """The groups that the account is in."""

    items: list[Group]
    next: None = None


class NamedMember(Person):
    """A member of a group."""

    admin: bool


class NamedGroup(Answer):
    """A group that the account is in."""

    chat: str = Field(description="The address to write to.", examples=["120363000000000001@g.us"])
    name: str | None = Field(description="Its subject.", examples=["Chess club"])
    description: str = Field(description="Empty where it has none.", examples=["Every Tuesday"])
    announce: bool = Field(description="Only admins write.")
    locked: bool = Field(description="Only admins change subject, description and picture.")
    ephemeral_seconds: int = Field(
        description="Seconds after which messages disappear; 0: they stay.", examples=[604800]
    )
    member_add_mode: Literal["admins", "all"] = Field(description="The members who add others.")
    approval: bool = Field(description="An admin approves each person who comes by an invitation.")
    members: list[NamedMember] = Field(description="By name; those without any last.")


class OfGroup(Parameters):
    """The account by which a group is shown or changed."""

    connection: ConnectionId = Field(description="The connection whose account is in the group.")


def group(answer: Mapping[str, Any]) -> NamedGroup:
    """The group in the answer of a connection's owner (the fields of `administration.Group`)."""
    members = [
        NamedMember(**dict(cast("Person", person(one["address"], one))), admin=one["admin"])
        for one in answer["members"]
    ]
    settings = answer["settings"]
    names = ("description", "announce", "locked", "member_add_mode", "approval")
    return NamedGroup(
        chat=answer["chat"],
        name=answer["subject"] or None,
        ephemeral_seconds=settings["ephemeral"],
        **{name: settings[name] for name in names},
        members=sorted(members, key=lambda one: (one.name is None, one.name or "", one.address)),
    )
