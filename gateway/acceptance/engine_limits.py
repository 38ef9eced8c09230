"""Chooses a new connection's engine; rejects absent or unproven ones, and requests beyond an engine's abilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from actors.config import default_engine
from actors.connection.engine import (
    ABILITIES,
    ENGINES,
    UNPROVEN,
    UNSUPPORTED,
    installed,
)
from gateway.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.config.settings import Settings
    from actors.connection.abilities.port import Ability


class EngineGuarantees(BaseModel):
    """Promises of a connection's engine; docs/engines.md has their consequences."""

    model_config = ConfigDict(extra="forbid")

    persists_before_ack: bool = Field(
        description="Each message is on disk before WhatsApp gets its acknowledgement."
    )
    keeps_message_id: bool = Field(
        description="Each attempt carries `message_id`, so that the recipient sees one message."
    )


def usable(engine: str | None, settings: Settings, *, allow_unproven: bool = False) -> str:
    """The engine that is asked for, or that of new connections. Raises `Problem` where it cannot serve here.

    An engine that never met WhatsApp links a real account only where the caller says
    `allow_unproven`.
    """
    chosen = engine or default_engine.of(settings)
    if chosen in UNPROVEN and settings.links_real_accounts and not allow_unproven:
        raise _unproven(engine, chosen, settings)
    if not installed(chosen):
        raise Problem(
            "engine_not_installed",
            f"The engine {chosen} is not installed here; `make {chosen}` builds it.",
        )
    return chosen


def _unproven(requested: str | None, chosen: str, settings: Settings) -> Problem:
    chooser = ""
    if requested is None:
        chooser = (
            ", which ENGINE names,"
            if settings.engine
            else ", taken since whatsmeow is not installed (`make whatsmeow`),"
        )
    proven = " or ".join(name for name in ENGINES if name not in UNPROVEN)
    return Problem(
        "unproven_engine",
        f"The engine {chosen}{chooser} has met the simulator alone, never WhatsApp itself: a mistake"
        f" in it may cost the account. Use the engine {proven}, or set allow_unproven_engine to true to link"
        " the account all the same.",
    )


def require(engine: str, ability: Ability) -> None:
    """Raise `Problem` where the engine has not the ability, without asking who serves."""
    if ability not in ABILITIES.get(engine, ()):
        raise Problem(UNSUPPORTED, f"The engine {engine} {_CANNOT[ability]}.")


_CANNOT: Mapping[Ability, str] = {
    "passkeys": "links no account by its passkey",
    "app_state": "reads and changes no settings of chats and stars of messages, and does not change the account's name",
}
