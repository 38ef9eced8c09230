"""Defines models of one group with its members' names, and builds them from the answer of a connection (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

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
    """A group that the account is in."""

    chat: str = Field(description="The address to write to.", examples=["120363000000000001@g.us"])
    name: str | None = Field(description="Its subject.", examples=["Chess club"])
    members: list[NamedMember] = Field(description="By name; those without any last.")


class ReadGroup(Parameters):
    connection: ConnectionId = Field(description="The connection whose account is in the group.")


def group(told: Mapping[str, Any]) -> NamedGroup:
    """The group in the answer of a connection's owner (the fields of `engine.Group`)."""
    members = [
        NamedMember(**dict(cast("Person", person(one["address"], one))), admin=one["admin"])
        for one in told["members"]
    ]
    return NamedGroup(
        chat=told["chat"],
        name=told["subject"] or None,
        members=sorted(members, key=lambda one: (one.name is None, one.name or "", one.address)),
    )
