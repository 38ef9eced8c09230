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
func (i *identities) PutIdentity(ctx context.Context, address string, key [32]byte) error {
	known, found := i.known.get(address)
	if found && known == (identity{key: key}) {
		return nil
	}
	_, inside := i.db.Execable(ctx).(*dbutil.LoggingTxn)
	var stored []byte
	err := i.db.QueryRow(ctx,
		"SELECT identity FROM whatsmeow_identity_keys WHERE our_jid = ? AND their_id = ?", i.own, address).Scan(&stored)
	if err == nil && bytes.Equal(stored, key[:]) {
		i.known.put(address, identity{key, inside && known.unsure})
		return nil
	}
	if steps := gathered(ctx); steps != nil && steps.rest != nil {
		return errAlone
	}
	i.known.put(address, identity{key, true})
	if err := i.IdentityStore.PutIdentity(ctx, address, key); err != nil {
		return err
	}
	i.known.put(address, identity{key, inside})
	return nil
}

// IsTrustedIdentity returns whether an identity is the one that is stored, or none is.
func (i *identities) IsTrustedIdentity(ctx context.Context, address string, key [32]byte) (bool, error) {
	if known, found := i.known.get(address); found && !known.unsure {
		return known.key == key, nil
	}
	return i.IdentityStore.IsTrustedIdentity(ctx, address, key)
}

// DeleteAllIdentities deletes the identities of a person's devices.
func (i *identities) DeleteAllIdentities(ctx context.Context, person string) error {
	defer i.known.clear()
	return i.IdentityStore.DeleteAllIdentities(ctx, person)
}

// DeleteIdentity deletes the identity of a device.
func (i *identities) DeleteIdentity(ctx context.Context, address string) error {
	defer i.known.clear()
	return i.IdentityStore.DeleteIdentity(ctx, address)
}
