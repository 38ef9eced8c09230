// Decrypts one incoming message stanza, delivers it to the actor, and answers WhatsApp once the actor stored it.

package engine

import (
	"context"
	"errors"
	"slices"

	"go.mau.fi/libsignal/signalerror"
	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"teimoso-whatsmeow/headers"
	"teimoso-whatsmeow/library"
	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/settlements"
)

// message decrypts a message, hands it to the actor, and has it receipted once that committed it.
func (l *login) message(node *waBinary.Node) {
	ctx, client := l.engine.ctx, l.client
	info, err := client.ParseMessage(node)
	if err != nil {
		l.acknowledge(node, whatsmeow.NackParsingError)
		return
	}
	if info.Chat.Server == types.NewsletterServer {
		l.acknowledge(node, 0)
		return
	}
	l.learn(ctx, info)
	parts := node.GetChildrenByTag("enc")
	if len(parts) == 0 {
		l.placeholder(node, info, missing(node), func() { l.unread(node, info) })
		return
	}
	l.encrypted(node, info, parts)
}

// unread acknowledges a message that has nothing to read. WhatsApp may keep the copy of an own message until the receipt
// comes, whatever the ack says.
func (l *login) unread(node *waBinary.Node, info *types.MessageInfo) {
	l.client.Acknowledge(l.engine.ctx, node, 0)
	if info.IsFromMe && info.Category != "peer" {
		l.client.Deliver(l.engine.ctx, info, node)
	}
}

// missing returns the kind of a message that came without its content. The phone hands over none of those that a
// hosted device or a bot has, which no type of theirs need say.
func missing(node *waBinary.Node) string {
	part, found := node.GetOptionalChildByTag("unavailable")
	if !found {
		return "empty"
	}
	hosted := outcome.Text(part.Attrs["hosted"])
	_, bot := node.GetOptionalChildByTag("bot")
	switch kind := outcome.Text(part.Attrs["type"]); {
	case hosted == "true" || hosted == "1":
		return "hosted_unavailable_fanout"
	case bot:
		return "bot_unavailable_fanout"
	case kind == "":
		return "unavailable"
	default:
		return kind
	}
}

// learn stores the second address, LID or number, that a message names for its sender or recipient.
func (l *login) learn(ctx context.Context, info *types.MessageInfo) {
	if !info.SenderAlt.IsEmpty() {
		l.client.StoreLIDPNMapping(ctx, info.SenderAlt, info.Sender)
	} else if !info.RecipientAlt.IsEmpty() {
		l.client.StoreLIDPNMapping(ctx, info.RecipientAlt, info.Chat)
	}
}

// encrypted decrypts all parts of a message; the first that cannot be read makes it a placeholder. A part of a kind that
// no device reads is left out; where there is no other the message is refused, since it could not be read a second time.
func (l *login) encrypted(node *waBinary.Node, info *types.MessageInfo, parts []waBinary.Node) {
	ctx, client := l.engine.ctx, l.client
	from := l.identity(ctx, info)
	var opened openedMessage
	parts = slices.DeleteFunc(parts, func(part waBinary.Node) bool { return !readable(&part, info) })
	if len(parts) == 0 {
		l.placeholder(node, info, "unknown_enc", func() {
			client.Acknowledge(ctx, node, whatsmeow.NackMissingMessageSecret)
		})
		return
	}
	for index := range parts {
		part := &parts[index]
		kind := outcome.Text(part.Attrs["type"])
		plaintext, hash, err := l.decrypt(ctx, node, part, kind, from, info)
		switch {
		case err == nil:
			delete(l.given, from)
		case errors.Is(err, whatsmeow.ErrEventAlreadyProcessed):
			continue
		case errors.Is(err, signalerror.ErrOldCounter) && l.known(info):
			continue
		case l.engine.sound() != nil:
			return
		default:
			keys := !l.given[from]
			l.given[from] = true
			l.placeholder(node, info, "undecryptable", func() {
				client.AskAgain(ctx, node, info, keys)
				l.unread(node, info)
			})
			return
		}
		var message waE2E.Message
		if outcome.Text(part.Attrs["v"]) != "2" || proto.Unmarshal(plaintext, &message) != nil {
			l.placeholder(node, info, "malformed", func() {
				client.Acknowledge(ctx, node, whatsmeow.NackInvalidProtobuf)
			})
			return
		}
		if opened.add(l, node, info, part, &message, plaintext, hash) != nil {
			return // the database failed: nothing is answered any more
		}
	}
	opened.settle(l, node, info)
}

