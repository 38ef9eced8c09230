"""All connections are traced while everything is struck: nothing of what is said comes out (G10)."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tests import traced
from tests.chaos.harness import report
from tests.chaos.harness.faults.faults import SHARED, SINGLE
from tests.chaos.harness.killer import schedule
from tests.chaos.harness.marked_traffic import MARK, MarkedTraffic, secrets_of
from tests.chaos.harness.scene import SETTINGS, pair_all, parties
from tests.chaos.harness.storm import storm
from tests.processes.instance import Instance
from tests.processes.proxy import Proxy
from tests.waits import until

if TYPE_CHECKING:
    from tests.chaos.harness.traffic import Party

MINUTES = float(os.environ.get("MINUTES") or 10)
SEED = int(os.environ.get("SEED") or 1)
CONNECTIONS = int(os.environ.get("TRACED") or 6)
NAME = "Zqname"
KEYS = 800
"""Keys that a connection has at least: so many prekeys are made at its pairing."""
FILES, KEYS_OF_A_FILE = 5, 4
"""Files of a round of marked traffic; a file's key, two hashes and its path."""
CARRIED = {
    ("in", "message", "text", "type", "skmsg"),
    ("out", "message", "text", "type", "skmsg"),
    ("in", "message", "media", "mediatype", "image"),
    ("in", "message", "media", "mediatype", "document"),
    ("in", "message", "media", "type", "skmsg"),
    ("in", "message", "poll"),
    ("out", "message", "poll"),
    ("out", "message", "media"),
    ("in", "notification", "w:gp2"),
    ("out", "receipt", "hist_sync"),
}
"""Stanzas that a trace has of each connection: messages of groups, files and histories among them."""
SESSIONS = ("session.db", "whatsmeow.db")
"""The files of a connection's directory in `sessions` that have keys and tokens."""
PROXIED = 2
"""Connections that have a proxy with a password."""


@pytest.mark.long
@pytest.mark.timeout(60 * MINUTES + 900)
def test_a_storm_leaves_nothing_of_what_was_said_in_a_trace(tmp_path: Path) -> None:
    """Nor a name, a number, an id, a key or a token; and the recorder costs no message.

    Each text is a word that names the contact's number; the names of all contacts and accounts have a mark, and so
    has all that files, polls, groups and histories are called and bring. Keys, ids and tokens are read off the session
    files and the simulator's database before and after, since the storm uses some up.
    """
    whom = parties(CONNECTIONS, 3)
    plans = [
        schedule(SEED + number, faults, whom) for number, faults in enumerate((SHARED, SINGLE))
    ]
    database = tmp_path / "simulator" / "simulator.db"
    with (
        Proxy("http") as proxy,
        Instance(
            tmp_path, {**SETTINGS, "WHATSAPP_TRACE": "on", "CONNECTION_PROXY_PRIVATE": "true"}
        ) as instance,
    ):
        marked = MarkedTraffic(instance, whom)
        people = _contacts(whom) | _accounts(whom) | marked.people
        for number in people:
            named = {"name": f"{NAME} {number}"}
            instance.simulator.post(f"/contacts/{number}", json=named).raise_for_status()
        pair_all(instance, whom, 180)
        for party in whom:
            issued = {"account": party.account}
            instance.simulator.post(
                f"/contacts/{party.crowd}/token", json=issued
            ).raise_for_status()
        for party in whom[:PROXIED]:
            instance.api.patch(
                f"/api/connections/{party.connection}", json={"proxy": proxy.url}
            ).raise_for_status()
        until("the proxy has tunnels", lambda: len(proxy.tunnels) >= PROXIED, 60)
        instance.ready(60)
        started = {
            party.connection: instance.api.get(f"/api/connections/{party.connection}/trace").json()
            for party in whom
        }
        before = {
            party.connection: _secrets(tmp_path, party, started[party.connection]) for party in whom
        }
        simulated = set(traced.values(database)) | _public_keys(database)
        with marked:
            outcome = storm(instance, whom, plans, pause=1.0, seconds=60 * MINUTES)
        told = instance.teimoso("connections", "trace", whom[0].connection)
        assert told.stdout.startswith("Recording: logs/trace/"), told.stdout + told.stderr
    print(f"\n{report.text(outcome)}")
    assert not outcome.violations, f"{len(outcome.violations)} violations; they are above"

    secrets: set[str | bytes] = {NAME, MARK, *people}
    secrets |= {fate.token for fate in outcome.fates}
    secrets |= {proxy.password, f"{proxy.user}:{proxy.password}".encode()}
    secrets |= simulated | set(traced.values(database)) | _public_keys(database)
    tokens = _privacy_tokens(database)
    assert len(tokens) >= len(whom)
    secrets |= tokens
    of_messages = set(secrets_of(database))
    assert len(of_messages) > FILES * KEYS_OF_A_FILE * len(whom)
    secrets |= of_messages
    chains = _chain_keys(database)
    for party in whom:
        told_at_first = started[party.connection]
        assert told_at_first["tracing"]
        own = before[party.connection] | _secrets(tmp_path, party, told_at_first)
        assert sum(isinstance(secret, bytes) for secret in own) > KEYS, party
        assert len(own & chains) >= len(party.contacts), party
        assert not own.isdisjoint(tokens), party
        secrets |= own
    keys = sum(isinstance(secret, bytes) for secret in secrets)
    print(f"{len(outcome.fates)} texts, {keys} keys and tokens, {len(secrets)} secrets in all")
    print(f"{marked.carried} rounds of files, polls and groups, {marked.given_up} given up")
    for party in whom:
        trace = tmp_path / started[party.connection]["file"]
        assert trace.stat().st_mode & 0o777 == 0o600
        assert traced.leaks(trace, secrets) == []
        assert not CARRIED - _kinds(trace), party


