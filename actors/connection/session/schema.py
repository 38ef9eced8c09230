"""Defines the base SQL schema of the session file; `schema_changes` defines the later versions.

Times are seconds since the epoch, by the session's clock.
"""

from __future__ import annotations

from typing import Final

APPLICATION_ID = 0x7E1_0050
"""Marks the file as a session, so that no other database is taken for one."""

BASE_VERSION: Final = 30
"""The version that `SCHEMA` makes; no release wrote an older one."""

SCHEMA = """
-- One row. `epoch` is the owner's fencing token, `next_prekey_id` only ever rises. `commits` rises with every
-- transaction that changed something: it distinguishes a file from an older copy of it. The account was linked first
-- at `linked_at`. `clock_at` is the newest time that the session's clock reached while the account was new.
CREATE TABLE file (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL,
    next_prekey_id INTEGER NOT NULL,
    commits INTEGER NOT NULL DEFAULT 0,
    linked_at REAL,
    clock_at REAL
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

-- `spent`: another copy of the file may have read first messages for the key since: their sessions are spent from
-- the start.
CREATE TABLE signed_prekeys (
    id INTEGER PRIMARY KEY,
    private BLOB NOT NULL,
    public BLOB NOT NULL,
    signature BLOB NOT NULL,
    created REAL NOT NULL,
    spent INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE identities (
    address TEXT PRIMARY KEY,
    identity BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Signal sessions: at most one current one per address, `rank` orders the archived ones. A `spent` one decrypts, and
-- is never sent on again, since another copy of the file may have sent on it. By `peer_key`, the peer's newest ratchet
-- key, a message finds its session. `kept` is the number of its skipped keys.
CREATE TABLE ratchets (
    id INTEGER PRIMARY KEY,
    address TEXT NOT NULL,
    current INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    base_key BLOB NOT NULL,
    identity BLOB NOT NULL,
    state TEXT NOT NULL,
    spent INTEGER NOT NULL DEFAULT 0,
    peer_key BLOB,
    kept INTEGER NOT NULL DEFAULT 0,
    UNIQUE (address, base_key, identity)
) STRICT;
CREATE UNIQUE INDEX ratchets_current ON ratchets (address) WHERE current = 1;
CREATE INDEX ratchets_kept ON ratchets (address, kept) WHERE kept > 0;

-- Keys of messages that were passed over and may still come: found one by one, and never read by the way.
CREATE TABLE skipped_keys (
    ratchet INTEGER NOT NULL REFERENCES ratchets (id) ON DELETE CASCADE,
    ratchet_key BLOB NOT NULL,
    counter INTEGER NOT NULL,
    seed BLOB NOT NULL,
    PRIMARY KEY (ratchet, ratchet_key, counter)
) STRICT, WITHOUT ROWID;

-- What arrived and is not stored elsewhere yet. AUTOINCREMENT: a key never names a second item. `content` is what the
-- type and text do not say (`actors.messages.content`), `place` the message's place in its chat, null without one.
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
    body BLOB,
    content TEXT,
    received_at REAL,
    place REAL
) STRICT;
-- A rowid table's index ends with its key: each kind is read in order without the others.
CREATE INDEX inbox_kind ON inbox (kind);

-- Rows of the inbox that the state store refuses, each with the kind that it had before.
CREATE TABLE refused (
    inbox INTEGER PRIMARY KEY REFERENCES inbox (key) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    at REAL NOT NULL
) STRICT;

-- The newest place in each chat.
CREATE TABLE chat_order (
    chat TEXT PRIMARY KEY,
    place REAL NOT NULL
) STRICT, WITHOUT ROWID;

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
-- Members whose phone number is not known yet: what is under the LID moves once it is.
CREATE INDEX tombstones_members ON tombstones (sender)
    WHERE sender GLOB '*@lid' AND chat GLOB '*@g.us';

-- Plaintext of what was sent, for retry receipts. `wire` is the kind of addresses, `lid` or `number`, of a direct one.
CREATE TABLE sent (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    chat TEXT NOT NULL,
    message_id TEXT NOT NULL,
    plaintext BLOB NOT NULL,
    at REAL NOT NULL,
    wire TEXT,
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

-- Numbers of devices, the same for all addresses of a person.
CREATE TABLE devices (
    user TEXT PRIMARY KEY,
    devices TEXT NOT NULL,
    fetched_at REAL NOT NULL,
    hosted TEXT NOT NULL DEFAULT '[]'
) STRICT, WITHOUT ROWID;

-- The phone's signed list of its devices that was believed last: an older one is not.
CREATE TABLE key_lists (
    user TEXT PRIMARY KEY,
    signed BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE lids (
    lid TEXT PRIMARY KEY,
    pn TEXT NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;

-- Addresses of chats that have another name today: LIDs whose number is known, and numbers for which
-- WhatsApp answers by another one, or did once and does not any more (then both are equal). `number` rises
-- with what is learnt, and tells how much of it Redis knows.
CREATE TABLE renumbered (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    old TEXT NOT NULL UNIQUE,
    new TEXT NOT NULL
) STRICT;
CREATE INDEX renumbered_new ON renumbered (new);

-- Secrets of messages: votes of polls, which alone have options, and edits are encrypted under them. `author` is the
-- address of the author on the wire.
CREATE TABLE message_secrets (
    chat TEXT NOT NULL,
    sender TEXT NOT NULL,
    message_id TEXT NOT NULL,
    secret BLOB NOT NULL,
    options TEXT NOT NULL,
    at REAL NOT NULL,
    author TEXT,
    PRIMARY KEY (chat, sender, message_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_secrets_at ON message_secrets (at);
CREATE INDEX message_secrets_members ON message_secrets (sender) WHERE sender GLOB '*@lid';

-- Edits under a secret that is not known yet. `sent_at` is WhatsApp's time, `at` that of the arrival.
CREATE TABLE sealed_edits (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    chat TEXT NOT NULL,
    sender TEXT NOT NULL,
    message_id TEXT NOT NULL,
    target TEXT NOT NULL,
    sent_at INTEGER NOT NULL,
    from_me INTEGER NOT NULL,
    push_name TEXT,
    source TEXT NOT NULL,
    plaintext BLOB NOT NULL,
    at REAL NOT NULL,
    UNIQUE (chat, sender, message_id)
) STRICT;
CREATE INDEX sealed_edits_target ON sealed_edits (target);

-- Messages without their content: how each came, and when the account's phone is to be asked for it.
CREATE TABLE placeholders (
    chat TEXT NOT NULL,
    sender TEXT NOT NULL,
    message_id TEXT NOT NULL,
    stanza TEXT NOT NULL,
    asked INTEGER NOT NULL,
    request TEXT,
    ask_at REAL,
    at REAL NOT NULL,
    PRIMARY KEY (chat, sender, message_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX placeholders_ask_at ON placeholders (ask_at) WHERE ask_at IS NOT NULL;
CREATE INDEX placeholders_request ON placeholders (request) WHERE request IS NOT NULL;
CREATE INDEX placeholders_message_id ON placeholders (message_id);

-- Files of messages that arrived, which are still to be fetched from the media servers. `deferred` is why one is not
-- fetched yet, null where it is tried.
CREATE TABLE transfers (
    chat TEXT NOT NULL,
    sender TEXT NOT NULL,
    message_id TEXT NOT NULL,
    from_me INTEGER NOT NULL,
    kind TEXT NOT NULL,
    media_key BLOB NOT NULL,
    direct_path TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    sealed_sha256 BLOB NOT NULL,
    size INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    asked INTEGER NOT NULL,
    next_at REAL NOT NULL,
    deferred TEXT,
    UNIQUE (chat, sender, message_id)
) STRICT;
CREATE INDEX transfers_next_at ON transfers (next_at);
CREATE INDEX transfers_message_id ON transfers (message_id);
CREATE INDEX transfers_deferred ON transfers (next_at) WHERE deferred IS NOT NULL;

-- Bytes of the files that came on a day (of the epoch, UTC), by sender, and of all together under ''.
CREATE TABLE received_bytes (
    day INTEGER NOT NULL,
    sender TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (day, sender)
) STRICT, WITHOUT ROWID;

-- Files of messages that leave: what a message that is sent again says of its file.
CREATE TABLE uploads (
    message_id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    media_key BLOB NOT NULL,
    url TEXT NOT NULL,
    direct_path TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    sealed_sha256 BLOB NOT NULL,
    size INTEGER NOT NULL,
    at REAL NOT NULL
) STRICT;

-- Files that were sent, by the file that the caller gave: what their messages say of them.
CREATE TABLE file_details (
    kind TEXT NOT NULL,
    given BLOB NOT NULL,
    sha256 BLOB NOT NULL,
    mime TEXT,
    seconds INTEGER,
    width INTEGER,
    height INTEGER,
    thumbnail BLOB,
    waveform BLOB,
    at REAL NOT NULL,
    PRIMARY KEY (kind, given)
) STRICT, WITHOUT ROWID;

-- Who is in a group, as it was last told.
CREATE TABLE rosters (
    chat TEXT PRIMARY KEY,
    roster TEXT NOT NULL,
    fetched_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- The newest subject of each group, which outlives the list of its members.
CREATE TABLE group_subjects (
    chat TEXT PRIMARY KEY,
    subject TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The sender keys of others, by who sends with them: a device. AUTOINCREMENT tells which are newer.
CREATE TABLE sender_keys (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    chat TEXT NOT NULL,
    sender TEXT NOT NULL,
    key_id INTEGER NOT NULL,
    signing BLOB NOT NULL,
    iteration INTEGER NOT NULL,
    chain BLOB NOT NULL,
    kept INTEGER NOT NULL DEFAULT 0,
    UNIQUE (chat, sender, key_id)
) STRICT;
CREATE INDEX sender_keys_members ON sender_keys (sender) WHERE sender GLOB '*@lid';
CREATE INDEX sender_keys_kept ON sender_keys (sender, kept) WHERE kept > 0;

CREATE TABLE skipped_sender_keys (
    sender_key INTEGER NOT NULL REFERENCES sender_keys (number) ON DELETE CASCADE,
    iteration INTEGER NOT NULL,
    seed BLOB NOT NULL,
    PRIMARY KEY (sender_key, iteration)
) STRICT, WITHOUT ROWID;

-- This device's own sender key of each group.
CREATE TABLE own_sender_keys (
    chat TEXT PRIMARY KEY,
    key_id INTEGER NOT NULL,
    iteration INTEGER NOT NULL,
    chain BLOB NOT NULL,
    private BLOB NOT NULL,
    public BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The devices that the own key was handed to, `certain` once WhatsApp acknowledged that message.
CREATE TABLE key_holders (
    chat TEXT NOT NULL,
    device TEXT NOT NULL,
    certain INTEGER NOT NULL,
    PRIMARY KEY (chat, device)
) STRICT, WITHOUT ROWID;

-- Whom a message to a group was for, and how far it got with each: 0, 1 delivered, 2 read.
CREATE TABLE recipients (
    chat TEXT NOT NULL,
    message_id TEXT NOT NULL,
    person TEXT NOT NULL,
    step INTEGER NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (chat, message_id, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX recipients_at ON recipients (at);
CREATE INDEX recipients_members ON recipients (person) WHERE person GLOB '*@lid';

-- Histories that the account's phone sent and that are not stored yet: `done` of their messages are, and one is `told`
-- once all are and the phone is still to hear of it.
CREATE TABLE histories (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL UNIQUE,
    notification BLOB NOT NULL,
    done INTEGER NOT NULL,
    told INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    next_at REAL NOT NULL
) STRICT;

-- How people call themselves, as the phone told.
CREATE TABLE push_names (
    person TEXT PRIMARY KEY,
    name TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Names of the address book, each with the inbox key behind which it was noted.
CREATE TABLE contact_names (
    person TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    noted_as TEXT NOT NULL,
    collection TEXT NOT NULL,
    number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The version up to which each collection of app state is noted, and LIDs that any of it is about.
CREATE TABLE app_state (
    collection TEXT PRIMARY KEY,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE app_state_lids (
    lid TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- What this device sent: it is stored under the id that the API gave it.
CREATE TABLE sent_ids (
    chat TEXT NOT NULL,
    message_id TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (chat, message_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sent_ids_at ON sent_ids (at);

-- Unused.
CREATE TABLE aliases (
    ours TEXT NOT NULL,
    theirs TEXT NOT NULL UNIQUE,
    at REAL NOT NULL,
    PRIMARY KEY (ours, theirs)
) STRICT, WITHOUT ROWID;

-- Messages that the account has not read yet, and how a receipt addresses each.
CREATE TABLE unread (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    chat TEXT NOT NULL,
    message_id TEXT NOT NULL,
    origin TEXT NOT NULL,
    author TEXT NOT NULL,
    at INTEGER NOT NULL,
    arrived_at REAL NOT NULL,
    UNIQUE (chat, message_id, author)
) STRICT;

-- Until when WhatsApp lets the account write to nobody new: a `lock`, or a `cap` on new chats.
CREATE TABLE limits (
    kind TEXT PRIMARY KEY,
    until REAL NOT NULL,
    told INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The chats with persons, which outlive tombstones. `began` is the message by which the account began the chat, null
-- where the person wrote.
CREATE TABLE correspondents (
    chat TEXT PRIMARY KEY,
    began TEXT
) STRICT, WITHOUT ROWID;

-- After how many seconds messages of a chat with a person disappear.
CREATE TABLE timers (
    chat TEXT PRIMARY KEY,
    seconds INTEGER NOT NULL,
    set_at REAL NOT NULL
) STRICT, WITHOUT ROWID
"""
