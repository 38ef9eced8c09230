"""Chooses a new connection's WhatsApp engine where the request names none: ENGINE, else whatsmeow for real accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.engine import installed

if TYPE_CHECKING:
    from actors.config.settings import Settings


def of(settings: Settings) -> str:
    """Return the engine that ``ENGINE`` names, else the one that fits the server.

    Real accounts get the engine on whatsmeow where its program is installed here, all others the native
    one. A connection keeps the engine that it was created with.
    """
    if settings.engine is not None:
        return settings.engine
    return "whatsmeow" if settings.links_real_accounts and installed("whatsmeow") else "native"