// openedMessage has the deliveries of a decrypted message, and the receipts that follow them.
type openedMessage struct {
	settlements.Settlement
	receipts []func()
}

// add delivers a part. An error is the database's.
func (o *openedMessage) add(
	one *login, node *waBinary.Node, info *types.MessageInfo, part *waBinary.Node,
	message *waE2E.Message, plaintext []byte, hash *[32]byte,
) error {
	deliveries, receipts, err := one.content(node, info, part, message, plaintext)
	o.Deliveries = append(o.Deliveries, deliveries...)
	o.receipts = append(o.receipts, receipts...)
	if hash != nil {
		o.Hashes = append(o.Hashes, *hash)
	}
	return err
}

// settle has the message receipted once the actor committed all of it.
func (o *openedMessage) settle(one *login, node *waBinary.Node, info *types.MessageInfo) {
	o.Done = func(stored bool) {
		if !stored {
			return
		}
		for _, receipt := range o.receipts {
			receipt()
		}
		one.client.Deliver(one.engine.ctx, info, node)
	}
	one.settle.Add(o.Settlement)
}

// identity returns the address by which the sender's sessions are kept: the LID where it is known.
func (l *login) identity(ctx context.Context, info *types.MessageInfo) types.JID {
	lid := l.lidOf(ctx, info)
	if lid != info.Sender {
		done := l.client.Ratchet.Take()
		defer done()
		l.client.MigrateSession(ctx, info.Sender, lid)
	}
	return lid
}

// lidOf returns the sender's LID, where it is known; else its address.
func (l *login) lidOf(ctx context.Context, info *types.MessageInfo) types.JID {
	if info.Sender.Server != types.DefaultUserServer || info.Sender.IsBot() {
		return info.Sender
	}
	lid := info.SenderAlt
	if lid.Server != types.HiddenUserServer {
		found, err := l.client.Store.LIDs.GetLIDForPN(ctx, info.Sender)
		if err != nil || found.IsEmpty() {
			return info.Sender
		}
		lid, info.SenderAlt = found, found
	}
	return lid
}

// readable returns whether a part is of a kind that this device reads.
func readable(part *waBinary.Node, info *types.MessageInfo) bool {
	switch outcome.Text(part.Attrs["type"]) {
	case "pkmsg", "msg":
		return true
	case "skmsg":
		return info.IsGroup
	default:
		return false
	}
}

func (l *login) decrypt(
	ctx context.Context, node, part *waBinary.Node, kind string, from types.JID, info *types.MessageInfo,
) ([]byte, *[32]byte, error) {
	if node == l.forged {
		return nil, nil, library.ErrForged
	}
	done := l.client.Ratchet.Take()
	defer done()
	if kind == "skmsg" {
		return l.client.DecryptGroup(ctx, part, from, info.Chat, info.Timestamp)
	}
	return l.client.DecryptDirect(ctx, part, from, kind == "pkmsg", info.Timestamp)
}

// known asks the actor whether it stored a message whose key is used up.
func (l *login) known(info *types.MessageInfo) bool {
	answer := l.engine.pipe.Wait(l.deliver("knows", headers.Message(info, nil), nil))
	known, _ := answer.Fields["known"].(bool)
	return answer.Err == nil && known
}

// placeholder has the actor store that a message came which cannot be read, before it is answered.
func (l *login) placeholder(node *waBinary.Node, info *types.MessageInfo, kind string, answer func()) {
	fields := headers.Message(info, node)
	fields["kind"] = kind
	for _, part := range node.GetChildrenByTag("enc") {
		if outcome.Text(part.Attrs["decrypt-fail"]) == "hide" {
			fields["hide"] = true
		}
	}
	l.stored(answer, l.deliver("undecryptable", fields, nil))
}

// forget deletes the plaintexts of messages that the actor has.
func (l *login) forget(hashes [][32]byte) {
	engine := l.engine
	if err := engine.vault.ForgetPlaintexts(engine.ctx, l.client.Store.GetJID(), hashes); err != nil {
		engine.failed(err)
	}
}
