"""Defines the SQL changes from each schema version of the session file to the next."""

from __future__ import annotations

VERSION = 30

SCHEMA_CHANGES = {
    2: """
-- The phone's signed list of its devices that was believed last: an older one is not.
CREATE TABLE key_lists (
    user TEXT PRIMARY KEY,
    signed BLOB NOT NULL
) STRICT, WITHOUT ROWID
""",
    3: """
-- What a message says where its type and text do not say it all (`actors.messages.content`).
ALTER TABLE inbox ADD COLUMN content TEXT
""",
    4: """
-- What reading the votes of a poll takes.
CREATE TABLE polls (
    chat TEXT NOT NULL,
    sender TEXT NOT NULL,
    message_id TEXT NOT NULL,
    secret BLOB NOT NULL,
    options TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (chat, sender, message_id)
) STRICT, WITHOUT ROWID
""",
    5: """
-- Rises with every transaction that changed something: tells a file from an older copy of it.
ALTER TABLE file ADD COLUMN commits INTEGER NOT NULL DEFAULT 0
""",
    6: """
-- Another copy of the file may have sent on it since: it decrypts, and is never sent on again.
ALTER TABLE ratchets ADD COLUMN spent INTEGER NOT NULL DEFAULT 0
""",
    7: """
-- Files of messages that arrived, which are still to be fetched from the media servers.
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
    attempts INTEGER NOT NULL, asked INTEGER NOT NULL, next_at REAL NOT NULL,
    UNIQUE (chat, sender, message_id)
) STRICT;
CREATE INDEX transfers_next_at ON transfers (next_at);
CREATE INDEX transfers_message_id ON transfers (message_id);

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
) STRICT
""",
    8: """
-- Who is in a group, as it was last told.
CREATE TABLE rosters (
    chat TEXT PRIMARY KEY,
    roster TEXT NOT NULL,
    fetched_at REAL NOT NULL
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
    skipped BLOB NOT NULL,
    UNIQUE (chat, sender, key_id)
) STRICT;

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

-- Members whose phone number is not known yet: what is under the LID moves once it is.
CREATE INDEX tombstones_members ON tombstones (sender)
    WHERE sender GLOB '*@lid' AND chat GLOB '*@g.us';
CREATE INDEX sender_keys_members ON sender_keys (sender) WHERE sender GLOB '*@lid';
CREATE INDEX recipients_members ON recipients (person) WHERE person GLOB '*@lid'
""",
    9: """
-- What the account's phone tells of the time before and is not stored yet: `done` messages of it
-- are, and it is `told` once all are and the phone is still to hear of it.
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

-- What this device sent: it is stored under the id that the API gave it.
CREATE TABLE sent_ids (
    chat TEXT NOT NULL,
    message_id TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (chat, message_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sent_ids_at ON sent_ids (at)
""",
    10: """
-- Under which id WhatsApp has a message of the service's, where that is not its own.
CREATE TABLE aliases (
    ours TEXT NOT NULL,
    theirs TEXT NOT NULL UNIQUE,
    at REAL NOT NULL,
    PRIMARY KEY (ours, theirs)
) STRICT, WITHOUT ROWID
""",
    11: """
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
) STRICT
""",
    12: """
-- Until when WhatsApp lets the account write to nobody new: a `lock`, or a `cap` on new chats.
CREATE TABLE limits (
    kind TEXT PRIMARY KEY,
    until REAL NOT NULL,
    told INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The chats of persons who ever wrote: it outlives tombstones.
CREATE TABLE correspondents (
    chat TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
INSERT INTO correspondents (chat)
    SELECT DISTINCT chat FROM tombstones WHERE sender = chat AND chat NOT GLOB '*@g.us'
""",
    13: """
-- Numbers of devices, the same for all addresses of a person. Former lists are asked for again.
DELETE FROM devices;
ALTER TABLE devices ADD COLUMN hosted TEXT NOT NULL DEFAULT '[]';

-- The kind of addresses, `lid` or `number`, under which a message left.
ALTER TABLE sent ADD COLUMN wire TEXT;
UPDATE sent SET wire = CASE WHEN chat GLOB '*@lid' THEN 'lid' ELSE 'number' END
    WHERE chat NOT GLOB '*@g.us';

-- The address of the author on the wire of the poll.
ALTER TABLE polls ADD COLUMN author TEXT;
UPDATE polls SET author = sender WHERE chat NOT GLOB '*@g.us'
""",
    14: """
-- After how many seconds messages of a chat with a person disappear.
CREATE TABLE timers (
    chat TEXT PRIMARY KEY,
    seconds INTEGER NOT NULL,
    set_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
-- A group's timer is in its roster: those without it are asked for anew.
UPDATE rosters SET fetched_at = 0
""",
    15: """
-- Secrets of all messages, not of polls alone: edits are encrypted under them. Others have no options.
ALTER TABLE polls RENAME TO message_secrets;
CREATE INDEX message_secrets_at ON message_secrets (at);
CREATE INDEX message_secrets_members ON message_secrets (sender) WHERE sender GLOB '*@lid'
""",
    16: """
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
CREATE INDEX placeholders_message_id ON placeholders (message_id)
""",
    17: """
-- Addresses of chats that have another name today: LIDs whose number is known, and numbers for which
-- WhatsApp answers by another one, or did once and does not any more (then both are equal). `number` rises
-- with what is learnt, and tells how much of it Redis knows.
CREATE TABLE renumbered (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    old TEXT NOT NULL UNIQUE,
    new TEXT NOT NULL
) STRICT;
CREATE INDEX renumbered_new ON renumbered (new);
INSERT INTO renumbered (old, new) SELECT lid, pn FROM lids
""",
    18: """
-- The message by which the account began the chat, none where the person wrote.
ALTER TABLE correspondents ADD COLUMN began TEXT;
INSERT OR IGNORE INTO correspondents (chat, began)
    SELECT chat, min(message_id) FROM sent_ids WHERE chat NOT GLOB '*@g.us' GROUP BY chat;
INSERT OR IGNORE INTO correspondents (chat, began)
    SELECT chat, min(message_id) FROM tombstones WHERE chat NOT GLOB '*@g.us' GROUP BY chat;

-- Edits under a secret that is not known yet. `sent_at` is WhatsApp's time, `at` that of the arrival.
CREATE TABLE sealed_edits (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    chat TEXT NOT NULL, sender TEXT NOT NULL, message_id TEXT NOT NULL, target TEXT NOT NULL,
    sent_at INTEGER NOT NULL, from_me INTEGER NOT NULL,
    push_name TEXT, source TEXT NOT NULL, plaintext BLOB NOT NULL,
    at REAL NOT NULL,
    UNIQUE (chat, sender, message_id)
) STRICT;
CREATE INDEX sealed_edits_target ON sealed_edits (target)
""",
    19: """
-- Keys of messages that were passed over and may still come: found one by one, and never read by the way.
-- They are moved out of `ratchets.state` and `sender_keys.skipped` afterwards, and that column is dropped.
CREATE TABLE skipped_keys (
    ratchet INTEGER NOT NULL REFERENCES ratchets (id) ON DELETE CASCADE,
    ratchet_key BLOB NOT NULL,
    counter INTEGER NOT NULL,
    seed BLOB NOT NULL,
    PRIMARY KEY (ratchet, ratchet_key, counter)
) STRICT, WITHOUT ROWID;
CREATE TABLE skipped_sender_keys (
    sender_key INTEGER NOT NULL REFERENCES sender_keys (number) ON DELETE CASCADE,
    iteration INTEGER NOT NULL,
    seed BLOB NOT NULL,
    PRIMARY KEY (sender_key, iteration)
) STRICT, WITHOUT ROWID;

-- The peer's newest ratchet key, by which a message finds its session, and the number of skipped keys.
ALTER TABLE ratchets ADD COLUMN peer_key BLOB;
ALTER TABLE ratchets ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;
CREATE INDEX ratchets_kept ON ratchets (address, kept) WHERE kept > 0;
ALTER TABLE sender_keys ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;
CREATE INDEX sender_keys_kept ON sender_keys (sender, kept) WHERE kept > 0
""",
    20: """
-- The version up to which each collection of app state is noted, and LIDs that any of it is about.
CREATE TABLE app_state (collection TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE app_state_lids (lid TEXT PRIMARY KEY) STRICT, WITHOUT ROWID
""",
    21: """
-- Rows of the inbox that the state store refuses, each with the kind that it had before.
CREATE TABLE refused (inbox INTEGER PRIMARY KEY REFERENCES inbox (key) ON DELETE CASCADE,
    kind TEXT NOT NULL, at REAL NOT NULL) STRICT
""",
    22: """
-- Why a file is not fetched yet, none where it is tried.
ALTER TABLE transfers ADD COLUMN deferred TEXT;
CREATE INDEX transfers_deferred ON transfers (next_at) WHERE deferred IS NOT NULL;

-- Bytes of the files that came on a day (of the epoch, UTC), by sender, and of all together under ''.
CREATE TABLE received_bytes (
    day INTEGER NOT NULL,
    sender TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (day, sender)
) STRICT, WITHOUT ROWID
""",
    23: """
-- The time at which a message arrived, and its place in its chat (null: an older release put the row in).
ALTER TABLE inbox ADD COLUMN received_at REAL;
ALTER TABLE inbox ADD COLUMN place REAL;

-- The newest place in each chat.
CREATE TABLE chat_order (chat TEXT PRIMARY KEY, place REAL NOT NULL) STRICT, WITHOUT ROWID
""",
    24: """
-- Names of the address book, each with the inbox key behind which it was noted.
CREATE TABLE contact_names (
    person TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    noted_as TEXT NOT NULL,
    collection TEXT NOT NULL,
    number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Those noted before are brought by a full sync, which the next change of each collection asks for.
DELETE FROM app_state
""",
    25: """
-- The newest subject of each group, which outlives the list of its members.
CREATE TABLE group_subjects (chat TEXT PRIMARY KEY, subject TEXT NOT NULL) STRICT, WITHOUT ROWID
""",
    26: """
-- Nothing here. The file of keys beside it, whatsmeow.db, has records that an older program cannot read.
""",
    27: """
-- The time at which the account was linked first, 0 where that was under an older release.
ALTER TABLE file ADD COLUMN linked_at REAL;
UPDATE file SET linked_at = 0
    WHERE EXISTS (SELECT 1 FROM credentials WHERE json_extract(data, '$.device') IS NOT NULL)
        OR EXISTS (SELECT 1 FROM sent_ids)
""",
    28: """
-- Files that were sent, by the file that the caller gave: what their messages say of them.
CREATE TABLE file_details (
    kind TEXT NOT NULL,
    given BLOB NOT NULL,
    sha256 BLOB NOT NULL,
    mime TEXT,
    seconds INTEGER, width INTEGER, height INTEGER, thumbnail BLOB, waveform BLOB,
    at REAL NOT NULL,
    PRIMARY KEY (kind, given)
) STRICT, WITHOUT ROWID
""",
    29: """
-- The newest time that the session's own clock reached while its account was new: it never goes back.
ALTER TABLE file ADD COLUMN clock_at REAL
""",
    30: """
-- Another copy of the file may have read first messages for it since: their sessions are spent from the start.
ALTER TABLE signed_prekeys ADD COLUMN spent INTEGER NOT NULL DEFAULT 0
""",
}
"""Changes of each version over the one before; `schema.SCHEMA` is the first."""
