// Tests that a login which ended sends nothing.

package sending

import (
	"errors"
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"

	"teimoso-whatsmeow/outcome"
)

// The client lasts longer than a login: what the library has encrypted for one would leave over the next one's socket.
func TestNothingLeavesForALoginThatEnded(t *testing.T) {
	ended := &Sender{MayLeave: func() error { return nil }, Connected: func() bool { return false }}
	if err := ended.guard(&OutgoingMessage{}, &waBinary.Node{Tag: "message"}); !errors.Is(err, outcome.NotConnected) {
		t.Errorf("%v", err)
	}
}
