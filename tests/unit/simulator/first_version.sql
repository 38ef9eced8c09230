CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE people (
    number TEXT PRIMARY KEY, lid TEXT NOT NULL UNIQUE, raw_id INTEGER NOT NULL,
    name TEXT NOT NULL, registered INTEGER NOT NULL DEFAULT 1,
    receipts TEXT NOT NULL DEFAULT 'read', delivered_after REAL NOT NULL DEFAULT 0.02,
    read_after REAL NOT NULL DEFAULT 0.15, next_device INTEGER NOT NULL DEFAULT 1
) WITHOUT ROWID;
-- devices that the simulator plays itself, with their private keys
CREATE TABLE endpoints (
    number TEXT NOT NULL, device INTEGER NOT NULL, identity BLOB NOT NULL,
    registration INTEGER NOT NULL, skey_id INTEGER NOT NULL, skey BLOB NOT NULL,
    skey_signature BLOB NOT NULL, next_prekey INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (number, device)
) WITHOUT ROWID;
CREATE TABLE endpoint_prekeys (
    number TEXT NOT NULL, device INTEGER NOT NULL, id INTEGER NOT NULL, private BLOB NOT NULL,
    PRIMARY KEY (number, device, id)
) WITHOUT ROWID;
CREATE TABLE sessions (
    number TEXT NOT NULL, device INTEGER NOT NULL, peer TEXT NOT NULL,
    peer_device INTEGER NOT NULL, record TEXT NOT NULL,
    PRIMARY KEY (number, device, peer, peer_device)
) WITHOUT ROWID;
-- devices that clients linked by QR, with what they published
CREATE TABLE companions (
    number TEXT NOT NULL, device INTEGER NOT NULL, noise BLOB NOT NULL, identity BLOB NOT NULL,
    registration INTEGER NOT NULL, skey_id INTEGER NOT NULL, skey BLOB NOT NULL,
    skey_signature BLOB NOT NULL, adv BLOB NOT NULL, key_index INTEGER NOT NULL,
    paired_at REAL NOT NULL, logins INTEGER NOT NULL DEFAULT 0,
    uploaded INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (number, device)
) WITHOUT ROWID;
CREATE TABLE prekeys (
    number TEXT NOT NULL, device INTEGER NOT NULL, id INTEGER NOT NULL, public BLOB NOT NULL,
    PRIMARY KEY (number, device, id)
) WITHOUT ROWID;
CREATE TABLE queue (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, number TEXT NOT NULL, device INTEGER NOT NULL,
    class TEXT NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL, stanza BLOB NOT NULL,
    UNIQUE (number, device, class, id, type)
);
CREATE TABLE inbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, number TEXT NOT NULL, sender TEXT NOT NULL,
    id TEXT NOT NULL, chat TEXT NOT NULL, kind TEXT NOT NULL, text TEXT,
    deliveries INTEGER NOT NULL DEFAULT 1, at REAL NOT NULL, ciphertext BLOB NOT NULL,
    UNIQUE (number, sender, id)
);
CREATE TABLE undecrypted (
    number TEXT NOT NULL, sender TEXT NOT NULL, device INTEGER NOT NULL, id TEXT NOT NULL,
    count INTEGER NOT NULL, PRIMARY KEY (number, sender, device, id)
) WITHOUT ROWID;
CREATE TABLE said (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, number TEXT NOT NULL, recipient TEXT NOT NULL,
    id TEXT NOT NULL, text TEXT NOT NULL, addressing TEXT NOT NULL, at REAL NOT NULL,
    delivered INTEGER NOT NULL DEFAULT 0, read INTEGER NOT NULL DEFAULT 0,
    retries INTEGER NOT NULL DEFAULT 0,
    UNIQUE (number, id)
);

INSERT INTO people VALUES ('15550100002', '123456789012345', 11, 'Friend', 1, 'read', 0.02, 0.15, 4);
INSERT INTO endpoints VALUES ('15550100002', 0, zeroblob(32), 77, 1, zeroblob(32), zeroblob(64), 5);
INSERT INTO companions VALUES ('15550100001', 1, zeroblob(32), zeroblob(32), 5, 1, zeroblob(32),
    zeroblob(64), x'00', 1, 1.0, 4, 1);
INSERT INTO queue VALUES (9, '15550100001', 1, 'receipt', 'M1', '', x'00f8050706faff8615550100002f0308fc024d31');
INSERT INTO inbox VALUES (3, '15550100002', '15550100001', 'M1', '15550100002', 'text', 'hello', 2,
    1.0, x'00');
INSERT INTO undecrypted VALUES ('15550100002', '15550100001', 1, 'M2', 2);
INSERT INTO said VALUES (1, '15550100002', '15550100001', 'M3', 'text', 's.whatsapp.net', 1.0, 1, 0,
    0);
