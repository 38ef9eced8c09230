package vault

import (
	"bytes"
	"context"

	"go.mau.fi/util/dbutil"
	"go.mau.fi/whatsmeow/store"
)

// identities stores a person's identity where it is another one: the library stores it with each message, each time
// in a transaction of its own.
type identities struct {
	store.IdentityStore
	db  *dbutil.Database
	own string
}

// PutIdentity stores the identity of a device.
func (one *identities) PutIdentity(ctx context.Context, address string, key [32]byte) error {
	var known []byte
	err := one.db.QueryRow(ctx,
		"SELECT identity FROM whatsmeow_identity_keys WHERE our_jid = ? AND their_id = ?", one.own, address).Scan(&known)
	if err == nil && bytes.Equal(known, key[:]) {
		return nil
	}
	return one.IdentityStore.PutIdentity(ctx, address, key)
}
