// Tests checks that run before a decryption.

package vault

import (
	"context"
	"errors"
	"testing"
	"time"
)

var errRefused = errors.New("refused")

func TestADecryptionIsCheckedBeforeItsTransaction(t *testing.T) {
	vault, failure := opened(t, directoryOf(t, somewhere(t)), 1)
	device := pairedDevice(t, vault)
	gathering, _ := Gather(ctx)
	var writes byte
	for name, where := range map[string]context.Context{"alone": ctx, "gathered": gathering} {
		checks, decryptions := 0, 0
		var refusal error
		checked := Check(where, func(ctx context.Context) error {
			checks++
			// A transaction of its own: there is none around it, which would have the database locked.
			writes++
			short, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if err := device.EventBuffer.PutBufferedEvent(short, [32]byte{writes}, nil, time.Now()); err != nil {
				t.Error(err)
			}
			if session(t, ctx, device, theirs) != "session" || session(t, ctx, device, "none") != "" {
				t.Errorf("%s: the check reads something else", name)
			}
			return refusal
		})
		decrypt := func(ctx context.Context) error {
			decryptions++
			// One within another one is not checked again.
			return device.EventBuffer.DoDecryptionTxn(ctx, func(ctx context.Context) error {
				if session(t, ctx, device, theirs) != "session" {
					t.Errorf("%s: the decryption reads something else", name)
				}
				return device.Sessions.PutSession(ctx, theirs, []byte("session"))
			})
		}
		if err := device.EventBuffer.DoDecryptionTxn(checked, decrypt); err != nil || checks != 1 || decryptions != 1 {
			t.Errorf("%s: %v, %d checks, %d decryptions", name, err, checks, decryptions)
		}
		refusal = errRefused
		if err := device.EventBuffer.DoDecryptionTxn(checked, decrypt); !errors.Is(err, errRefused) || decryptions != 1 {
			t.Errorf("%s: %v, %d decryptions", name, err, decryptions)
		}
	}
	if failure.Load() != nil {
		t.Error(failure.Load())
	}
}

func TestASessionThatACheckReadIsNotReadOnceItChanged(t *testing.T) {
	vault, _ := opened(t, directoryOf(t, somewhere(t)), 1)
	device := pairedDevice(t, vault)
	none := func(ctx context.Context) error { session(t, ctx, device, "other"); return nil }
	stop := errors.New("stop")
	err := device.EventBuffer.DoDecryptionTxn(Check(ctx, none), func(ctx context.Context) error {
		if err := device.Sessions.PutSession(ctx, "other", []byte("first")); err != nil {
			t.Error(err)
		}
		if session(t, ctx, device, "other") != "first" {
			t.Error("the transaction does not read what it wrote")
		}
		return stop
	})
	if !errors.Is(err, stop) || session(t, ctx, device, "other") != "" {
		t.Errorf("%v: it is there", err)
	}
	if err := device.Sessions.PutSession(ctx, "other", []byte("second")); err != nil || session(t, ctx, device, "other") != "second" {
		t.Errorf("%v: it is not there", err)
	}
}
