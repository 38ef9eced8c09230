"""What the engine of a connection promises, and what is refused because it cannot do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from actors.connection.engine import (
    ENGINES,
    KEPT_IN_ONE_FILE,
    UNPROVEN,
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


def usable(engine: str | None, settings: Settings, *, allow_unproven: bool = False) -> str:
    """The engine that is asked for, or the setting's. Raises `Problem` where it cannot serve here.

    An engine that never met WhatsApp links a real account only where the caller says
    `allow_unproven`.
    """
    chosen = engine or settings.engine
    if chosen in UNPROVEN and settings.links_real_accounts and not allow_unproven:
        raise _unproven(engine, chosen)
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


def _unproven(asked: str | None, chosen: str) -> Problem:
    chooser = "" if asked else ", which ENGINE names,"
    proven = " or ".join(name for name in ENGINES if name not in UNPROVEN)
    return Problem(
        "unproven_engine",
        f"The engine {chosen}{chooser} has met the simulator alone, never WhatsApp itself: a mistake"
        f" in it may cost the account. Use the engine {proven}, or set allow_unproven_engine to link"
        " the account all the same.",
    )


def require_able(engine: str, kind: str, to: str) -> None:
    """Raise `Problem` where the engine cannot send this kind of message, or not to this chat."""
    if kind in MEDIA_KINDS and engine in WITHOUT_FILES:
        raise Problem(UNSUPPORTED, f"The engine {engine} sends no files.")
    if to.endswith("@g.us") and engine in WITHOUT_GROUPS:
        raise Problem(UNSUPPORTED, f"The engine {engine} writes to no groups.")
