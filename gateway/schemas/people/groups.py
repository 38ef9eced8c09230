"""Defines models of one group with its members' names, and builds them from the answer of a connection (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import Field

from gateway.http.response_base import Answer
from gateway.schemas.people.people import Person, person
from gateway.schemas.request_models import ConnectionId, Parameters

if TYPE_CHECKING:
    from collections.abc import Mapping


class NamedMember(Person):
    """A member of a group."""

    admin: bool


class NamedGroup(Answer):
    """A group that the account is in; the fields behind `name` are null where the connection runs an older release."""

    chat: str = Field(description="The address to write to.", examples=["120363000000000001@g.us"])
    name: str | None = Field(description="Its subject.", examples=["Chess club"])
    description: str | None = Field(
        description="Empty where it has none.", examples=["Every Tuesday"]
    )
    announce: bool | None = Field(description="Only admins write.")
    locked: bool | None = Field(description="Only admins change subject, description and picture.")
    ephemeral_seconds: int | None = Field(
        description="Seconds after which messages disappear; 0: they stay.", examples=[604800]
    )
    member_add_mode: Literal["admins", "all"] | None = Field(
        description="The members who add others."
    )
    approval: bool | None = Field(
        description="An admin approves each person who comes by an invitation."
    )
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
    settings = answer.get("settings") or {}
    names = ("description", "announce", "locked", "member_add_mode", "approval")
    return NamedGroup(
        chat=answer["chat"],
        name=answer["subject"] or None,
        ephemeral_seconds=settings.get("ephemeral"),
        **{name: settings.get(name) for name in names},
        members=sorted(members, key=lambda one: (one.name is None, one.name or "", one.address)),
    )
