"""All connections are traced while everything is struck: nothing of what is said comes out (G10)."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

import pytest

from tests import traced
from tests.chaos.harness import report
from tests.chaos.harness.faults import SHARED, SINGLE
from tests.chaos.harness.killer import schedule
from tests.chaos.harness.scene import SETTINGS, pair_all, parties
from tests.chaos.harness.storm import storm
from tests.processes.instance import Instance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.chaos.harness.traffic import Party

MINUTES = float(os.environ.get("MINUTES") or 10)
SEED = int(os.environ.get("SEED") or 1)
CONNECTIONS = int(os.environ.get("TRACED") or 6)
NAME = "Zqname"
SHORTEST = 8
"""Characters, or bytes, that a number, an id, a key or a token has at least."""


@pytest.mark.long
@pytest.mark.timeout(60 * MINUTES + 900)
def test_a_storm_leaves_nothing_of_what_was_said_in_a_trace(tmp_path: Path) -> None:
    """Nor a name, a number, an id, a key or a token; and the recorder costs no message.

    Each text is a token that names the contact's number; the names of all contacts have a mark, and
    keys, ids and tokens are read off the session files afterwards.
    """
    whom = parties(CONNECTIONS, 3)
    plans = [
        schedule(SEED + number, faults, whom) for number, faults in enumerate((SHARED, SINGLE))
    ]
    with Instance(tmp_path, {**SETTINGS, "WHATSAPP_TRACE": "on"}) as instance:
        for contact in _contacts(whom):
            named = {"name": f"{NAME} {contact}"}
            instance.simulator.post(f"/contacts/{contact}", json=named).raise_for_status()
        pair_all(instance, whom, 180)
        started = {
            party.connection: instance.api.get(f"/api/connections/{party.connection}/trace").json()
            for party in whom
        }
        outcome = storm(instance, whom, plans, pause=1.0, seconds=60 * MINUTES)
        told = instance.teimoso("connections", "trace", whom[0].connection)
        assert told.stdout.startswith("Recording: logs/trace/"), told.stdout + told.stderr
    print(f"\n{report.text(outcome)}")
    assert not outcome.violations, f"{len(outcome.violations)} violations; they are above"

    secrets: set[str | bytes] = {NAME, *_contacts(whom), *(party.account for party in whom)}
    secrets |= {fate.token for fate in outcome.fates}
    sessions = list((tmp_path / "sessions").glob("*/session.db"))
    assert len(sessions) == len(whom)
    for session in sessions:
        secrets |= set(_values(session))
    keys = sum(isinstance(secret, bytes) for secret in secrets)
    print(f"{len(outcome.fates)} texts, {keys} keys and {len(secrets)} secrets in all")
    assert keys > 1000
    for told_at_first in started.values():
        assert told_at_first["tracing"]
        trace = tmp_path / told_at_first["file"]
        assert trace.stat().st_mode & 0o777 == 0o600
        seen = traced.stanzas(trace, "in", "message")
        assert seen
        assert traced.stanzas(trace, "out", "message")
        assert traced.leaks(trace, secrets) == []


def _contacts(whom: list[Party]) -> set[str]:
    crowds = {party.crowd for party in whom if party.crowd}
    return crowds | {contact for party in whom for contact in party.contacts}


def _values(session: Path) -> Iterator[str | bytes]:
    """Keys, ids, addresses and tokens: each value of each table that is no word of the protocol."""
    with sqlite3.connect(f"file:{session}?mode=ro", uri=True) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for row in database.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    if isinstance(value, bytes) and len(value) >= SHORTEST:
                        yield value
                    elif isinstance(value, str):
                        user = value.partition("@")[0].partition(":")[0]
                        found = (each for each in {value, user} if len(each) >= SHORTEST)
                        # A text without a digit is a word, such as a state.
                        yield from (each for each in found if any(map(str.isdigit, each)))
    database.close()
