// Stores people's identity keys in the key database, only where they change, with a cache in memory.

package vault

import (
	"bytes"
	"context"

	"go.mau.fi/util/dbutil"
	"go.mau.fi/whatsmeow/store"
)

// identities stores a person's identity where it is another one: the library stores it with each message, each time
// in a transaction of its own, and asks for it before that.
type identities struct {
	store.IdentityStore
	db    *dbutil.Database
	own   string
	known remembered[identity]
}

// identity is one that is stored. An unsure one was written in a transaction, which may be rolled back.
type identity struct {
	key    [32]byte
	unsure bool
}

// PutIdentity stores the identity of a device.
func (one *identities) PutIdentity(ctx context.Context, address string, key [32]byte) error {
	known, found := one.known.get(address)
	if found && known == (identity{key: key}) {
		return nil
	}
	_, inside := one.db.Execable(ctx).(*dbutil.LoggingTxn)
	var stored []byte
	err := one.db.QueryRow(ctx,
		"SELECT identity FROM whatsmeow_identity_keys WHERE our_jid = ? AND their_id = ?", one.own, address).Scan(&stored)
	if err == nil && bytes.Equal(stored, key[:]) {
		one.known.put(address, identity{key, inside && known.unsure})
		return nil
	}
	if steps := gathered(ctx); steps != nil && steps.rest != nil {
		return errAlone
	}
	one.known.put(address, identity{key, true})
	if err := one.IdentityStore.PutIdentity(ctx, address, key); err != nil {
		return err
	}
	one.known.put(address, identity{key, inside})
	return nil
}

// IsTrustedIdentity returns whether an identity is the one that is stored, or none is.
func (one *identities) IsTrustedIdentity(ctx context.Context, address string, key [32]byte) (bool, error) {
	if known, found := one.known.get(address); found && !known.unsure {
		return known.key == key, nil
	}
	return one.IdentityStore.IsTrustedIdentity(ctx, address, key)
}

// DeleteAllIdentities deletes the identities of a person's devices.
func (one *identities) DeleteAllIdentities(ctx context.Context, person string) error {
	defer one.known.clear()
	return one.IdentityStore.DeleteAllIdentities(ctx, person)
}

// DeleteIdentity deletes the identity of a device.
func (one *identities) DeleteIdentity(ctx context.Context, address string) error {
	defer one.known.clear()
	return one.IdentityStore.DeleteIdentity(ctx, address)
}
