// Tests that an identity is written only where it changes.

package vault

import (
	"context"
	"errors"
	"testing"
)

const theirs = "100000000000002_1:0"

func TestAnIdentityIsWrittenOnlyWhereItChanges(t *testing.T) {
	path := directoryOf(t, somewhere(t))
	vault, _ := opened(t, path, 1)
	device := pairedDevice(t, vault)
	for _, key := range [][32]byte{{1}, {2}} {
		if err := device.Identities.PutIdentity(ctx, theirs, key); err != nil {
			t.Fatal(err)
		}
		if trusted, err := device.Identities.IsTrustedIdentity(ctx, theirs, key); err != nil || !trusted {
			t.Error("not stored", err)
		}
	}
	opened(t, path, 2) // from now on a write of the first is refused
	if err := device.Identities.PutIdentity(ctx, theirs, [32]byte{2}); err != nil {
		t.Errorf("the identity that is stored was written again: %v", err)
	}
	if err := device.Identities.PutIdentity(ctx, theirs, [32]byte{3}); err == nil || !isFence(err) {
		t.Errorf("another identity was not written: %v", err)
	}
}

func TestAnIdentityOfATransactionThatFailedIsWrittenAgain(t *testing.T) {
	vault, _ := opened(t, directoryOf(t, somewhere(t)), 1)
	device := pairedDevice(t, vault)
	failed := errors.New("undecryptable")
	if err := device.EventBuffer.DoDecryptionTxn(ctx, func(ctx context.Context) error {
		return errors.Join(failed,
			device.Identities.PutIdentity(ctx, theirs, [32]byte{1}), device.Identities.PutIdentity(ctx, theirs, [32]byte{1}))
	}); !errors.Is(err, failed) {
		t.Fatal(err)
	}
	if err := device.Identities.PutIdentity(ctx, theirs, [32]byte{1}); err != nil {
		t.Fatal(err)
	}
	var stored int
	if err := vault.db.QueryRow("SELECT count(*) FROM whatsmeow_identity_keys").Scan(&stored); err != nil || stored != 1 {
		t.Errorf("%d were written: %v", stored, err)
	}
}
