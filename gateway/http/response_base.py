"""Defines the base model of API answers, and formats times as RFC 3339 in UTC.

Every field of an answer is always there; an unknown value is null.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, WithJsonSchema

Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]


def rfc3339(seconds: float | None) -> str | None:
    """`seconds` since the epoch as RFC 3339 in UTC with milliseconds; None stays None."""
    if seconds is None:
        return None
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Answer(BaseModel):
    """A model of an answer; a field that it does not declare is an error of the service."""

    model_config = ConfigDict(extra="forbid")
