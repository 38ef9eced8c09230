// Tests the answers to stanzas whose handlers panic.

package engine

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	waLog "go.mau.fi/whatsmeow/util/log"

	"teimoso-whatsmeow/frame"
	"teimoso-whatsmeow/library"
	"teimoso-whatsmeow/logging"
	"teimoso-whatsmeow/pipe"
	"teimoso-whatsmeow/settlements"
)

// answersLog counts the answers to stanzas: the library has no socket here, and warns of each one that it cannot write.
type answersLog struct {
	waLog.Logger
	answers atomic.Int32
}

func (a *answersLog) Warnf(template string, _ ...any) {
	if strings.HasPrefix(template, "Failed to send acknowledgement") {
		a.answers.Add(1)
	}
}

func (a *answersLog) Sub(string) waLog.Logger { return a }

// panicked has a handler panic on a stanza, and returns how often the stanza was answered before the actor settled
// what the program delivered, and after. `settle` is called for each delivery.
func panicked(t *testing.T, node *waBinary.Node, settle func(*pipe.Request)) (before, after int32) {
	t.Helper()
	own := types.NewJID("15550100001", types.DefaultUserServer)
	own.Device = 1
	log := &answersLog{Logger: waLog.Noop}
	ours, theirs := net.Pipe()
	defer func() { _ = ours.Close() }()
	defer func() { _ = theirs.Close() }()
	engine := &Engine{ctx: context.Background(), pipe: pipe.New(ours), logs: logging.New(io.Discard)}
	one := &login{
		engine: engine,
		client: library.New(&store.Device{Log: waLog.Noop, ID: &own}, log, library.Taps{}, library.Network{}),
		settle: settlements.New(engine.pipe, func() error { return nil }, func([][32]byte) {}),
	}
	go func() { _ = engine.pipe.Serve(func(*pipe.Request) {}) }()
	mistakes := make(chan struct{}, 9)
	go func() {
		_ = pipe.New(withoutMistakes(theirs, mistakes)).Serve(func(request *pipe.Request) {
			before = log.answers.Load()
			go settle(request)
		})
	}()
	one.guarded(node, func() { panic("a mistake of the program") })
	one.settle.Close()
	one.settle.Run()
	<-mistakes
	return before, log.answers.Load()
}

// withoutMistakes returns the actor's end of a pipe on which no event `mistake` comes; each is reported by the channel.
func withoutMistakes(theirs net.Conn, mistakes chan<- struct{}) net.Conn {
	inner, outer := net.Pipe()
	go func() { _, _ = io.Copy(theirs, outer) }()
	go func() {
		defer func() { _ = outer.Close() }()
		for {
			header, raw, err := frame.Read(theirs)
			if err != nil {
				return
			}
			if strings.Contains(string(header), `"event":"mistake"`) {
				mistakes <- struct{}{}
				continue
			}
			whole, err := frame.Append(nil, header, raw)
			if err != nil {
				return
			}
			if _, err = outer.Write(whole); err != nil {
				return
			}
		}
	}()
	return inner
}

func TestMessageOnWhichTheProgramPanicsIsAnsweredOnceItsPlaceholderIsStored(t *testing.T) {
	message := &waBinary.Node{Tag: "message", Attrs: waBinary.Attrs{
		"from": types.NewJID("15550100002", types.DefaultUserServer), "id": "3EB0000000000000000001", "t": "1790000000",
		"type": "text",
	}}
	for stored, answers := range map[bool]int32{true: 1, false: 0} {
		deliveries := 0
		before, after := panicked(t, message, func(request *pipe.Request) {
			deliveries++
			fields := pipe.Fields{}
			if json.Unmarshal(request.Header, &fields) != nil || request.Do != "undecryptable" ||
				fields["kind"] != "failed" || fields["message_id"] != "3EB0000000000000000001" {
				t.Errorf("delivered %s %s", request.Do, request.Header)
			}
			if stored {
				request.Answer(nil, nil)
			} else {
				request.Refuse(&pipe.Refusal{Code: "not_stored"})
			}
		})
		if deliveries != 1 || before != 0 || after != answers {
			t.Errorf("stored %v: %d deliveries, %d answers before and %d after", stored, deliveries, before, after)
		}
	}
}

func TestStanzaOnWhichTheProgramPanicsIsAnswered(t *testing.T) {
	for _, tag := range []string{"receipt", "notification", "call"} {
		node := &waBinary.Node{Tag: tag, Attrs: waBinary.Attrs{
			"from": types.NewJID("15550100002", types.DefaultUserServer), "id": "17", "type": "encrypt",
		}}
		if _, answers := panicked(t, node, func(*pipe.Request) {}); answers != 1 {
			t.Errorf("%s: %d answers", tag, answers)
		}
	}
}
