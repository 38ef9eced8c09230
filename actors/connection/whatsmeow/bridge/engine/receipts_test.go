// Tests that a login which ended sends nothing again.

package engine

import (
	"io"
	"testing"

	"teimoso-whatsmeow/logging"
)

// The client of a login that ended is not asked: it would encrypt from sessions as that login left them.
func TestNothingIsSentAgainForALoginThatEnded(t *testing.T) {
	ended := &login{engine: New(nil, logging.New(io.Discard)), retries: make(chan struct{}, 1)}
	ended.retries <- struct{}{}
	ended.retried(nil, nil)
	if len(ended.retries) > 0 {
		t.Error("its place is taken for ever")
	}
}
