"""Opens Redis and state store for a maintenance job, finds connections, and writes progress reports to stdout."""

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


class JobFailed(Exception):
    """A job cannot run: a sentence for a person, and a stable `code`."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def write_report(job: str, **facts: object) -> None:
    """Writes one line about the job to stdout."""
    sys.stdout.write(json.dumps({"job": job, **facts}) + "\n")
    sys.stdout.flush()


@dataclass
class Job:
    """One run of a job: the settings of the instance, and the stores that it opened.

    `report` writes one JSON object in each line, which is the log of the job in Ray: counts and ids,
    never the text of a message, a phone number or a key (G10).
    """

    name: str
    settings: Settings
    dry_run: bool = False
    _opened: list[Any] = field(default_factory=list)

    def report(self, **facts: object) -> None:
        """Writes one line about the progress."""
        write_report(self.name, **facts)

    def redis(self) -> Redis:
        """Opens the Redis of the instance; closed when the job ends."""
        client = connect(self.settings)
        self._opened.append(client.aclose)
        return client

    def documents(self) -> Documents:
        """Opens the state store of the instance; closed when the job ends."""
        store = open_documents(self.settings)
        self._opened.append(store.close)
        return store

    async def close(self) -> None:
        """Close what `redis` and `documents` opened, the last one first."""
        while self._opened:
            await self._opened.pop()()


def only(chosen: str | None, there: list[str]) -> list[str]:
    """Returns the ids of a name or an id. Raises `JobFailed` where there is none."""
    if chosen is None:
        return there
    found = [each for each in there if chosen in (each, name_of(each))]
    if not found:
        raise JobFailed("unknown_connection", f"There is no connection {chosen!r}.")
    return found


async def find_connection(documents: Documents, named: str) -> tuple[str, Connection | None]:
    """Returns the id of the connection with that name or id, and its registration, None once deleted.

    A deleted connection is found by its id (`incarnation` in the API) while it has messages. Raises
    `JobFailed`.
    """
    found = await Connections(documents).get(named)
    if found is not None:
        return found.id, found
    where = [Where("connection", "==", named)]
    if named == name_of(named) or not (await documents.query(MESSAGES, where=where, limit=1)).items:
        raise JobFailed("unknown_connection", f"There is no connection {named!r}.")
    return named, None
