"""Defines the answer model of a connection's pace, and fills it from settings and the lease (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from actors.runtime.limits.account_pace import NEW_DAYS, pace
from gateway.http.response_base import Answer, Time, rfc3339

if TYPE_CHECKING:
    from actors.config.settings import Settings


class AccountPacing(Answer):
    """The number of messages that the service lets an account send; those beyond it wait in their order."""

    reason: Literal["new_account", "settings"] | None = Field(
        description="`new_account`: its age sets those limits that no setting sets (`PACING_NEW_ACCOUNTS`)."
        " null where nothing is limited.",
        examples=["new_account"],
    )
    messages_per_minute: int | None = Field(
        description="Spread evenly; null for any number.", examples=[4]
    )
    messages_per_day: int | None = Field(
        description="From midnight to midnight, UTC; null for any number.", examples=[50]
    )
    new_chats_per_day: int | None = Field(
        description="Likewise: chats that it begins, with people who never wrote.", examples=[3]
    )
    day: int | None = Field(
        description="The day since it was linked first, from 1; null where it is not paced as new.",
        examples=[3],
    )
    new_for_days: int | None = Field(
        description="How many days it is new for; null where `day` is.", examples=[NEW_DAYS]
    )
    linked_at: Time | None = Field(description="When it was linked first; null before.")


def account_pacing(settings: Settings, linked_at: float | None, now: float) -> AccountPacing:
    """The pace of an account that was linked then."""
    found = pace(settings, linked_at, now)
    reason: Literal["new_account", "settings"] | None = "settings" if found else None
    return AccountPacing(
        reason=reason if found.day is None else "new_account",
        messages_per_minute=found.messages_per_minute or None,
        messages_per_day=found.messages_per_day or None,
        new_chats_per_day=found.new_chats_per_day or None,
        day=found.day,
        new_for_days=None if found.day is None else NEW_DAYS,
        linked_at=rfc3339(linked_at),
    )
