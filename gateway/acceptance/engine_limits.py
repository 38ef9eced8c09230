"""Promises of a connection's engine, and refusals of what it cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from actors.config import default_engine
from actors.connection.engine import (
    ABILITIES,
    COPIED,
    ENGINES,
    UNPROVEN,
    UNSUPPORTED,
    installed,
)
from actors.messages.content import MEDIA_KINDS
from gateway.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.config.settings import Settings
    from actors.connection.account.port import Ability


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
            f"The engine {chosen} is an optional extra: `make {chosen}` installs it.",
        )
    kept = settings.session_storage_type
    if kept != "local" and chosen not in COPIED:
        raise Problem(
            "engine_keeps_no_copies",
            f"SESSION_STORAGE_TYPE is {kept}: it needs copies, and {chosen} keeps none.",
        )
    if settings.whatsapp_proxy is not None:
        require(chosen, "proxies")
    return chosen


def _unproven(asked: str | None, chosen: str, settings: Settings) -> Problem:
    chooser = ""
    if asked is None:
        chooser = (
            ", which ENGINE names,"
            if settings.engine
            else ", taken since whatsmeow is not installed (`make whatsmeow`),"
        )
    proven = " or ".join(name for name in ENGINES if name not in UNPROVEN)
    return Problem(
        "unproven_engine",
        f"The engine {chosen}{chooser} has met the simulator alone, never WhatsApp itself: a mistake"
        f" in it may cost the account. Use the engine {proven}, or set allow_unproven_engine to link"
        " the account all the same.",
    )


def require_able(engine: str, kind: str, to: str) -> None:
    """Raise `Problem` where the engine cannot send this kind of message, or not to this chat."""
    if kind in MEDIA_KINDS:
        require(engine, "files")
    if to.endswith("@g.us"):
        require(engine, "groups")


def require(engine: str, ability: Ability) -> None:
    """Raise `Problem` where the engine has not the ability, without asking who serves."""
    if ability not in ABILITIES.get(engine, ()):
        raise Problem(UNSUPPORTED, f"The engine {engine} {_CANNOT[ability]}.")


_CANNOT: Mapping[Ability, str] = {
    "files": "sends no files",
    "groups": "writes to no groups",
    "passkeys": "links no account by its passkey",
    "resends": "asks the phone for no message",
    "app_state": "neither reads nor changes settings of chats",
    "calls": "hears of no calls",
    "proxies": "uses no proxies",
}
