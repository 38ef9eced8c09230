"""CPU and memory over the last hour, a figure a minute."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from actors.state.documents import HEALTH_STATUS, HOUR, StoreAway

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.state.documents import Documents

MINUTE: Final = 60.0
KEPT: Final = 60
"""Minutes."""

WRITE: Final = 5.0  # seconds after which the store counts as away
RARELY: Final = 300.0
"""Seconds between writes where each is paid for."""

FIELDS: Final = ("cpu", "memory", "own_cpu", "own_memory")

Minute = tuple[float, ...]
"""When it began, and the mean of each of `FIELDS` in it."""


class Hour:
    """The last `KEPT` minutes; pure."""

    def __init__(self, minutes: list[Minute] | None = None) -> None:
        self._minutes = [] if minutes is None else minutes
        self._looks = 1  # in the last minute

    @classmethod
    def of(cls, document: Mapping[str, Any] | None) -> Hour:
        """What a monitor of before has left."""
        if document is None:
            return cls()
        return cls(list(zip(*(document[name] for name in ("minutes", *FIELDS)), strict=True)))

    def look(self, at: float, *figures: float) -> bool:
        """Take the `FIELDS` of one look in; whether a minute began with it."""
        minute = at // MINUTE * MINUTE
        self._minutes = [one for one in self._minutes if minute - KEPT * MINUTE < one[0] <= minute]
        if self._minutes and self._minutes[-1][0] == minute:
            mean = self._minutes[-1][1:]
            self._looks += 1
            self._minutes[-1] = (
                minute,
                *(old + (new - old) / self._looks for old, new in zip(mean, figures, strict=True)),
            )
            return False
        self._looks = 1
        self._minutes.append((minute, *figures))
        return True

    @property
    def document(self) -> dict[str, Any]:
        """``health_status/hour``: a list for each field, since a list may hold no lists."""
        columns = zip(*self._minutes, strict=True) if self._minutes else ((),) * (len(FIELDS) + 1)
        return {
            name: [round(value, 1) for value in column]
            for name, column in zip(("minutes", *FIELDS), columns, strict=True)
        }


class Trend:
    """Writes ``health_status/hour`` once a minute, and goes on from the one that is there.

    While the store is away the minutes are kept, and written once it is back.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._every = RARELY if documents.billed else MINUTE
        self._hour: Hour | None = None
        self._written_at = float("-inf")

    async def look(self, at: float, *figures: float) -> None:
        """Take the `FIELDS` of one look in, at seconds since the epoch. Raises nothing."""
        hour = await self._resumed()
        if hour is None:
            return
        began = hour.look(at, *figures)
        if not began or 0 <= at - self._written_at < self._every:
            return
        try:
            async with asyncio.timeout(WRITE):
                await self._documents.set(HEALTH_STATUS, HOUR, hour.document)
        except (StoreAway, TimeoutError):
            return
        self._written_at = at

    async def _resumed(self) -> Hour | None:
        if self._hour is None:
            try:
                async with asyncio.timeout(WRITE):
                    self._hour = Hour.of(await self._documents.get(HEALTH_STATUS, HOUR))
            except (StoreAway, TimeoutError):
                return None
        return self._hour
