// Tests the caches over the key database.

package vault

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"go.mau.fi/whatsmeow/types"
)

func TestWhatIsReadWhileItChangesIsNotKept(t *testing.T) {
	var all remembered[int]
	found, err := all.read("one", func() (int, error) {
		all.forget("one") // somebody stores another value just now
		return 1, nil
	})
	if found != 1 || err != nil {
		t.Errorf("%d %v", found, err)
	}
	for range 2 {
		if found, _ = all.read("one", func() (int, error) { return 2, nil }); found != 2 {
			t.Errorf("the former value was kept: %d", found)
		}
	}
	if found, _ = all.read("one", func() (int, error) { return 3, nil }); found != 2 {
		t.Error("nothing is kept")
	}
	failed := errors.New("failed")
	if _, err := all.read("two", func() (int, error) { return 0, failed }); !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
	if _, known := all.get("two"); known {
		t.Error("a failure was kept")
	}
	for number := range 2 * mostRemembered {
		all.put(fmt.Sprint(number), number)
	}
	if len(all.values) > mostRemembered {
		t.Errorf("%d are kept", len(all.values))
	}
}

func TestASessionThatADecryptionWritesIsReadAgain(t *testing.T) {
	vault, _ := opened(t, directoryOf(t, somewhere(t)), 1)
	device := pairedDevice(t, vault)
	write := func(value string) {
		t.Helper()
		gathering, steps := Gather(ctx)
		if err := errors.Join(device.Sessions.PutSession(gathering, theirs, []byte(value)), steps.Store(ctx, device)); err != nil {
			t.Fatal(err)
		}
	}
	next := func() string {
		gathering, _ := Gather(ctx)
		return session(t, gathering, device, theirs)
	}
	failed := errors.New("undecryptable")
	for _, outcome := range []error{nil, failed} {
		write("sent")
		if found := next(); found != "sent" {
			t.Errorf("%q", found)
		}
		if err := device.EventBuffer.DoDecryptionTxn(ctx, func(ctx context.Context) error {
			return errors.Join(outcome, device.Sessions.PutSession(ctx, theirs, []byte("received")))
		}); !errors.Is(err, outcome) {
			t.Fatal(err)
		}
		if found := next(); (found == "received") != (outcome == nil) || (found == "sent") != (outcome != nil) {
			t.Errorf("%q after %v", found, outcome)
		}
	}
}

func TestIdentitiesThatMoveAreReadAgain(t *testing.T) {
	vault, _ := opened(t, directoryOf(t, somewhere(t)), 1)
	device := pairedDevice(t, vault)
	number, lid := types.NewJID("15550100002", types.DefaultUserServer), types.NewJID("100000000000003", types.HiddenUserServer)
	before, after := number.SignalAddressUser()+":0", lid.SignalAddressUser()+":0"
	trusts := func(address string, key byte) bool {
		found, err := device.Identities.IsTrustedIdentity(ctx, address, [32]byte{key})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for range 2 {
		if err := device.Identities.PutIdentity(ctx, before, [32]byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	if !trusts(before, 1) || trusts(before, 2) {
		t.Error("not stored")
	}
	if err := device.Sessions.MigratePNToLID(ctx, number, lid); err != nil {
		t.Fatal(err)
	}
	if !trusts(before, 2) || trusts(after, 2) || !trusts(after, 1) {
		t.Error("not moved")
	}
	if err := device.Identities.PutIdentity(ctx, after, [32]byte{1}); err != nil || trusts(after, 2) {
		t.Errorf("%v", err)
	}
	if err := device.Identities.DeleteAllIdentities(ctx, lid.SignalAddressUser()); err != nil || !trusts(after, 2) {
		t.Errorf("not deleted: %v", err)
	}
}
