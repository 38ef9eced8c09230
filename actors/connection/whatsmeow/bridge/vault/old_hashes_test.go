// Tests that hashes of messages end two weeks after their arrival, while the key database is in use.

package vault

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"go.mau.fi/whatsmeow/store"
)

// received stores the hashes of so many messages, which arrive now.
func received(t *testing.T, device *store.Device, from, number int) {
	t.Helper()
	ctx, steps := Gather(ctx)
	for index := range number {
		var hash [32]byte
		binary.BigEndian.PutUint64(hash[:], uint64(from+index))
		if err := device.EventBuffer.PutBufferedEvent(ctx, hash, nil, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if err := steps.Store(ctx, device); err != nil {
		t.Fatal(err)
	}
}

func TestHashesEndWhileTheDatabaseIsOpen(t *testing.T) {
	path := directoryOf(t, somewhere(t))
	synctest.Test(t, func(t *testing.T) {
		vault, failure := opened(t, path, 1)
		device := pairedDevice(t, vault)
		const many = 5 * hashesTogether / 2
		received(t, device, 0, many)
		time.Sleep(hashesLast - hashesEvery)
		received(t, device, many, 7)
		if found := count(t, vault.db, "whatsmeow_event_buffer"); found != many+7 {
			t.Errorf("%d hashes are there before the end of their time", found)
		}
		time.Sleep(2 * hashesEvery)
		synctest.Wait()
		if found := count(t, vault.db, "whatsmeow_event_buffer"); found != 7 {
			t.Errorf("%d hashes are there, 7 have time left", found)
		}
		if err := vault.Close(); err != nil || failure.Load() != nil {
			t.Errorf("closed with %v, failures %v", err, failure.Load())
		}
	})
}

func TestOldHashesGoInSteps(t *testing.T) {
	vault, _ := opened(t, directoryOf(t, somewhere(t)), 1)
	device := pairedDevice(t, vault)
	const rows = 20 * hashesTogether
	received(t, device, 0, rows)
	if _, err := vault.db.Exec("UPDATE whatsmeow_event_buffer SET insert_timestamp = 1"); err != nil {
		t.Fatal(err)
	}
	over := make(chan error)
	go func() { over <- vault.deleteOldHashes(ctx) }()
	between := 0
	for done := false; !done; {
		select {
		case err := <-over:
			if err != nil {
				t.Fatal(err)
			}
			done = true
		default:
			if err := device.Sessions.PutSession(ctx, "100000000000002_1:0", []byte("step")); err != nil {
				t.Fatal(err)
			}
			if found := count(t, vault.db, "whatsmeow_event_buffer"); 0 < found && found < rows {
				between++
			}
		}
	}
	if found := count(t, vault.db, "whatsmeow_event_buffer"); found != 0 || between == 0 {
		t.Errorf("%d hashes are left; other transactions came between %d times", found, between)
	}
}
