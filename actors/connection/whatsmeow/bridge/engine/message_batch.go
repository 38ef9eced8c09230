// Decrypts waiting messages together, so that their ratchet steps share one database transaction.

package engine

import (
	"context"
	"errors"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"teimoso-whatsmeow/library"
	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/vault"
)

// messageBatch are ordinary messages that wait at one time: of a person's session, to this account alone. Their ratchet
// steps and plaintexts share a transaction; they are handed on after it. Any other stanza, and a message that cannot be
// read, ends it and is handled by itself.
type messageBatch struct {
	login *login
	ctx   context.Context
	steps *vault.Steps
	turn  func() // ends the turn of the ratchet
	all   []batchedMessage
}

type batchedMessage struct {
	node    *waBinary.Node
	info    *types.MessageInfo
	part    *waBinary.Node
	message *waE2E.Message
	plain   []byte
	hash    *[32]byte
}

// take decrypts a message and gathers its steps; false where it is to be handled by itself, with what was gathered.
func (t *messageBatch) take(node *waBinary.Node) (taken bool) {
	part, info := t.ordinary(node)
	if part == nil {
		return false
	}
	// A stanza that panics is handled by itself, and panics again there.
	defer func() {
		if recover() != nil {
			taken = false
		}
	}()
	one := t.login
	if t.turn == nil {
		t.turn = one.client.Ratchet.Take()
		t.ctx, t.steps = vault.Gather(one.engine.ctx)
	}
	one.learn(one.engine.ctx, info)
	from := one.lidOf(t.ctx, info)
	if from != info.Sender {
		one.client.MigrateSession(t.ctx, info.Sender, from)
	}
	plain, hash, err := one.client.DecryptDirect(t.ctx, part, from, false, info.Timestamp)
	if err != nil {
		if errors.Is(err, library.ErrForged) {
			one.forged = node
		}
		return false
	}
	// One that is malformed comes again by its plaintext, which is stored then.
	message := &waE2E.Message{}
	if proto.Unmarshal(plain, message) != nil {
		return false
	}
	delete(one.given, from)
	t.all = append(t.all, batchedMessage{node, info, part, message, plain, hash})
	if len(t.all) >= vault.MostTogether {
		t.finish()
	}
	return true
}

// ordinary returns the one part of a message that can be taken; nil of another stanza.
func (t *messageBatch) ordinary(node *waBinary.Node) (*waBinary.Node, *types.MessageInfo) {
	if node.Tag != "message" || t.login.engine.sound() != nil {
		return nil, nil
	}
	parts := node.GetChildrenByTag("enc")
	if len(parts) != 1 || outcome.Text(parts[0].Attrs["type"]) != "msg" || outcome.Text(parts[0].Attrs["v"]) != "2" {
		return nil, nil
	}
	info, err := t.login.client.ParseMessage(node)
	if err != nil || info.IsGroup || info.IsFromMe || info.Category != "" || info.Chat.Server == types.NewsletterServer {
		return nil, nil
	}
	return &parts[0], info
}

// finish stores what was gathered, then hands the messages on in their order.
func (t *messageBatch) finish() {
	if t.turn == nil {
		return
	}
	one, all := t.login, t.all
	err := t.steps.Store(one.engine.ctx, one.client.Store)
	t.drop()
	if err != nil {
		one.engine.failed(err) // nothing is answered any more
		return
	}
	for _, each := range all {
		one.guarded(each.node, func() {
			var opened openedMessage
			if opened.add(one, each.node, each.info, each.part, each.message, each.plain, each.hash) == nil {
				opened.settle(one, each.node, each.info)
			}
		})
	}
}

// drop gives up what was gathered, and ends the turn: nothing of it was handed on, and it comes again.
func (t *messageBatch) drop() {
	if t.turn != nil {
		t.turn()
	}
	t.turn, t.steps, t.all = nil, nil, nil
}
