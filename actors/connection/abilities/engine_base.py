"""Defines the base class of WhatsApp engines: rejects passkeys, app-state syncs and chat changes unless overridden."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.engine import UNSUPPORTED, SendError

if TYPE_CHECKING:
    from pathlib import Path

    from actors.messages.content import SettingChange


class EngineBase:
    """Refuses each ability with `unsupported_by_engine`; an engine overrides the methods of those that it has."""

    @property
    def linked_at(self) -> float | None:
        """Nothing is known of the account's age."""
        return None

    def extend(self, seconds: float) -> None:
        """Nothing outlives this process."""

    async def copy_keys(self, target: Path) -> str | None:  # noqa: ARG002 - the port's
        """Nothing is beside the session file."""
        return None

    async def passkey_assertion(self, assertion: str) -> None:  # noqa: ARG002 - the port's
        raise SendError(UNSUPPORTED, permanent=True)

    async def confirm_passkey(self) -> None:
        raise SendError(UNSUPPORTED, permanent=True)

    async def sync_app_state(self) -> None:
        raise SendError(UNSUPPORTED, permanent=True)

    async def change_chat(self, chat: str, change: SettingChange, at: float) -> None:  # noqa: ARG002
        raise SendError(UNSUPPORTED, permanent=True)
