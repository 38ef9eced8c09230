// Tests the shared transaction of ratchet steps.

package vault

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
)

func session(t *testing.T, ctx context.Context, device *store.Device, address string) string {
	t.Helper()
	found, err := device.Sessions.GetSession(ctx, address)
	many, second := device.Sessions.GetManySessions(ctx, []string{address, "nobody"})
	has, third := device.Sessions.HasSession(ctx, address)
	if err := errors.Join(err, second, third); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(many[address], found) || has != (found != nil) || many["nobody"] != nil {
		t.Errorf("%s: %q alone, %q among several, %t", address, found, many[address], has)
	}
	return string(found)
}

func TestStepsAreStoredTogether(t *testing.T) {
	vault, failure := opened(t, directoryOf(t, somewhere(t)), 1)
	device := pairedDevice(t, vault)
	own := device.LID.SignalAddress().String()
	gathering, steps := Gather(ctx)
	for _, err := range []error{
		device.Sessions.PutSession(gathering, theirs, []byte("step")),
		device.Sessions.PutManySessions(gathering, map[string][]byte{theirs: []byte("second step"), "other": []byte("first")}),
		device.SenderKeys.PutSenderKey(gathering, "group", own, []byte("own step")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	key := func(ctx context.Context) string {
		found, err := device.SenderKeys.GetSenderKey(ctx, "group", own)
		if err != nil {
			t.Fatal(err)
		}
		return string(found)
	}
	if session(t, gathering, device, theirs) != "second step" || session(t, gathering, device, "other") != "first" || key(gathering) != "own step" {
		t.Error("a message does not go on from the step of the one before it")
	}
	if session(t, ctx, device, theirs) != "session" || session(t, ctx, device, "other") != "" || key(ctx) != "own" {
		t.Error("stored before Store")
	}
	if err := steps.Store(ctx, device); err != nil {
		t.Fatal(err)
	}
	if session(t, ctx, device, theirs) != "second step" || session(t, ctx, device, "other") != "first" || key(ctx) != "own step" {
		t.Error("not stored")
	}
	if failure.Load() != nil {
		t.Error(failure.Load())
	}
}

func TestStepsOfAnOlderOwnerAreRefused(t *testing.T) {
	path := directoryOf(t, somewhere(t))
	older, _ := opened(t, path, 1)
	device := pairedDevice(t, older)
	gathering, steps := Gather(ctx)
	if err := device.Sessions.PutSession(gathering, theirs, []byte("step")); err != nil {
		t.Fatal(err)
	}
	opened(t, path, 2)
	if err := steps.Store(ctx, device); !errors.Is(err, ErrFenced) {
		t.Errorf("%v", err)
	}
	if session(t, ctx, device, theirs) != "session" {
		t.Error("stored all the same")
	}
}

func TestWhatDeletesOrMovesSessionsFindsTheSteps(t *testing.T) {
	number, lid := types.NewJID("15550100002", types.DefaultUserServer), types.NewJID("100000000000003", types.HiddenUserServer)
	for name, change := range map[string]func(context.Context, *store.Device) error{
		"15550100002:0": func(ctx context.Context, one *store.Device) error {
			return one.Sessions.MigratePNToLID(ctx, number, lid)
		},
		"100000000000004:0": func(ctx context.Context, one *store.Device) error {
			return one.Sessions.DeleteSession(ctx, "100000000000004:0")
		},
	} {
		vault, _ := opened(t, directoryOf(t, somewhere(t)), 1)
		device := pairedDevice(t, vault)
		gathering, steps := Gather(ctx)
		if err := device.Sessions.PutSession(gathering, name, []byte("step")); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(change(gathering, device), steps.Store(ctx, device)); err != nil {
			t.Fatal(err)
		}
		if session(t, ctx, device, name) != "" {
			t.Errorf("%s is there again", name)
		}
		if moved := session(t, ctx, device, lid.SignalAddressUser()+":0"); (name == "15550100002:0") != (moved == "step") {
			t.Errorf("%s: %q was moved", name, moved)
		}
	}
}

func TestPlaintextsAreStoredWithTheStepsThatGaveThem(t *testing.T) {
	vault, _ := opened(t, directoryOf(t, somewhere(t)), 1)
	device := pairedDevice(t, vault)
	gathering, steps := Gather(ctx)
	failed, at := errors.New("undecryptable"), time.Unix(1_700_000_000, 0)
	decrypt := func(hash byte, session string, outcome error) error {
		return device.EventBuffer.DoDecryptionTxn(gathering, func(ctx context.Context) error {
			return errors.Join(
				device.Sessions.PutSession(ctx, theirs, []byte(session)),
				device.EventBuffer.PutBufferedEvent(ctx, [32]byte{hash}, []byte(session), at),
				outcome,
			)
		})
	}
	plaintext := func(ctx context.Context, hash byte) string {
		found, err := device.EventBuffer.GetBufferedEvent(ctx, [32]byte{hash})
		if err != nil {
			t.Fatal(err)
		}
		if found == nil {
			return ""
		}
		return string(found.Plaintext)
	}
	if err := decrypt(1, "first", nil); err != nil {
		t.Fatal(err)
	}
	if err := decrypt(2, "second", failed); !errors.Is(err, failed) {
		t.Fatal(err)
	}
	if session(t, gathering, device, theirs) != "first" || plaintext(gathering, 1) != "first" || plaintext(gathering, 2) != "" {
		t.Error("a decryption that failed changed something")
	}
	if session(t, ctx, device, theirs) != "session" || plaintext(ctx, 1) != "" {
		t.Error("stored before Store")
	}
	if err := steps.Store(ctx, device); err != nil {
		t.Fatal(err)
	}
	if session(t, ctx, device, theirs) != "first" || plaintext(ctx, 1) != "first" || plaintext(ctx, 2) != "" {
		t.Error("not stored, or not that alone")
	}
}

func TestWhatCannotBeGatheredIsRefusedWithinADecryption(t *testing.T) {
	number, lid := types.NewJID("15550100002", types.DefaultUserServer), types.NewJID("100000000000003", types.HiddenUserServer)
	for name, change := range map[string]func(context.Context, *store.Device) error{
		"prekey": func(ctx context.Context, one *store.Device) error { return one.PreKeys.RemovePreKey(ctx, 1) },
		"identity": func(ctx context.Context, one *store.Device) error {
			return one.Identities.PutIdentity(ctx, theirs, [32]byte{1})
		},
		"deleted": func(ctx context.Context, one *store.Device) error { return one.Sessions.DeleteSession(ctx, theirs) },
		"moved": func(ctx context.Context, one *store.Device) error {
			return one.Sessions.MigratePNToLID(ctx, number, lid)
		},
	} {
		vault, _ := opened(t, directoryOf(t, somewhere(t)), 1)
		device := pairedDevice(t, vault)
		gathering, _ := Gather(ctx)
		if err := device.EventBuffer.DoDecryptionTxn(gathering, func(ctx context.Context) error {
			return change(ctx, device)
		}); !errors.Is(err, errAlone) {
			t.Errorf("%s: %v", name, err)
		}
		key, err := device.PreKeys.GetPreKey(ctx, 1)
		if err != nil || key == nil || session(t, ctx, device, theirs) != "session" {
			t.Errorf("%s: something changed: %v", name, err)
		}
		if trusted, err := device.Identities.IsTrustedIdentity(ctx, theirs, [32]byte{2}); err != nil || !trusted {
			t.Errorf("%s: an identity was stored: %v", name, err)
		}
	}
}
