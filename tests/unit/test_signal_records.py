"""The keys in the whatsmeow program's records: in golden ones, whose number is known, and none in another form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import signal_records

BRIDGE = Path(__file__).parents[2] / "actors" / "connection" / "whatsmeow" / "bridge"
GOLDEN = {
    name: bytes.fromhex(record)
    for name, record in json.loads(
        (BRIDGE / "records" / "testdata" / "golden.json").read_text()
    ).items()
}
"""Records that the program's own tests encode anew and compare. Each key has a number of its own, which rises."""

OF_A_CHAIN = 2 + 1 + 2 * 3
"""Ratchet key pair, chain key, and two message keys of a cipher key, a MAC key and an IV each."""
OF_A_SESSION = 4 + 6 + 1 + 3 * OF_A_CHAIN
"""Identities, root and base key; pending key exchange and prekey; two receiving chains and a sending one."""
OF_A_SENDER_KEY = 2 * 3 + 1 + 2
"""Two message keys, a chain key, and the pair that signs."""

SESSIONS, SENDER_KEYS = GOLDEN["sessions"], GOLDEN["sender keys"]


@pytest.mark.parametrize(
    ("record", "fields", "count"),
    [
        (SESSIONS, signal_records.SESSIONS, 3 * OF_A_SESSION),
        (SENDER_KEYS, signal_records.SENDER_KEYS, 2 * OF_A_SENDER_KEY),
    ],
    ids=["sessions", "sender keys"],
)
def test_each_key_of_a_record_is_found(
    record: bytes, fields: signal_records.Fields, count: int
) -> None:
    found = signal_records.keys(record, fields)
    assert len(found) == count
    assert {len(key) for key in found} == {16}
    assert len(set(found)) == count


def test_a_record_may_lack_fields() -> None:
    gaps = signal_records.keys(GOLDEN["sessions with gaps"], signal_records.SESSIONS)
    assert set(gaps) == {b""}
    assert signal_records.keys(GOLDEN["no sender keys"], signal_records.SENDER_KEYS) == []


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        (b"", signal_records.SESSIONS),
        (b"\2" + SESSIONS[1:], signal_records.SESSIONS),
        (b'{"SessionState":null}', signal_records.SESSIONS),
        (SESSIONS[:-1], signal_records.SESSIONS),
        (SESSIONS + b"\0", signal_records.SESSIONS),
        (SESSIONS, signal_records.SENDER_KEYS),
        (SENDER_KEYS, signal_records.SESSIONS),
    ],
    ids=["none", "another version", "JSON", "less", "more", "no sender key", "no session"],
)
def test_a_record_of_another_form_is_refused(record: bytes, fields: signal_records.Fields) -> None:
    with pytest.raises(AssertionError, match="record"):
        signal_records.keys(record, fields)
