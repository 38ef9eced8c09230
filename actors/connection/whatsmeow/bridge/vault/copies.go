// Copies the key database for backups, and has a restored copy use no key a second time.

package vault

import (
	"context"
	"os"
	"path/filepath"

	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"
)

// gap is how far prekey ids jump in a restored copy: beyond what the owner of the newer state can have given
// out since the copy was made (the server takes 812 at most at once).
const gap = 1 << 16

const largestPreKeyID = 1<<24 - 1

// Copy writes a consistent copy of the database to a new file. The file is on disk when it returns.
func (v *Vault) Copy(ctx context.Context, path string) error {
	if _, err := v.db.ExecContext(ctx, "VACUUM INTO ?", path); err != nil {
		return classify(err)
	}
	for _, name := range []string{path, filepath.Dir(path)} {
		if err := syncFile(name); err != nil {
			return classify(err)
		}
	}
	return nil
}

func syncFile(name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	return file.Sync()
}

// Renew prepares a restored copy that may not be the last state of its device.
//
// Ratchets of the copy may have been used since: sessions and own sender keys are deleted, so that both sides
// begin anew. Prekey ids go on far beyond those that may have been given out, and fresh prekeys are wanted.
func (v *Vault) Renew(ctx context.Context, jid, lid types.JID) error {
	transaction, err := v.db.BeginTx(ctx, nil)
	if err != nil {
		return classify(err)
	}
	defer func() { _ = transaction.Rollback() }()
	var last int64
	if err := transaction.QueryRowContext(ctx,
		"SELECT coalesce(max(key_id), 0) FROM whatsmeow_pre_keys WHERE jid = ?", jid.String()).Scan(&last); err != nil {
		return classify(err)
	}
	next := last + gap
	if next > largestPreKeyID {
		next = last + 1
	}
	key := keys.NewPreKey(uint32(next))
	for _, each := range []struct {
		statement string
		values    []any
	}{
		{"DELETE FROM whatsmeow_sessions WHERE our_jid = ?", []any{jid.String()}},
		{"DELETE FROM whatsmeow_sender_keys WHERE our_jid = ? AND sender_id IN (?, ?)", []any{
			jid.String(), jid.SignalAddress().String(), lid.SignalAddress().String(),
		}},
		{"UPDATE whatsmeow_pre_keys SET uploaded = TRUE WHERE jid = ?", []any{jid.String()}},
		{"INSERT INTO whatsmeow_pre_keys (jid, key_id, key, uploaded) VALUES (?, ?, ?, FALSE)", []any{
			jid.String(), next, key.Priv[:],
		}},
		{"INSERT OR IGNORE INTO teimoso_todo (name) VALUES (?)", []any{freshPreKeys}},
	} {
		if _, err := transaction.ExecContext(ctx, each.statement, each.values...); err != nil {
			return classify(err)
		}
	}
	return classify(transaction.Commit())
}

// AllGroups stands for each group.
var AllGroups = types.EmptyJID

// ForgetSenderKeys has the device make a new key for its messages to a group, or to each of all.
func (v *Vault) ForgetSenderKeys(ctx context.Context, jid, lid, group types.JID) error {
	v.Ratchet.renewals.lock.Lock()
	defer v.Ratchet.renewals.lock.Unlock()
	v.Ratchet.renewals.count++
	_, err := v.db.ExecContext(ctx,
		"DELETE FROM whatsmeow_sender_keys WHERE our_jid = ? AND sender_id IN (?, ?) AND ? IN ('', chat_id)",
		jid.String(), jid.SignalAddress().String(), lid.SignalAddress().String(), group.String())
	return classify(err)
}

const freshPreKeys = "fresh prekeys"

// wantsFreshPreKeys returns whether Renew was called since fresh prekeys were uploaded last.
func (v *Vault) wantsFreshPreKeys(ctx context.Context) (wanted bool, err error) {
	err = v.wrapped.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM teimoso_todo WHERE name = $1)", freshPreKeys).Scan(&wanted)
	return wanted, err
}

func (v *Vault) freshPreKeysUploaded(ctx context.Context) error {
	_, err := v.wrapped.Exec(ctx, "DELETE FROM teimoso_todo WHERE name = $1", freshPreKeys)
	return err
}

// ForgetPlaintexts deletes the buffered plaintexts of messages that are stored elsewhere.
//
// The hashes stay: a message that comes again is known as processed. It is one transaction for many messages,
// since losing it costs nothing but a repetition.
func (v *Vault) ForgetPlaintexts(ctx context.Context, jid types.JID, hashes [][32]byte) error {
	transaction, err := v.db.BeginTx(ctx, nil)
	if err != nil {
		return classify(err)
	}
	defer func() { _ = transaction.Rollback() }()
	for _, hash := range hashes {
		if _, err := transaction.ExecContext(ctx, `
			UPDATE whatsmeow_event_buffer SET plaintext = NULL
			WHERE our_jid = ? AND ciphertext_hash = ?`, jid.String(), hash[:]); err != nil {
			return classify(err)
		}
	}
	return classify(transaction.Commit())
}

// Mappings returns all known pairs of LID and phone number, by their users.
func (v *Vault) Mappings(ctx context.Context) (pairs [][2]string, err error) {
	rows, err := v.db.QueryContext(ctx, "SELECT lid, pn FROM whatsmeow_lid_map ORDER BY lid")
	if err != nil {
		return nil, classify(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var pair [2]string
		if err := rows.Scan(&pair[0], &pair[1]); err != nil {
			return nil, classify(err)
		}
		pairs = append(pairs, pair)
	}
	return pairs, classify(rows.Err())
}
