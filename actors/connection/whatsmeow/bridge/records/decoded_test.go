// Tests the cache of decoded sessions.

package records

import (
	"bytes"
	"slices"
	"testing"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/keys/chain"
	"go.mau.fi/libsignal/state/record"
	"go.mau.fi/whatsmeow/store"
)

// counted counts what is really decoded.
type counted struct {
	record.SessionSerializer
	count int
}

func (c *counted) Deserialize(encoded []byte) (*record.SessionStructure, error) {
	c.count++
	return c.SessionSerializer.Deserialize(encoded)
}

func structure(t *testing.T, id uint32) *record.SessionStructure {
	t.Helper()
	pair, err := ecc.GenerateKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	public := pair.PublicKey().Serialize()
	return &record.SessionStructure{SessionState: &record.StateStructure{
		LocalIdentityPublic: public, RemoteIdentityPublic: public, SenderBaseKey: public, RemoteRegistrationID: id,
		RootKey: bytes.Repeat([]byte{1}, 32), SessionVersion: 3,
		SenderChain: &record.ChainStructure{
			SenderRatchetKeyPublic: public, ChainKey: &chain.KeyStructure{Key: bytes.Repeat([]byte{2}, 32), Index: id},
		},
	}}
}

func TestSessionsThatWereEncodedAreNotDecoded(t *testing.T) {
	real := &counted{SessionSerializer: store.SignalProtobufSerializer.Session.(*decoded).SessionSerializer}
	all := &decoded{SessionSerializer: real}
	decode := func(encoded []byte, id uint32, want int) {
		t.Helper()
		found, err := all.Deserialize(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if found.SessionState.RemoteRegistrationID != id {
			t.Errorf("another session: %d", found.SessionState.RemoteRegistrationID)
		}
		if real.count != want {
			t.Errorf("%d were decoded", real.count)
		}
	}
	first, second := all.Serialize(structure(t, 1)), all.Serialize(structure(t, 2))
	decode(second, 2, 0)
	decode(first, 1, 0)
	decode(first, 1, 1) // handed out already
	third := all.Serialize(structure(t, 3))
	decode(slices.Clone(third), 3, 2) // as the database has it
	for range 3 * mostDecoded {
		all.Serialize(structure(t, 4))
	}
	if len(all.known) > mostDecoded {
		t.Errorf("%d are kept", len(all.known))
	}
	decode(third, 3, 3)
	large := structure(t, 5)
	large.SessionState.RootKey = make([]byte, largestDecoded)
	fifth, sixth := all.Serialize(large), all.Serialize(structure(t, 6))
	decode(sixth, 6, 3)
	decode(fifth, 5, 3)
	fifth = all.Serialize(large)
	all.Serialize(large)
	decode(fifth, 5, 4) // the last one alone
}
