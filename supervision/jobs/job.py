"""The common part of all jobs: their inputs and their reports."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from actors.redis.client import connect
from actors.runtime.connection_ids import name_of
from actors.state.connections import Connections
from actors.state.documents import MESSAGES, Where
from actors.state.open_store import open_documents

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from actors.config.settings import Settings
    from actors.state.connections import Connection
    from actors.state.documents import Documents


class CannotDo(Exception):  # noqa: N818 - reads as what it is
    """The reason, in a sentence for a person, and a stable `code`."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass
class Job:
    """One run: the instance's settings, whether it is a trial, and what it opened.

    `tell` writes a JSON object a line, which Ray keeps as the job's log: counts and ids, never what a
    message says, a number or a key (G10).
    """

    name: str
    settings: Settings
    dry_run: bool = False
    _opened: list[Any] = field(default_factory=list)

    def tell(self, **facts: object) -> None:
        """Report the job's progress."""
        sys.stdout.write(json.dumps({"job": self.name, **facts}) + "\n")
        sys.stdout.flush()

    def redis(self) -> Redis:
        """The instance's Redis, closed when the job ends."""
        client = connect(self.settings)
        self._opened.append(client.aclose)
        return client

    def documents(self) -> Documents:
        """The instance's state store, closed when the job ends."""
        store = open_documents(self.settings)
        self._opened.append(store.close)
        return store

    async def close(self) -> None:
        while self._opened:
            await self._opened.pop()()


def only(chosen: str | None, there: list[str]) -> list[str]:
    """The ids that a name, or an id, means; raises `CannotDo` where there is none."""
    if chosen is None:
        return there
    found = [each for each in there if chosen in (each, name_of(each))]
    if not found:
        raise CannotDo("unknown_connection", f"There is no connection {chosen!r}.")
    return found


async def find_connection(documents: Documents, named: str) -> tuple[str, Connection | None]:
    """The id of the connection of that name or id, and its registration unless it is deleted.

    A deleted connection is found by its incarnation while it has messages. Raises `CannotDo`.
    """
    found = await Connections(documents).get(named)
    if found is not None:
        return found.id, found
    where = [Where("connection", "==", named)]
    if named == name_of(named) or not (await documents.query(MESSAGES, where=where, limit=1)).items:
        raise CannotDo("unknown_connection", f"There is no connection {named!r}.")
    return named, None
