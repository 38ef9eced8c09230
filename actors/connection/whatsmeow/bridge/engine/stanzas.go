// Dispatches a login's incoming stanzas in order to their handlers; refuses unknown ones and those on which one panics.

package engine

import (
	"runtime/debug"
	"strconv"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"google.golang.org/protobuf/proto"

	"teimoso-whatsmeow/ends"
	"teimoso-whatsmeow/intake"
	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
	"teimoso-whatsmeow/settlements"
)

// received sees each stanza on the goroutine that reads the socket; waiting here stops reading.
func (one *login) received(node *waBinary.Node) {
	one.engine.trace("in", node)
	one.sawTraffic()
	one.offline.Saw(node)
	switch node.Tag {
	case "failure":
		one.end(ends.Failure(node))
	case "stream:error":
		one.end(ends.StreamError(node))
	case "xmlstreamend", "ack":
	case "iq":
		if kind, _ := node.Attrs["type"].(string); kind == "set" || kind == "get" {
			one.queue.Put(node)
		}
	default:
		one.queue.Put(node)
	}
}

func (one *login) sent(node *waBinary.Node) { one.engine.trace("out", node) }

func (engine *Engine) trace(direction string, node *waBinary.Node) {
	if !engine.tracing.Load() {
		return
	}
	if encoded, err := waBinary.Marshal(*node); err == nil {
		engine.pipe.Tell("stanza", pipe.Fields{"direction": direction}, encoded)
	}
}

// payload returns what the device says of itself as it logs in, or asks for a pairing.
func (one *login) payload() *waWa6.ClientPayload {
	payload := one.client.Store.GetClientPayload()
	if one.engine.tracing.Load() {
		if encoded, err := proto.Marshal(payload); err == nil {
			one.engine.pipe.Tell("login", nil, encoded)
		}
	}
	return payload
}

// work handles stanzas one after the other until the queue is closed; messages that wait are decrypted together.
func (one *login) work() {
	defer one.settle.Close()
	together := &together{login: one}
	for {
		node, ok := one.queue.Take()
		if !ok {
			together.drop()
			return
		}
		if !together.take(node) {
			together.finish()
			one.guarded(node, func() { one.handle(node) })
		}
		if one.queue.Empty() {
			together.finish()
		}
	}
}

// guarded has a stanza refused on which the program fails.
func (one *login) guarded(node *waBinary.Node, handle func()) {
	defer func() {
		if broken := recover(); broken != nil {
			one.engine.logs.Module("engine").Errorf("handler panicked")
			one.engine.pipe.Tell("mistake", nil, nil)
			_ = debug.Stack()
			one.unhandled(node)
		}
	}()
	handle()
}

func (one *login) handle(node *waBinary.Node) {
	ctx := one.engine.ctx
	switch node.Tag {
	case "message", "appdata":
		one.message(node)
	case "receipt":
		one.receipt(node)
	case "notification":
		one.notification(node)
	case "call":
		one.call(node)
	case "status":
		// A status is shown to nobody here; the server waits for the ack.
		one.acknowledge(node, 0)
	case "chatstate":
		one.client.ChatState(ctx, node)
	case "presence":
		one.client.PresenceStanza(ctx, node)
	case "success":
		one.success(node)
	case "iq":
		one.serverQuery(node)
	case "ib":
		one.information(node)
	default:
		if _, addressed := node.Attrs["id"]; addressed {
			one.acknowledge(node, whatsmeow.NackUnrecognizedStanza)
		}
	}
}

// unhandled answers a stanza on which the program failed: a placeholder is stored before it is refused.
func (one *login) unhandled(node *waBinary.Node) {
	if node.Tag != "message" {
		one.acknowledge(node, whatsmeow.NackUnhandledError)
		return
	}
	info, err := one.client.ParseMessage(node)
	if err != nil {
		one.acknowledge(node, whatsmeow.NackParsingError)
		return
	}
	one.placeholder(node, info, "failed", func() {
		one.client.Acknowledge(one.engine.ctx, node, whatsmeow.NackUnhandledError)
	})
}

// deliver sends the actor what it has to commit.
func (one *login) deliver(kind string, fields pipe.Fields, raw []byte) <-chan pipe.Answer {
	return one.engine.pipe.Ask(kind, fields, raw)
}

// stored answers a stanza once the actor committed its deliveries; otherwise it stays unanswered.
func (one *login) stored(answer func(), deliveries ...<-chan pipe.Answer) {
	one.settle.Add(settlements.Settlement{Deliveries: deliveries, Done: func(stored bool) {
		if stored {
			answer()
		}
	}})
}

// acknowledge answers a stanza in its turn behind those before it.
func (one *login) acknowledge(node *waBinary.Node, number int) {
	one.stored(func() { one.client.Acknowledge(one.engine.ctx, node, number) })
}

// requestBatch asks the server for the next stanzas that wait there.
func (one *login) requestBatch() {
	_ = one.client.SendStanza(one.engine.ctx, waBinary.Node{Tag: "ib", Content: []waBinary.Node{
		{Tag: "offline_batch", Attrs: waBinary.Attrs{"count": strconv.Itoa(intake.Batch)}},
	}})
}

// success begins the session of a paired device.
func (one *login) success(node *waBinary.Node) { one.client.ConnectSuccess(one.engine.ctx, node) }

func (one *login) information(node *waBinary.Node) {
	for _, child := range node.GetChildren() {
		switch child.Tag {
		case "client_expiration":
			one.engine.pipe.Tell("version_end", pipe.Fields{"at": outcome.Text(child.Attrs["t"])}, nil)
		}
	}
}
