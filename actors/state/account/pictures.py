"""Builds writes of the picture that a person or group was last seen with, for lists of chats and people (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.state.account.app_state import document_id
from actors.state.documents import CHATS, CONTACTS, Write

if TYPE_CHECKING:
    from actors.state.documents import Document


def noting(connection: str, chat: str, sha256: str | None) -> list[Write]:
    """The writes that note a picture, None for none, in the documents of the chat and of the person that there are."""

    def change(there: Document | None) -> Document | None:
        known = there is not None and ("active_at" in there or "sort_name" in there)
        if there is None or not known or there.get("picture") == sha256:
            return None
        return {**there, "picture": sha256}

    identity = document_id(connection, chat)
    return [Write("change", name, identity, change=change) for name in (CHATS, CONTACTS)]
