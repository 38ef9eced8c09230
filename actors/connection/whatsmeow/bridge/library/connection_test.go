// Tests what a socket's bytes and acknowledgements do to sends.

package library

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"

	waBinary "go.mau.fi/whatsmeow/binary"
	waLog "go.mau.fi/whatsmeow/util/log"
)

func TestServerThatReadsNothingHoldsNoSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		socket := &stream{ReadWriteCloser: ours, over: make(chan struct{})}
		if _, err := socket.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("written: %v", err)
		}
		<-socket.over
	})
}

func TestAckOfAnotherClassEndsNoSend(t *testing.T) {
	answer := make(chan *waBinary.Node, 1)
	log := &tappedLog{waLog.Noop, Taps{Received: func(*waBinary.Node) bool { return false }}, &endpoint{}, &outgoing{}}
	log.outgoing.answers.Store("3EB0", answer)
	for ends, class := range []string{"receipt", "message"} {
		log.received(&waBinary.Node{Tag: "ack", Attrs: waBinary.Attrs{"id": "3EB0", "class": class}})
		if len(answer) != ends {
			t.Errorf("an ack of class %s: %d", class, len(answer))
		}
	}
}
