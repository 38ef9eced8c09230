"""All connections are traced while everything is struck: nothing of what is said comes out (G10)."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import traced
from tests.chaos.harness import report
from tests.chaos.harness.faults import SHARED, SINGLE
from tests.chaos.harness.killer import schedule
from tests.chaos.harness.scene import SETTINGS, pair_all, parties
from tests.chaos.harness.storm import storm
from tests.processes.instance import Instance

if TYPE_CHECKING:
    from tests.chaos.harness.traffic import Party

MINUTES = float(os.environ.get("MINUTES") or 10)
SEED = int(os.environ.get("SEED") or 1)
CONNECTIONS = int(os.environ.get("TRACED") or 6)
NAME = "Zqname"
KEYS = 800
"""Keys that a connection has at least: so many prekeys are made at its pairing."""
SESSIONS = {"native": ("session.db",), "whatsmeow": ("session.db", "whatsmeow.db")}
"""The files of a connection's directory in `sessions` that have keys and tokens, by its engine."""


@pytest.mark.long
@pytest.mark.timeout(60 * MINUTES + 900)
def test_a_storm_leaves_nothing_of_what_was_said_in_a_trace(tmp_path: Path) -> None:
    """Nor a name, a number, an id, a key or a token; and the recorder costs no message.

    Each text is a word that names the contact's number; the names of all contacts and accounts have a mark.
    Keys, ids and tokens are read off the session files before and after, since the storm uses some up, and
    privacy tokens off the simulator's.
    """
    whom = parties(CONNECTIONS, 3)
    plans = [
        schedule(SEED + number, faults, whom) for number, faults in enumerate((SHARED, SINGLE))
    ]
    with Instance(tmp_path, {**SETTINGS, "WHATSAPP_TRACE": "on"}) as instance:
        for number in _contacts(whom) | _accounts(whom):
            named = {"name": f"{NAME} {number}"}
            instance.simulator.post(f"/contacts/{number}", json=named).raise_for_status()
        pair_all(instance, whom, 180)
        for party in whom:
            issued = {"account": party.account}
            instance.simulator.post(
                f"/contacts/{party.crowd}/token", json=issued
            ).raise_for_status()
        started = {
            party.connection: instance.api.get(f"/api/connections/{party.connection}/trace").json()
            for party in whom
        }
        before = {
            party.connection: _secrets(tmp_path, party, started[party.connection]) for party in whom
        }
        outcome = storm(instance, whom, plans, pause=1.0, seconds=60 * MINUTES)
        told = instance.teimoso("connections", "trace", whom[0].connection)
        assert told.stdout.startswith("Recording: logs/trace/"), told.stdout + told.stderr
    print(f"\n{report.text(outcome)}")
    assert not outcome.violations, f"{len(outcome.violations)} violations; they are above"

    secrets: set[str | bytes] = {NAME, *_contacts(whom), *_accounts(whom)}
    secrets |= {fate.token for fate in outcome.fates}
    tokens = _privacy_tokens(tmp_path)
    assert len(tokens) >= len(whom)
    secrets |= tokens
    for party in whom:
        told_at_first = started[party.connection]
        assert told_at_first["tracing"]
        own = before[party.connection] | _secrets(tmp_path, party, told_at_first)
        assert sum(isinstance(secret, bytes) for secret in own) > KEYS, party
        # The native engine keeps no privacy token.
        assert party.engine == "native" or not own.isdisjoint(tokens), party
        secrets |= own
    keys = sum(isinstance(secret, bytes) for secret in secrets)
    print(f"{len(outcome.fates)} texts, {keys} keys and tokens, {len(secrets)} secrets in all")
    for party in whom:
        trace = tmp_path / started[party.connection]["file"]
        assert trace.stat().st_mode & 0o777 == 0o600
        seen = traced.stanzas(trace, "in", "message")
        assert seen
        assert traced.stanzas(trace, "out", "message")
        assert traced.leaks(trace, secrets) == []


def _contacts(whom: list[Party]) -> set[str]:
    crowds = {party.crowd for party in whom if party.crowd}
    return crowds | {contact for party in whom for contact in party.contacts}


def _accounts(whom: list[Party]) -> set[str]:
    return {party.account for party in whom}


def _secrets(data: Path, party: Party, traced_in: dict[str, Any]) -> set[str | bytes]:
    """Keys, ids and tokens that the connection's session files hold now."""
    sessions = data / "sessions" / Path(traced_in["file"]).stem
    return {value for file in SESSIONS[party.engine] for value in traced.values(sessions / file)}


def _privacy_tokens(data: Path) -> set[bytes]:
    """The privacy tokens that contacts issued to accounts, and accounts to contacts."""
    with closing(sqlite3.connect(data / "simulator" / "simulator.db")) as database:
        rows = database.execute("SELECT value FROM properties WHERE name = 'privacy_token'")
        return {bytes.fromhex(word.split()[0]) for (word,) in rows}
