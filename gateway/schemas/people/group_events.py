"""Defines the data of events about groups, and builds it from what the state store noted (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import Field

from actors.runtime.connection_ids import name_of
from gateway.http.response_base import Answer, Time, rfc3339
from gateway.schemas.people.people import Person, person

if TYPE_CHECKING:
    from collections.abc import Mapping

GroupSetting = Literal[
    "subject",
    "description",
    "announce",
    "locked",
    "ephemeral_seconds",
    "member_add_mode",
    "approval",
    "picture",
]


class GroupNews(Answer):
    """Fields of all events of groups."""

    connection: str = Field(examples=["shop"])
    chat: str = Field(description="The group's address.", examples=["120363000000000001@g.us"])
    author: Person | None = Field(
        description="The person who did it, the account too; null where WhatsApp does not report it."
    )
    at: Time = Field(description="WhatsApp's time of it.")


class ChangedGroup(GroupNews):
    """A setting of a group after its change."""

    setting: GroupSetting = Field(description="The setting that changed.", examples=["subject"])
    value: str | bool | int = Field(
        description="As `GET /api/groups/{group}` has it from now on; of `picture` WhatsApp's id of the new one, empty"
        " where the group has none any more.",
        examples=["Chess club"],
    )


class ChangedMembers(GroupNews):
    """People who came into a group or left it, or became admins or were it."""

    change: Literal["added", "removed", "promoted", "demoted"] = Field(
        description="`added` and `removed` also where they came or left by themselves; `promoted` to an admin."
    )
    people: list[Person] = Field(description="The people whom it is about.")


def changed(data: Mapping[str, Any]) -> ChangedGroup:
    """A changed setting as an event has it."""
    setting = {"ephemeral": "ephemeral_seconds"}.get(data["setting"], data["setting"])
    return ChangedGroup(**_news(data), setting=cast("GroupSetting", setting), value=data["value"])


def members_changed(data: Mapping[str, Any]) -> ChangedMembers:
    """Changed members as an event has them."""
    people = [cast("Person", _person(each)) for each in data["people"]]
    return ChangedMembers(**_news(data), change=data["change"], people=people)


def _news(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "connection": name_of(data["connection"]),
        "chat": data["chat"],
        "author": _person(data["by"]),
        "at": rfc3339(data["at"]) or "",
    }


def _person(named: Mapping[str, Any] | None) -> Person | None:
    return None if named is None else person(named["address"], named)
