"""A received document that the state store never takes, until a person has it stored again (G5, G13)."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

from actors.config.settings import Settings
from tests.chaos.harness.faults.faults import REACH, Fault, Struck
from tests.waits import passes, until

if TYPE_CHECKING:
    from tests.chaos.harness.scene import Scene
    from tests.chaos.harness.traffic import Party
    from tests.processes.firestore import Firestore
    from tests.processes.instance import Instance

MARK = "unstorable"
_NUMBERS = count(1)


class Rule(Protocol):
    """The store refuses each document with `MARK` from `begin` to `end`."""

    def begin(self) -> None: ...

    def end(self) -> None: ...


class FileRule:
    """A rule in the store's own file, SQLite's."""

    def __init__(self, instance: Instance) -> None:
        self._file = Settings.load(instance.data).state_file

    def begin(self) -> None:
        self._run(
            "CREATE TRIGGER IF NOT EXISTS refusal BEFORE INSERT ON documents"
            f" WHEN instr(NEW.data, '{MARK}') BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )

    def end(self) -> None:
        self._run("DROP TRIGGER IF EXISTS refusal")

    def _run(self, statement: str) -> None:
        with closing(sqlite3.connect(self._file, timeout=30)) as database, database:
            database.execute(statement)


class EmulatorRule:
    """A fault of Firestore's emulator, which answers as for a document above 1 MiB."""

    def __init__(self, firestore: Firestore) -> None:
        self._firestore = firestore

    def begin(self) -> None:
        self._firestore.strike("refused", mark=MARK)

    def end(self) -> None:
        assert self._firestore.heal() > 0, "it never struck"


def refused(instance: Instance, connection: str) -> list[dict[str, Any]]:
    """The refused documents of a connection; none while nobody can say."""
    answer = instance.api.get(f"/api/connections/{connection}/refused-documents")
    items: list[dict[str, Any]] = answer.json()["items"] if answer.is_success else []
    return items


def _refuse(scene: Scene, party: Party) -> Struck:
    """One message in the middle of many: it is set aside, all others pass it, and it is stored at last."""
    instance = scene.instance
    rule: Rule = (
        FileRule(instance) if scene.outside is None else EmulatorRule(scene.outside.firestore)
    )
    text = f"{MARK} {next(_NUMBERS)}"
    behind = text.replace(MARK, "storable after")
    assert party.crowd is not None
    rule.begin()
    try:
        scene.burst(party)
        at = time.time()
        instance.say(party.crowd, party.account, text)
        instance.say(party.crowd, party.account, behind)
        scene.burst(party)

        def aside() -> dict[str, Any] | None:
            found = (one for one in refused(instance, party.connection) if one["excerpt"] == text)
            return next(found, None)

        until("it is set aside", aside, 2 * REACH)
        incarnation = scene.incarnation(party.connection)
        until("the alert is raised", lambda: _alerted(instance, incarnation) or None, REACH)
        passed = passes(lambda: _stored(instance, party, behind) == 1, 2 * REACH)
        assert _stored(instance, party, text) == 0, "it is refused all the time"
    finally:
        rule.end()
    over = time.time()
    path = f"/api/connections/{party.connection}/refused-documents"

    def decided() -> bool:
        for one in refused(instance, party.connection):
            instance.api.post(f"{path}/{one['id']}/retry")
        return _stored(instance, party, text) == 1

    broke = None
    if not passed:
        broke = f"{behind} is not stored: the refused one holds it up"
    elif not passes(decided, 2 * REACH):
        broke = f"{text} is stored {_stored(instance, party, text)} times"
    return Struck(at, lambda: not refused(instance, party.connection), over, met=True, broke=broke)


def _alerted(instance: Instance, incarnation: str) -> bool:
    answer = instance.api.get("/api/alerts", params={"active": "true", "limit": "200"})
    items = answer.json()["items"] if answer.is_success else []
    subjects = {one["connection"] for one in items if one["name"] == "document_refused"}
    return not subjects.isdisjoint({incarnation, incarnation.partition("--")[0]})


def _stored(instance: Instance, party: Party, text: str) -> int:
    query = {"connection": party.connection, "chat": str(party.crowd), "limit": "200"}
    answer = instance.api.get("/api/messages", params=query)
    items = answer.json()["items"] if answer.is_success else []
    return sum(item["text"] == text for item in items)


REFUSAL = Fault("refuse a document", 5, _refuse, "nobody", "document_refused")

REFUSAL_ELSEWHERE = replace(REFUSAL, alone=True)
"""A disk that is lost meanwhile has what is set aside, unless a copy of the session is newer."""
