// Tests the compaction of records of earlier releases.

package vault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"go.mau.fi/libsignal/groups/ratchet"
	groups "go.mau.fi/libsignal/groups/state/record"
	"go.mau.fi/libsignal/state/record"

	"teimoso-whatsmeow/records"
)

func asJSON(t *testing.T, value any) []byte {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func earlierSession(id uint32) *record.SessionStructure {
	return &record.SessionStructure{
		SessionState:   &record.StateStructure{RemoteRegistrationID: id, SenderChain: &record.ChainStructure{}},
		PreviousStates: []*record.StateStructure{},
	}
}

func TestRecordsOfEarlierVersionsAreEncodedAnew(t *testing.T) {
	path := directoryOf(t, somewhere(t))
	earlier, _ := opened(t, path, 1)
	device := pairedDevice(t, earlier)
	const many = 2*compactedTogether + 1
	for id := range uint32(many) {
		if err := device.Sessions.PutSession(ctx, fmt.Sprint(id), asJSON(t, earlierSession(id))); err != nil {
			t.Fatal(err)
		}
	}
	keys := &groups.SenderKeyStructure{SenderKeyStates: []*groups.SenderKeyStateStructure{{
		KeyID: 7, Keys: []*ratchet.SenderMessageKeyStructure{}, SenderChainKey: &ratchet.SenderChainKeyStructure{Iteration: 8},
	}}}
	for _, err := range []error{
		device.SenderKeys.PutSenderKey(ctx, "group", "earlier", asJSON(t, keys)),
		device.Sessions.PutSession(ctx, "damaged", []byte("{")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	// It was cut short once, behind its first transaction.
	sessions := compactable[0]
	if _, more, err := earlier.compactSome(ctx, sessions.table, sessions.column, sessions.encode, 0); err != nil || !more {
		t.Fatalf("%v, %t", err, more)
	}
	vault, failure := opened(t, path, 2)
	device, err := vault.Device(ctx, nobody)
	if err != nil {
		t.Fatal(err)
	}
	for id := range uint32(many) {
		encoded, err := device.Sessions.GetSession(ctx, fmt.Sprint(id))
		if err != nil || !records.IsCompact(encoded) {
			t.Fatalf("%d: %v, %q", id, err, encoded)
		}
		found, err := records.Sessions.Deserialize(encoded)
		if err != nil || found.SessionState.RemoteRegistrationID != id {
			t.Errorf("%d: %v, %+v", id, err, found)
		}
	}
	encoded, err := device.SenderKeys.GetSenderKey(ctx, "group", "earlier")
	if err != nil || !records.IsCompact(encoded) {
		t.Fatalf("%v, %q", err, encoded)
	}
	found, err := records.SenderKeys.Deserialize(encoded)
	if err != nil || found.SenderKeyStates[0].SenderChainKey.Iteration != 8 {
		t.Errorf("%v, %+v", err, found)
	}
	if session(t, ctx, device, "damaged") != "{" || session(t, ctx, device, theirs) != "session" {
		t.Error("a record that cannot be read changed")
	}
	if failure.Load() != nil {
		t.Error(failure.Load())
	}
}

func TestAnOlderOwnerEncodesNothingAnew(t *testing.T) {
	path := directoryOf(t, somewhere(t))
	older, _ := opened(t, path, 1)
	device, before := pairedDevice(t, older), asJSON(t, earlierSession(1))
	if err := device.Sessions.PutSession(ctx, theirs, before); err != nil {
		t.Fatal(err)
	}
	if _, err := older.db.Exec("UPDATE teimoso_fence SET epoch = 2"); err != nil {
		t.Fatal(err)
	}
	if err := older.compact(ctx); !errors.Is(err, ErrFenced) {
		t.Errorf("%v", err)
	}
	if found, err := device.Sessions.GetSession(ctx, theirs); err != nil || !bytes.Equal(found, before) {
		t.Errorf("%v, %q", err, found)
	}
}
