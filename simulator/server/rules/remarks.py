"""Counts in SQLite each account's breaches of WhatsApp's rules that the server accepts; the control API shows the counts.

WhatsApp refuses no stanza for them; the owner of a phone would notice the breach, or the account loses
trust. The control API shows them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from simulator.store import Store

REMARKS: Final = (
    "read_receipts",
    "expiration",
    "lc",
    "lid_db_migrated",
    "history_sync_config",
    "user_agent",
    "library_name",
)
_PREFIX: Final = "remark:"


class Remarks:
    """Counts the remarks on each account, by rule; they survive a restart."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, number: str, rule: str) -> None:
        """Counts one more breach of one of `REMARKS`. Runs inside its caller's transaction."""
        assert rule in REMARKS, rule
        self._store.count(number, f"{_PREFIX}{rule}")

    def of(self, number: str) -> dict[str, int]:
        """Returns the number of breaches of each rule by the account."""
        return self._store.counted_by(number, _PREFIX)
