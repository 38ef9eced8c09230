// Dispatches a login's incoming stanzas in order to their handlers; refuses unknown ones and those on which one panics.

package engine

import (
	"encoding/json"
	"strconv"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"teimoso-whatsmeow/ends"
	"teimoso-whatsmeow/library"
	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
	"teimoso-whatsmeow/settlements"
)

// received sees each stanza on the goroutine that reads the socket; waiting here stops reading.
//
// It returns whether the program handles the stanza: what the actor has to commit before it is answered, how a login ends, and what
// would not be answered. All else is the library's, which handles it in a goroutine of its own.
func (l *login) received(node *waBinary.Node) (taken bool) {
	l.engine.trace("in", node)
	l.sawTraffic()
	l.offline.saw(node)
	switch node.Tag {
	case "failure":
		l.end(ends.Failure(node))
		return true
	case "stream:error":
		l.end(ends.StreamError(node))
		return true
	case "iq":
		l.tellLimit(node)
		_, taken = node.GetOptionalChildByTag("pair-success")
		taken = taken && node.Attrs["from"] == types.ServerJID
	case "notification":
		taken = l.notified(node)
	case "success":
		l.admitted.Store(true)
	case "ib":
		l.information(node)
	case "ack", "xmlstreamend", "chatstate", "presence", "status":
	default:
		taken = true
	}
	if taken {
		select {
		case l.stanzas <- node:
		case <-l.stopped:
		}
	}
	// The library would acknowledge what cannot be stored any more.
	return taken || l.engine.sound() != nil
}

func (e *Engine) trace(direction string, node *waBinary.Node) {
	if !e.tracing.Load() {
		return
	}
	encoded, err := waBinary.Marshal(*node)
	if err != nil {
		return
	}
	if shown, err := json.Marshal(node); err == nil {
		e.pipe.Tell("stanza", pipe.Fields{"direction": direction, "size": len(encoded)}, shown)
	}
}

// payload returns what the device says of itself as it logs in, or asks for a pairing.
func (e *Engine) payload(client *library.Client) *waWa6.ClientPayload {
	payload := client.Store.GetClientPayload()
	if e.tracing.Load() {
		if encoded, err := proto.Marshal(payload); err == nil {
			e.pipe.Tell("login", nil, encoded)
		}
	}
	return payload
}

// work handles stanzas one after the other until the login stops; messages that wait are decrypted together.
func (l *login) work() {
	defer l.settle.Close()
	batch := &messageBatch{login: l}
	for {
		var node *waBinary.Node
		select {
		case node = <-l.stanzas:
		case <-l.stopped:
			batch.drop()
			return
		}
		if !batch.take(node) {
			batch.finish()
			l.guarded(node, func() { l.handle(node) })
		}
		if len(l.stanzas) == 0 {
			batch.finish()
		}
	}
}

// guarded has a stanza refused on which the program fails.
func (l *login) guarded(node *waBinary.Node, handle func()) {
	defer func() {
		if broken := recover(); broken != nil {
			l.engine.logs.Module("engine").Errorf("handler panicked")
			l.engine.pipe.Tell("mistake", nil, nil)
			l.unhandled(node)
		}
	}()
	handle()
}

func (l *login) handle(node *waBinary.Node) {
	switch node.Tag {
	case "message", "appdata":
		l.message(node)
	case "receipt":
		l.receipt(node)
	case "notification":
		l.notification(node)
	case "call":
		l.call(node)
	case "iq":
		l.pair(node)
	default:
		if _, addressed := node.Attrs["id"]; addressed {
			l.acknowledge(node, whatsmeow.NackUnrecognizedStanza)
		}
	}
}

// unhandled answers a stanza on which the program failed: a placeholder is stored before it is refused.
func (l *login) unhandled(node *waBinary.Node) {
	if node.Tag != "message" {
		l.acknowledge(node, whatsmeow.NackUnhandledError)
		return
	}
	info, err := l.client.ParseMessage(node)
	if err != nil {
		l.acknowledge(node, whatsmeow.NackParsingError)
		return
	}
	l.placeholder(node, info, "failed", func() {
		l.client.Acknowledge(l.engine.ctx, node, whatsmeow.NackUnhandledError)
	})
}

// deliver sends the actor what it has to commit.
func (l *login) deliver(kind string, fields pipe.Fields, raw []byte) <-chan pipe.Answer {
	return l.engine.pipe.Ask(kind, fields, raw)
}

// stored answers a stanza once the actor committed its deliveries; otherwise it stays unanswered.
func (l *login) stored(answer func(), deliveries ...<-chan pipe.Answer) {
	l.settle.Add(settlements.Settlement{Deliveries: deliveries, Done: func(stored bool) {
		if stored {
			answer()
		}
	}})
}

// acknowledge answers a stanza in its turn behind those before it.
func (l *login) acknowledge(node *waBinary.Node, number int) {
	l.stored(func() { l.client.Acknowledge(l.engine.ctx, node, number) })
}

// requestBatch asks the server for the next stanzas that wait there.
func (l *login) requestBatch() {
	_ = l.client.SendStanza(l.engine.ctx, waBinary.Node{Tag: "ib", Content: []waBinary.Node{
		{Tag: "offline_batch", Attrs: waBinary.Attrs{"count": strconv.Itoa(offlineBatch)}},
	}})
}

func (l *login) information(node *waBinary.Node) {
	if end, known := node.GetOptionalChildByTag("client_expiration"); known {
		l.engine.pipe.Tell("version_end", pipe.Fields{"at": outcome.Text(end.Attrs["t"])}, nil)
	}
}
