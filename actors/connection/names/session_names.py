"""Names of chats, as an engine reads them from its session."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.connection.names.port import Renaming
    from actors.connection.session.session import Session


class SessionNames:
    """The reading half of `port.Names`."""

    _session: Session

    def chat_today(self, chat: str) -> str:
        """See the port."""
        return self._session.names.chat_today(chat)

    @property
    def renamed_to(self) -> int:
        """See the port."""
        return self._session.names.renamed_to

    def renamings(self, behind: int, limit: int) -> Sequence[Renaming]:
        """See the port."""
        return self._session.names.renamings(behind, limit)
