"""Defines the first SQL schema of the session file; `schema_changes` defines the later versions.

Times are seconds since the epoch, by the session's clock.
"""

from __future__ import annotations

APPLICATION_ID = 0x7E1_0050
"""Marks the file as a session, so that no other database is taken for one."""

SCHEMA = """
-- One row. `epoch` is the owner's fencing token, `next_prekey_id` only ever rises.
CREATE TABLE file (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL,
    next_prekey_id INTEGER NOT NULL
) STRICT;

CREATE TABLE credentials (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    data TEXT NOT NULL
) STRICT;

-- A one-time prekey is deleted in the transaction that consumes it.
CREATE TABLE prekeys (
    id INTEGER PRIMARY KEY,
    private BLOB NOT NULL,
    public BLOB NOT NULL,
    published INTEGER NOT NULL
) STRICT;

CREATE TABLE signed_prekeys (
    id INTEGER PRIMARY KEY,
    private BLOB NOT NULL,
    public BLOB NOT NULL,
    signature BLOB NOT NULL,
    created REAL NOT NULL
) STRICT;

CREATE TABLE identities (
    address TEXT PRIMARY KEY,
    identity BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Signal sessions: at most one current one per address, `rank` orders the archived ones.
CREATE TABLE ratchets (
    id INTEGER PRIMARY KEY,
    address TEXT NOT NULL,
    current INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    base_key BLOB NOT NULL,
    identity BLOB NOT NULL,
    state TEXT NOT NULL,
    UNIQUE (address, base_key, identity)
) STRICT;
CREATE UNIQUE INDEX ratchets_current ON ratchets (address) WHERE current = 1;

-- What arrived and is not stored elsewhere yet. AUTOINCREMENT: a key never names a second item.
CREATE TABLE inbox (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    chat TEXT NOT NULL,
    sender TEXT NOT NULL,
    message_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    type TEXT NOT NULL,
    text TEXT,
    from_me INTEGER NOT NULL,
    push_name TEXT,
    source TEXT NOT NULL,
    body BLOB
) STRICT;
-- A rowid table's index ends with its key: each kind is read in order without the others.
CREATE INDEX inbox_kind ON inbox (kind);

-- Each message that was ever committed to the inbox, outliving its row there by 30 days.
CREATE TABLE tombstones (
    chat TEXT NOT NULL,
    sender TEXT NOT NULL,
    message_id TEXT NOT NULL,
    readable INTEGER NOT NULL,
    inbox INTEGER,
    at REAL NOT NULL,
    PRIMARY KEY (chat, sender, message_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX tombstones_at ON tombstones (at);
CREATE INDEX tombstones_inbox ON tombstones (inbox) WHERE inbox IS NOT NULL;

-- Plaintext of what was sent, for retry receipts.
CREATE TABLE sent (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    chat TEXT NOT NULL,
    message_id TEXT NOT NULL,
    plaintext BLOB NOT NULL,
    at REAL NOT NULL,
    UNIQUE (chat, message_id)
) STRICT;
CREATE INDEX sent_at ON sent (at);

CREATE TABLE retries (
    direction TEXT NOT NULL,
    chat TEXT NOT NULL,
    peer TEXT NOT NULL,
    message_id TEXT NOT NULL,
    count INTEGER NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (direction, chat, peer, message_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX retries_at ON retries (at);

CREATE TABLE devices (
    user TEXT PRIMARY KEY,
    devices TEXT NOT NULL,
    fetched_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE lids (
    lid TEXT PRIMARY KEY,
    pn TEXT NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;
"""
