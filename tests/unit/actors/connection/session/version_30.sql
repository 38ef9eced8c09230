BEGIN TRANSACTION;
CREATE TABLE aliases (
    ours TEXT NOT NULL,
    theirs TEXT NOT NULL UNIQUE,
    at REAL NOT NULL,
    PRIMARY KEY (ours, theirs)
) STRICT, WITHOUT ROWID
;
INSERT INTO "aliases" VALUES('aliases ours','aliases theirs',1800000000.5);
CREATE TABLE app_state (collection TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "app_state" VALUES('app_state collection',7);
CREATE TABLE app_state_lids (lid TEXT PRIMARY KEY) STRICT, WITHOUT ROWID
;
INSERT INTO "app_state_lids" VALUES('app_state_lids lid');
CREATE TABLE chat_order (chat TEXT PRIMARY KEY, place REAL NOT NULL) STRICT, WITHOUT ROWID
;
INSERT INTO "chat_order" VALUES('15550100002@s.whatsapp.net',1700000001.0);
CREATE TABLE contact_names (
    person TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    noted_as TEXT NOT NULL,
    collection TEXT NOT NULL,
    number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "contact_names" VALUES('contact_names person','contact_names name','contact_names noted_as','contact_names collection',7);
CREATE TABLE correspondents (
    chat TEXT PRIMARY KEY
, began TEXT) STRICT, WITHOUT ROWID;
INSERT INTO "correspondents" VALUES('15550100002@s.whatsapp.net',NULL);
INSERT INTO "correspondents" VALUES('15550100004@s.whatsapp.net','SENT');
CREATE TABLE credentials (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    data TEXT NOT NULL
) STRICT;
INSERT INTO "credentials" VALUES(1,'{"noise_private": {"b64": "MD2vpCghIX2tOXZYedxtvMOIENX0qh3zAJoTjD+CmUU="}, "identity_private": {"b64": "oKZ/XCuiX241FZhntk/gQqoMHVcRsGeRuTmtD+El9EU="}, "identity_public": {"b64": "YLnmTFWXBUMuS2Ifk1vBmif0qS66sLbD60Hti8Ji43o="}, "registration_id": 4568, "adv_secret": {"b64": "NjC3RPa7teMJWeMa8kxNdV/ipi8mKBChmX5qAKMapIs="}, "signed_prekey": {"id": 1, "private": {"b64": "wNfNbQpEFjyzusQRuj9+XVi/K21qgc3DBSlu0ASKcU4="}, "public": {"b64": "l5xOHb55WydNClQOWKn8BHtgl5bSRha0Zj+KaxK+agc="}, "signature": {"b64": "sZsaGlDBvlff50jpUqglNya7NItKbZ9UTxeTu747xRapdypzfwRxx68576ZIWyUUBZAYXFjKr6nwPvzW4LXmDQ=="}}, "account": null, "device": null, "lid": null, "device_identity": null, "account_signature_key": null, "push_name": null, "platform": null, "server_key": null, "routing": null, "banned_until": null, "logins": 0, "lid_migrated": null, "by_number_until": null}');
CREATE TABLE devices (
    user TEXT PRIMARY KEY,
    devices TEXT NOT NULL,
    fetched_at REAL NOT NULL
, hosted TEXT NOT NULL DEFAULT '[]') STRICT, WITHOUT ROWID;
INSERT INTO "devices" VALUES('15550100002@s.whatsapp.net','[0, 3]',1800000000.0,'[]');
CREATE TABLE file (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL,
    next_prekey_id INTEGER NOT NULL
, commits INTEGER NOT NULL DEFAULT 0, linked_at REAL, clock_at REAL) STRICT;
INSERT INTO "file" VALUES(1,3,2,2,1800000000.0,1800000000.0);
CREATE TABLE file_details (
    kind TEXT NOT NULL,
    given BLOB NOT NULL,
    sha256 BLOB NOT NULL,
    mime TEXT,
    seconds INTEGER, width INTEGER, height INTEGER, thumbnail BLOB, waveform BLOB,
    at REAL NOT NULL,
    PRIMARY KEY (kind, given)
) STRICT, WITHOUT ROWID
;
INSERT INTO "file_details" VALUES('file_details kind',X'0102',X'0102','file_details mime',7,7,7,X'0102',X'0102',1800000000.5);
CREATE TABLE group_subjects (chat TEXT PRIMARY KEY, subject TEXT NOT NULL) STRICT, WITHOUT ROWID
;
INSERT INTO "group_subjects" VALUES('120363000000000001@g.us','Subject');
CREATE TABLE histories (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL UNIQUE,
    notification BLOB NOT NULL,
    done INTEGER NOT NULL,
    told INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    next_at REAL NOT NULL
) STRICT;
INSERT INTO "histories" VALUES(1,'HISTORY',X'6E6F74696669636174696F6E',0,0,0,0.0);
CREATE TABLE identities (
    address TEXT PRIMARY KEY,
    identity BLOB NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "identities" VALUES('15550100002@s.whatsapp.net',X'6964656E74697479');
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
, content TEXT, received_at REAL, place REAL) STRICT;
INSERT INTO "inbox" VALUES(1,'message','15550100002@s.whatsapp.net','15550100002@s.whatsapp.net','KEPT',1700000000,'text','text of KEPT',0,NULL,'live',X'626F6479',NULL,1800000000.0,1700000001.0);
INSERT INTO "inbox" VALUES(2,'merge','15550100003@s.whatsapp.net','15550100009@s.whatsapp.net','',1800000000,'merge',NULL,0,NULL,'live',NULL,NULL,NULL,NULL);
CREATE TABLE key_holders (
    chat TEXT NOT NULL,
    device TEXT NOT NULL,
    certain INTEGER NOT NULL,
    PRIMARY KEY (chat, device)
) STRICT, WITHOUT ROWID;
INSERT INTO "key_holders" VALUES('key_holders chat','key_holders device',7);
CREATE TABLE key_lists (
    user TEXT PRIMARY KEY,
    signed BLOB NOT NULL
) STRICT, WITHOUT ROWID
;
INSERT INTO "key_lists" VALUES('15550100002@s.whatsapp.net',X'7369676E6564');
CREATE TABLE lids (
    lid TEXT PRIMARY KEY,
    pn TEXT NOT NULL UNIQUE
) STRICT, WITHOUT ROWID;
INSERT INTO "lids" VALUES('1@lid','15550100002@s.whatsapp.net');
CREATE TABLE limits (
    kind TEXT PRIMARY KEY,
    until REAL NOT NULL,
    told INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "limits" VALUES('lock',1900000000.0,1);
CREATE TABLE "message_secrets" (
    chat TEXT NOT NULL,
    sender TEXT NOT NULL,
    message_id TEXT NOT NULL,
    secret BLOB NOT NULL,
    options TEXT NOT NULL,
    at REAL NOT NULL, author TEXT,
    PRIMARY KEY (chat, sender, message_id)
) STRICT, WITHOUT ROWID
;
INSERT INTO "message_secrets" VALUES('15550100002@s.whatsapp.net','15550100002@s.whatsapp.net','KEPT',X'0000000000000000000000000000000000000000000000000000000000000000','[]',1800000000.0,NULL);
CREATE TABLE own_sender_keys (
    chat TEXT PRIMARY KEY,
    key_id INTEGER NOT NULL,
    iteration INTEGER NOT NULL,
    chain BLOB NOT NULL,
    private BLOB NOT NULL,
    public BLOB NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "own_sender_keys" VALUES('own_sender_keys chat',7,7,X'0102',X'0102',X'0102');
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
INSERT INTO "placeholders" VALUES('placeholders chat','placeholders sender','placeholders message_id','placeholders stanza',7,'placeholders request',1800000000.5,1800000000.5);
CREATE TABLE prekeys (
    id INTEGER PRIMARY KEY,
    private BLOB NOT NULL,
    public BLOB NOT NULL,
    published INTEGER NOT NULL
) STRICT;
INSERT INTO "prekeys" VALUES(1,X'70726976617465',X'7075626C6963',0);
CREATE TABLE push_names (
    person TEXT PRIMARY KEY,
    name TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "push_names" VALUES('15550100002@s.whatsapp.net','Alice');
CREATE TABLE ratchets (
    id INTEGER PRIMARY KEY,
    address TEXT NOT NULL,
    current INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    base_key BLOB NOT NULL,
    identity BLOB NOT NULL,
    state TEXT NOT NULL, spent INTEGER NOT NULL DEFAULT 0, peer_key BLOB, kept INTEGER NOT NULL DEFAULT 0,
    UNIQUE (address, base_key, identity)
) STRICT;
INSERT INTO "ratchets" VALUES(1,'15550100002@s.whatsapp.net',1,1,X'62617365',X'6964656E74697479','state',0,X'6B6579',0);
CREATE TABLE received_bytes (
    day INTEGER NOT NULL,
    sender TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (day, sender)
) STRICT, WITHOUT ROWID
;
INSERT INTO "received_bytes" VALUES(7,'received_bytes sender',7);
CREATE TABLE recipients (
    chat TEXT NOT NULL,
    message_id TEXT NOT NULL,
    person TEXT NOT NULL,
    step INTEGER NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (chat, message_id, person)
) STRICT, WITHOUT ROWID;
INSERT INTO "recipients" VALUES('recipients chat','recipients message_id','recipients person',7,1800000000.5);
CREATE TABLE refused (inbox INTEGER PRIMARY KEY REFERENCES inbox (key) ON DELETE CASCADE,
    kind TEXT NOT NULL, at REAL NOT NULL) STRICT
;
INSERT INTO "refused" VALUES(1,'refused kind',1800000000.5);
CREATE TABLE renumbered (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    old TEXT NOT NULL UNIQUE,
    new TEXT NOT NULL
) STRICT;
INSERT INTO "renumbered" VALUES(1,'1@lid','15550100002@s.whatsapp.net');
INSERT INTO "renumbered" VALUES(2,'15550100009@s.whatsapp.net','15550100003@s.whatsapp.net');
CREATE TABLE retries (
    direction TEXT NOT NULL,
    chat TEXT NOT NULL,
    peer TEXT NOT NULL,
    message_id TEXT NOT NULL,
    count INTEGER NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (direction, chat, peer, message_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "retries" VALUES('retries direction','retries chat','retries peer','retries message_id',7,1800000000.5);
CREATE TABLE rosters (
    chat TEXT PRIMARY KEY,
    roster TEXT NOT NULL,
    fetched_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "rosters" VALUES('rosters chat','rosters roster',1800000000.5);
CREATE TABLE sealed_edits (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    chat TEXT NOT NULL, sender TEXT NOT NULL, message_id TEXT NOT NULL, target TEXT NOT NULL,
    sent_at INTEGER NOT NULL, from_me INTEGER NOT NULL,
    push_name TEXT, source TEXT NOT NULL, plaintext BLOB NOT NULL,
    at REAL NOT NULL,
    UNIQUE (chat, sender, message_id)
) STRICT;
INSERT INTO "sealed_edits" VALUES(7,'sealed_edits chat','sealed_edits sender','sealed_edits message_id','sealed_edits target',7,7,'sealed_edits push_name','sealed_edits source',X'0102',1800000000.5);
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
INSERT INTO "sender_keys" VALUES(7,'sender_keys chat','sender_keys sender',7,X'0102',7,X'0102',7);
CREATE TABLE sent (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    chat TEXT NOT NULL,
    message_id TEXT NOT NULL,
    plaintext BLOB NOT NULL,
    at REAL NOT NULL, wire TEXT,
    UNIQUE (chat, message_id)
) STRICT;
INSERT INTO "sent" VALUES(1,'15550100002@s.whatsapp.net','SENT',X'74657874',1800000000.0,'lid');
CREATE TABLE sent_ids (
    chat TEXT NOT NULL,
    message_id TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (chat, message_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "sent_ids" VALUES('15550100002@s.whatsapp.net','SENT',1800000000.0);
CREATE TABLE signed_prekeys (
    id INTEGER PRIMARY KEY,
    private BLOB NOT NULL,
    public BLOB NOT NULL,
    signature BLOB NOT NULL,
    created REAL NOT NULL
, spent INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "signed_prekeys" VALUES(1,X'C0D7CD6D0A44163CB3BAC411BA3F7E5D58BF2B6D6A81CDC305296ED0048A714E',X'979C4E1DBE795B274D0A540E58A9FC047B609796D24616B4663F8A6B12BE6A07',X'B19B1A1A50C1BE57DFE748E952A8253726BB348B4A6D9F544F1793BBBE3BC516A9772A737F0471C7AF39EFA6485B25140590185C58CAAFA9F03EFCD6E0B5E60D',1800000000.0,0);
CREATE TABLE skipped_keys (
    ratchet INTEGER NOT NULL REFERENCES ratchets (id) ON DELETE CASCADE,
    ratchet_key BLOB NOT NULL,
    counter INTEGER NOT NULL,
    seed BLOB NOT NULL,
    PRIMARY KEY (ratchet, ratchet_key, counter)
) STRICT, WITHOUT ROWID;
INSERT INTO "skipped_keys" VALUES(1,X'0102',7,X'0102');
CREATE TABLE skipped_sender_keys (
    sender_key INTEGER NOT NULL REFERENCES sender_keys (number) ON DELETE CASCADE,
    iteration INTEGER NOT NULL,
    seed BLOB NOT NULL,
    PRIMARY KEY (sender_key, iteration)
) STRICT, WITHOUT ROWID;
INSERT INTO "skipped_sender_keys" VALUES(7,7,X'0102');
CREATE TABLE timers (
    chat TEXT PRIMARY KEY,
    seconds INTEGER NOT NULL,
    set_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "timers" VALUES('15550100002@s.whatsapp.net',86400,1800000000.0);
CREATE TABLE tombstones (
    chat TEXT NOT NULL,
    sender TEXT NOT NULL,
    message_id TEXT NOT NULL,
    readable INTEGER NOT NULL,
    inbox INTEGER,
    at REAL NOT NULL,
    PRIMARY KEY (chat, sender, message_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "tombstones" VALUES('15550100002@s.whatsapp.net','15550100002@s.whatsapp.net','KEPT',1,1,1800000000.0);
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
    attempts INTEGER NOT NULL, asked INTEGER NOT NULL, next_at REAL NOT NULL, deferred TEXT,
    UNIQUE (chat, sender, message_id)
) STRICT;
INSERT INTO "transfers" VALUES('transfers chat','transfers sender','transfers message_id',7,'transfers kind',X'0102','transfers direct_path',X'0102',X'0102',7,7,7,1800000000.5,'transfers deferred');
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
;
INSERT INTO "unread" VALUES(1,'15550100002@s.whatsapp.net','KEPT','15550100002@s.whatsapp.net','15550100002@s.whatsapp.net',1700000000,1800000000.0);
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
;
INSERT INTO "uploads" VALUES('uploads message_id','uploads kind',X'0102','uploads url','uploads direct_path',X'0102',X'0102',7,1800000000.5);
CREATE UNIQUE INDEX ratchets_current ON ratchets (address) WHERE current = 1;
CREATE INDEX inbox_kind ON inbox (kind);
CREATE INDEX tombstones_at ON tombstones (at);
CREATE INDEX tombstones_inbox ON tombstones (inbox) WHERE inbox IS NOT NULL;
CREATE INDEX sent_at ON sent (at);
CREATE INDEX retries_at ON retries (at);
CREATE INDEX transfers_next_at ON transfers (next_at);
CREATE INDEX transfers_message_id ON transfers (message_id);
CREATE INDEX recipients_at ON recipients (at);
CREATE INDEX tombstones_members ON tombstones (sender)
    WHERE sender GLOB '*@lid' AND chat GLOB '*@g.us';
CREATE INDEX sender_keys_members ON sender_keys (sender) WHERE sender GLOB '*@lid';
CREATE INDEX recipients_members ON recipients (person) WHERE person GLOB '*@lid'
;
CREATE INDEX sent_ids_at ON sent_ids (at)
;
CREATE INDEX message_secrets_at ON message_secrets (at);
CREATE INDEX message_secrets_members ON message_secrets (sender) WHERE sender GLOB '*@lid'
;
CREATE INDEX placeholders_ask_at ON placeholders (ask_at) WHERE ask_at IS NOT NULL;
CREATE INDEX placeholders_request ON placeholders (request) WHERE request IS NOT NULL;
CREATE INDEX placeholders_message_id ON placeholders (message_id)
;
CREATE INDEX renumbered_new ON renumbered (new);
CREATE INDEX sealed_edits_target ON sealed_edits (target)
;
CREATE INDEX ratchets_kept ON ratchets (address, kept) WHERE kept > 0;
CREATE INDEX sender_keys_kept ON sender_keys (sender, kept) WHERE kept > 0
;
CREATE INDEX transfers_deferred ON transfers (next_at) WHERE deferred IS NOT NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('renumbered',2);
INSERT INTO "sqlite_sequence" VALUES('inbox',2);
INSERT INTO "sqlite_sequence" VALUES('sent',1);
INSERT INTO "sqlite_sequence" VALUES('histories',1);
INSERT INTO "sqlite_sequence" VALUES('unread',1);
INSERT INTO "sqlite_sequence" VALUES('sender_keys',7);
INSERT INTO "sqlite_sequence" VALUES('sealed_edits',7);
COMMIT;
PRAGMA application_id=132186192;
PRAGMA user_version=30;
