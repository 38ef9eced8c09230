"""Defines models of API keys as the API answers them; the key itself is in the answer that makes it alone."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.http.response_base import Answer, Time


class ApiKey(Answer):
    """An API key, but for what it is."""

    id: str = Field(examples=["0c5a7b1e9d3f4286"])
    name: str
    scopes: list[Literal["admin", "send", "read", "metrics"]]
    connections: list[str] | None = Field(
        description="For which; null is all. One that was deleted is named by its incarnation."
    )
    created_at: Time
    ended_at: Time | None = Field(
        description="When the last of its connections was deleted: it lets nobody in any more."
    )


class AddedKey(ApiKey):
    """The key, which nothing shows again."""

    key: str = Field(description="The key that callers send.", examples=["tmo_…"])


class ApiKeys(Answer):
    """All API keys, without the keys themselves."""

    items: list[ApiKey]
    next: None = None
