// Tests that nothing is encrypted for a login that ended.

package sending

import (
	"context"
	"errors"
	"testing"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"

	"teimoso-whatsmeow/library"
	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/turns"
)

// The sender of a login that ended knows sessions as it left them, and the next login goes on from there: a step of it
// would be stored over newer ones.
func TestNothingIsEncryptedForALoginThatEnded(t *testing.T) {
	connected, sealed := true, 0
	one := &Sender{
		Client: &library.Client{Client: &whatsmeow.Client{}}, Context: context.Background(), Ratchet: &turns.Ratchet{},
		MayLeave: func() error { return nil }, Connected: func() bool { return connected },
	}
	seal := func(context.Context) (*waBinary.Node, error) {
		sealed++
		connected = false // the login ends with the first of them
		return &waBinary.Node{Tag: "message"}, nil
	}
	share := []*departure{{id: "first", seal: seal}, {id: "second", seal: seal}}
	one.depart(share)
	if sealed != 1 {
		t.Errorf("%d were encrypted", sealed)
	}
	for _, each := range share {
		if !errors.Is(each.err, outcome.NotConnected) {
			t.Errorf("%s: %v", each.id, each.err)
		}
	}
}
