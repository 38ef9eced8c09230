"""Defines the SQL schema of the simulator's SQLite database."""

from __future__ import annotations

from typing import Final

VERSION: Final = 4

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
-- how often something happened to a number, by name
CREATE TABLE IF NOT EXISTS counts (
    number TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (number, name)
) WITHOUT ROWID;
-- addressing: '' follows the message that is answered; prekeys: how many more bundles of the
-- person's devices carry a one-time prekey, -1 without an end; listed_at: since when the device
-- list is as it is
CREATE TABLE IF NOT EXISTS people (
    number TEXT PRIMARY KEY, lid TEXT NOT NULL UNIQUE, raw_id INTEGER NOT NULL,
    name TEXT NOT NULL, registered INTEGER NOT NULL DEFAULT 1,
    receipts TEXT NOT NULL DEFAULT 'read', delivered_after REAL NOT NULL DEFAULT 0.02,
    read_after REAL NOT NULL DEFAULT 0.15, next_device INTEGER NOT NULL DEFAULT 1,
    addressing TEXT NOT NULL DEFAULT '', prekeys INTEGER NOT NULL DEFAULT -1,
    listed_at INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
-- words by name that differ between numbers; number: '' for what holds for all others
CREATE TABLE IF NOT EXISTS properties (
    number TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (number, name)
) WITHOUT ROWID;
-- devices that the simulator plays itself, with their private keys; adv is empty for a phone
CREATE TABLE IF NOT EXISTS endpoints (
    number TEXT NOT NULL, device INTEGER NOT NULL, identity BLOB NOT NULL,
    registration INTEGER NOT NULL, skey_id INTEGER NOT NULL, skey BLOB NOT NULL,
    skey_signature BLOB NOT NULL, next_prekey INTEGER NOT NULL DEFAULT 1,
    adv BLOB NOT NULL DEFAULT x'', key_index INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (number, device)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS endpoint_prekeys (
    number TEXT NOT NULL, device INTEGER NOT NULL, id INTEGER NOT NULL, private BLOB NOT NULL,
    PRIMARY KEY (number, device, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sessions (
    number TEXT NOT NULL, device INTEGER NOT NULL, peer TEXT NOT NULL,
    peer_device INTEGER NOT NULL, record TEXT NOT NULL,
    PRIMARY KEY (number, device, peer, peer_device)
) WITHOUT ROWID;
-- devices that clients linked by QR, with what they published; shown_name: that of their presence
CREATE TABLE IF NOT EXISTS companions (
    number TEXT NOT NULL, device INTEGER NOT NULL, noise BLOB NOT NULL, identity BLOB NOT NULL,
    registration INTEGER NOT NULL, skey_id INTEGER NOT NULL, skey BLOB NOT NULL,
    skey_signature BLOB NOT NULL, adv BLOB NOT NULL, key_index INTEGER NOT NULL,
    paired_at REAL NOT NULL, logins INTEGER NOT NULL DEFAULT 0,
    uploaded INTEGER NOT NULL DEFAULT 0, version TEXT NOT NULL DEFAULT '',
    shown_name TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (number, device)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS prekeys (
    number TEXT NOT NULL, device INTEGER NOT NULL, id INTEGER NOT NULL, public BLOB NOT NULL,
    PRIMARY KEY (number, device, id)
) WITHOUT ROWID;
-- peer: whose receipt or notification it is, so that two devices' receipts of one message are two;
-- type: of a message, which request for it anew this answers; asked: whether it was asked for anew
CREATE TABLE IF NOT EXISTS queue (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, number TEXT NOT NULL, device INTEGER NOT NULL,
    class TEXT NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL, peer TEXT NOT NULL,
    stanza BLOB NOT NULL, asked INTEGER NOT NULL DEFAULT 0, UNIQUE (number, device, class, id, type, peer)
);
-- stanzas that a device did not answer in time: at when, after how many seconds, how often; seq is
-- the place in the queue, wrong holds a line for each answer that was none
CREATE TABLE IF NOT EXISTS unanswered (
    number TEXT NOT NULL, device INTEGER NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL,
    id TEXT NOT NULL, at REAL NOT NULL, seconds REAL NOT NULL, wrong TEXT NOT NULL,
    times INTEGER NOT NULL DEFAULT 1, PRIMARY KEY (number, device, seq)
) WITHOUT ROWID;
-- name: the sender's, as it came with the message
CREATE TABLE IF NOT EXISTS inbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, number TEXT NOT NULL, sender TEXT NOT NULL,
    id TEXT NOT NULL, chat TEXT NOT NULL, kind TEXT NOT NULL, text TEXT, at REAL NOT NULL,
    content BLOB NOT NULL DEFAULT x'', fields TEXT NOT NULL DEFAULT '{}',
    name TEXT NOT NULL DEFAULT '', UNIQUE (number, sender, id)
);
CREATE INDEX IF NOT EXISTS inbox_order ON inbox (number, seq);
CREATE INDEX IF NOT EXISTS inbox_id ON inbox (id);
-- which of the person's devices got it, how often, and the last ciphertext's hash
CREATE TABLE IF NOT EXISTS decrypted (
    number TEXT NOT NULL, sender TEXT NOT NULL, id TEXT NOT NULL, device INTEGER NOT NULL,
    deliveries INTEGER NOT NULL DEFAULT 1, ciphertext BLOB NOT NULL,
    PRIMARY KEY (number, sender, id, device)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS undecrypted (
    number TEXT NOT NULL, sender TEXT NOT NULL, device INTEGER NOT NULL, id TEXT NOT NULL,
    own_device INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (number, sender, device, id, own_device)
) WITHOUT ROWID;
-- recipient: '' for what a phone tells its companions; delivered, read: since when the speaker sees
-- it, 0 while they do not; received: since when a device of the recipient has it, seen or not
CREATE TABLE IF NOT EXISTS said (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, number TEXT NOT NULL, device INTEGER NOT NULL,
    recipient TEXT NOT NULL, id TEXT NOT NULL, text TEXT NOT NULL, addressing TEXT NOT NULL,
    at REAL NOT NULL, delivered REAL NOT NULL DEFAULT 0, read REAL NOT NULL DEFAULT 0,
    retries INTEGER NOT NULL DEFAULT 0, content BLOB NOT NULL DEFAULT x'',
    received REAL NOT NULL DEFAULT 0, UNIQUE (number, id)
);
CREATE INDEX IF NOT EXISTS said_order ON said (number, seq);
CREATE INDEX IF NOT EXISTS said_id ON said (id);
-- messages that an account read, by the chat that they are in; type: that of the receipt
CREATE TABLE IF NOT EXISTS read_messages (
    number TEXT NOT NULL, chat TEXT NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL,
    PRIMARY KEY (number, chat, id)
) WITHOUT ROWID;
-- server: how members are addressed; rank: '', admin or superadmin
CREATE TABLE IF NOT EXISTS groups (
    id TEXT PRIMARY KEY, subject TEXT NOT NULL, creator TEXT NOT NULL,
    created_at INTEGER NOT NULL, server TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS group_members (
    group_id TEXT NOT NULL, number TEXT NOT NULL, rank TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (group_id, number)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS groups_of ON group_members (number);
-- subject and description (name) of a group after a change; author: by number; at: seconds
CREATE TABLE IF NOT EXISTS group_texts (
    group_id TEXT NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL, id TEXT NOT NULL,
    author TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (group_id, name)
) WITHOUT ROWID;
-- codes by which one joins; number: the only person who may, '' for a link; author: who issued it;
-- expires: seconds, 0 for never; revoked: whether a newer one replaced it
CREATE TABLE IF NOT EXISTS group_invites (
    code TEXT PRIMARY KEY, group_id TEXT NOT NULL, number TEXT NOT NULL, author TEXT NOT NULL,
    expires INTEGER NOT NULL, revoked INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS group_invites_of ON group_invites (group_id, number);
-- people who wait for an administrator to let them in
CREATE TABLE IF NOT EXISTS group_requests (
    group_id TEXT NOT NULL, number TEXT NOT NULL, method TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (group_id, number)
) WITHOUT ROWID;
-- former members; how: left or removed
CREATE TABLE IF NOT EXISTS group_departures (
    group_id TEXT NOT NULL, number TEXT NOT NULL, how TEXT NOT NULL, PRIMARY KEY (group_id, number)
) WITHOUT ROWID;
-- whom each person blocked
CREATE TABLE IF NOT EXISTS blocked (
    number TEXT NOT NULL, contact TEXT NOT NULL, PRIMARY KEY (number, contact)
) WITHOUT ROWID;
-- owner: a number, or the address of a group; name: the file's, without its size
CREATE TABLE IF NOT EXISTS pictures (
    owner TEXT PRIMARY KEY, id TEXT NOT NULL, name TEXT NOT NULL UNIQUE, author TEXT NOT NULL,
    image BLOB NOT NULL, preview BLOB NOT NULL
) WITHOUT ROWID;
-- what a played device reads a peer's group messages with; its own when the peer is itself
CREATE TABLE IF NOT EXISTS sender_keys (
    group_id TEXT NOT NULL, number TEXT NOT NULL, device INTEGER NOT NULL, peer TEXT NOT NULL,
    peer_device INTEGER NOT NULL, states TEXT NOT NULL,
    PRIMARY KEY (group_id, number, device, peer, peer_device)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sender_keys_shared (
    group_id TEXT NOT NULL, number TEXT NOT NULL, device INTEGER NOT NULL, peer TEXT NOT NULL,
    peer_device INTEGER NOT NULL, PRIMARY KEY (group_id, number, device, peer, peer_device)
) WITHOUT ROWID;
-- what a phone tells the devices that will be linked to its account
CREATE TABLE IF NOT EXISTS histories (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, number TEXT NOT NULL, type INTEGER NOT NULL,
    chunk_order INTEGER NOT NULL, progress INTEGER NOT NULL, inline INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS histories_of ON histories (number);
-- keys by which an account's phone and companions seal settings; the newest is used
CREATE TABLE IF NOT EXISTS app_state_keys (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, number TEXT NOT NULL, id BLOB NOT NULL,
    key BLOB NOT NULL, at INTEGER NOT NULL, UNIQUE (number, id)
);
-- all changes of a collection of settings, and the LTHash after each
CREATE TABLE IF NOT EXISTS app_state_patches (
    number TEXT NOT NULL, collection TEXT NOT NULL, version INTEGER NOT NULL,
    patch BLOB NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (number, collection, version)
) WITHOUT ROWID;
-- newest snapshot of a collection, for clients that have nothing yet
CREATE TABLE IF NOT EXISTS app_state_snapshots (
    number TEXT NOT NULL, collection TEXT NOT NULL, snapshot BLOB NOT NULL,
    PRIMARY KEY (number, collection)
) WITHOUT ROWID;
-- settings as they are: sealed for the server, and opened (name, action) for the phone
CREATE TABLE IF NOT EXISTS app_state_records (
    number TEXT NOT NULL, collection TEXT NOT NULL, index_mac BLOB NOT NULL,
    version INTEGER NOT NULL, sealed BLOB NOT NULL, name TEXT NOT NULL, action BLOB NOT NULL,
    PRIMARY KEY (number, collection, index_mac)
) WITHOUT ROWID;
-- addresses on the media servers; token: which file, status: what a download is answered by
CREATE TABLE IF NOT EXISTS media (
    name TEXT PRIMARY KEY, token TEXT NOT NULL, kind TEXT NOT NULL, size INTEGER NOT NULL,
    status INTEGER NOT NULL DEFAULT 200
) WITHOUT ROWID;
-- how often each device asked for a message again
CREATE TABLE IF NOT EXISTS asked (
    number TEXT NOT NULL, id TEXT NOT NULL, peer TEXT NOT NULL, peer_device INTEGER NOT NULL,
    count INTEGER NOT NULL, PRIMARY KEY (number, id, peer, peer_device)
) WITHOUT ROWID;
"""
