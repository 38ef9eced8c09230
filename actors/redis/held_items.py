"""Numbers of the items that a session holds back, as its owner reports them in the lease record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class HeldItems:
    """Items that are on disk in the session and go no further for now.

    `refused_documents` are refused by the state store until a person decides; with `refused_full` no more
    have room, and storing pauses. `deferred_files` arrived and wait, `over_budget_files` of them for the
    next day (UTC) and the others for room on the disk.
    """

    refused_documents: int = 0
    deferred_files: int = 0
    over_budget_files: int = 0
    refused_full: bool = False

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> Self:
        """Return the numbers in a lease record; 0 where an older release wrote it."""
        return cls(
            int(fields.get("refused_documents") or 0),
            int(fields.get("deferred_files") or 0),
            int(fields.get("over_budget_files") or 0),
            fields.get("refused_full") == "1",
        )

    @property
    def arguments(self) -> tuple[int, int, int, str]:
        """The arguments of a report to the lease record (`lease.lua`)."""
        return (
            self.refused_documents,
            self.deferred_files,
            self.over_budget_files,
            "1" if self.refused_full else "",
        )


NONE_HELD = HeldItems()