def _contacts(whom: list[Party]) -> set[str]:
    crowds = {party.crowd for party in whom if party.crowd}
    return crowds | {contact for party in whom for contact in party.contacts}


def _accounts(whom: list[Party]) -> set[str]:
    return {party.account for party in whom}


def _secrets(data: Path, party: Party, traced_in: dict[str, Any]) -> set[str | bytes]:
    """Keys, ids and tokens that the connection's session files hold now."""
    sessions = data / "sessions" / Path(traced_in["file"]).stem
    return {value for file in SESSIONS for value in traced.values(sessions / file)}


def _chain_keys(simulator: Path) -> set[str | bytes]:
    """The newest chain keys of contacts' sessions: the other side has the same in its own."""
    with closing(sqlite3.connect(simulator)) as database:
        records = [
            json.loads(record) for (record,) in database.execute("SELECT record FROM sessions")
        ]
    return {
        bytes.fromhex(session[name])
        for sessions in records
        for session in sessions
        for name in ("cks", "ckr")
        if session[name] is not None
    }


def _public_keys(simulator: Path) -> set[str | bytes]:
    """The public keys of contacts' devices, which stanzas have and the simulator computes of the private ones."""
    with closing(sqlite3.connect(simulator)) as database:
        rows = database.execute(
            "SELECT identity FROM endpoints UNION SELECT skey FROM endpoints"
            " UNION SELECT private FROM endpoint_prekeys"
        )
        return {
            X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
            for (private,) in rows
        }


def _kinds(trace: Path) -> set[tuple[str, ...]]:
    """Direction, tag and type of the stanzas in a trace; of messages the type and kind of their ciphertexts too."""
    found: set[tuple[str, ...]] = set()
    for line in traced.lines(trace):
        attrs = line.get("attrs", {})
        kind = (line.get("dir", ""), line.get("tag", ""), attrs.get("type", ""))
        found.add(kind)
        for part in line.get("parts", ()):
            of = part.get("attrs", {})
            found |= {(*kind, name, of[name]) for name in ("type", "mediatype") if name in of}
    return found


def _privacy_tokens(simulator: Path) -> set[bytes]:
    """The privacy tokens that contacts issued to accounts, and accounts to contacts."""
    with closing(sqlite3.connect(simulator)) as database:
        rows = database.execute("SELECT value FROM properties WHERE name = 'privacy_token'")
        return {bytes.fromhex(word.split()[0]) for (word,) in rows}
