"""What the engine of a connection promises, and what is refused because it cannot do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from actors.connection.engine import (
    KEPT_IN_ONE_FILE,
    UNSUPPORTED,
    WITHOUT_FILES,
    WITHOUT_GROUPS,
    installed,
)
from actors.messages.content import MEDIA_KINDS
from gateway.http.problems import Problem

if TYPE_CHECKING:
    from actors.config.settings import Settings


class EngineGuarantees(BaseModel):
    """What the engine of a connection promises; docs/engines.md says what follows."""

    model_config = ConfigDict(extra="forbid")

    persists_before_ack: bool = Field(
        description="What arrives is on disk before WhatsApp is told that it arrived."
    )
    keeps_message_id: bool = Field(
        description="Each attempt carries `message_id`, so that the recipient sees one message."
    )


def usable(engine: str | None, settings: Settings) -> str:
    """The engine that is asked for, or the setting's. Raises `Problem` where it cannot serve here."""
    chosen = engine or settings.engine
    if not installed(chosen):
        raise Problem(
            "engine_not_installed",
            f"The engine {chosen} is an optional extra: `make {chosen}` installs it.",
        )
    kept = settings.session_storage_type
    if kept != "local" and chosen not in KEPT_IN_ONE_FILE:
        raise Problem(
            "engine_keeps_no_copies",
            f"SESSION_STORAGE_TYPE is {kept}: it needs copies, and {chosen} keeps none.",
        )
    return chosen


def require_able(engine: str, kind: str, to: str) -> None:
    """Raise `Problem` where the engine cannot send this kind of message, or not to this chat."""
    if kind in MEDIA_KINDS and engine in WITHOUT_FILES:
        raise Problem(UNSUPPORTED, f"The engine {engine} sends no files.")
    if to.endswith("@g.us") and engine in WITHOUT_GROUPS:
        raise Problem(UNSUPPORTED, f"The engine {engine} writes to no groups.")
