// Decrypts one incoming message stanza, delivers it to the actor, and answers WhatsApp once the actor stored it.

package engine

import (
	"context"
	"errors"

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
func (one *login) message(node *waBinary.Node) {
	ctx, client := one.engine.ctx, one.client
	info, err := client.ParseMessage(node)
	if err != nil {
		one.acknowledge(node, whatsmeow.NackParsingError)
		return
	}
	if info.Chat.Server == types.NewsletterServer {
		one.acknowledge(node, 0)
		return
	}
	one.learn(ctx, info)
	parts := node.GetChildrenByTag("enc")
	if len(parts) == 0 {
		one.placeholder(node, info, missing(node), func() { one.unread(node, info) })
		return
	}
	one.encrypted(node, info, parts)
}

// unread acknowledges a message that has nothing to read. WhatsApp may keep the copy of an own message until the receipt
// comes, whatever the ack says.
func (one *login) unread(node *waBinary.Node, info *types.MessageInfo) {
	one.client.Acknowledge(one.engine.ctx, node, 0)
	if info.IsFromMe && info.Category != "peer" {
		one.client.Deliver(one.engine.ctx, info, node)
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
func (one *login) learn(ctx context.Context, info *types.MessageInfo) {
	if !info.SenderAlt.IsEmpty() {
		one.client.StoreLIDPNMapping(ctx, info.SenderAlt, info.Sender)
	} else if !info.RecipientAlt.IsEmpty() {
		one.client.StoreLIDPNMapping(ctx, info.RecipientAlt, info.Chat)
	}
}

// encrypted decrypts all parts of a message; the first that cannot be read makes it a placeholder.
func (one *login) encrypted(node *waBinary.Node, info *types.MessageInfo, parts []waBinary.Node) {
	ctx, client := one.engine.ctx, one.client
	from := one.identity(ctx, info)
	var whole opened
	for index := range parts {
		part := &parts[index]
		kind := outcome.Text(part.Attrs["type"])
		plaintext, hash, err := one.decrypt(ctx, node, part, kind, from, info)
		switch {
		case err == nil:
			delete(one.given, from)
		case errors.Is(err, whatsmeow.ErrEventAlreadyProcessed):
			continue
		case errors.Is(err, signalerror.ErrOldCounter) && one.known(info):
			continue
		case one.engine.sound() != nil:
			return
		default:
			keys := !one.given[from]
			one.given[from] = true
			one.placeholder(node, info, "undecryptable", func() {
				client.AskAgain(ctx, node, info, keys)
				one.unread(node, info)
			})
			return
		}
		var message waE2E.Message
		if outcome.Text(part.Attrs["v"]) != "2" || proto.Unmarshal(plaintext, &message) != nil {
			one.placeholder(node, info, "malformed", func() {
				client.Acknowledge(ctx, node, whatsmeow.NackInvalidProtobuf)
			})
			return
		}
		if whole.add(one, node, info, part, &message, plaintext, hash) != nil {
			return // the database failed: nothing is answered any more
		}
	}
	whole.settle(one, node, info)
}

// opened has the deliveries of a decrypted message, and the receipts that follow them.
type opened struct {
	settlements.Settlement
	receipts []func()
}

// add delivers a part. An error is the database's.
func (whole *opened) add(
	one *login, node *waBinary.Node, info *types.MessageInfo, part *waBinary.Node,
	message *waE2E.Message, plaintext []byte, hash *[32]byte,
) error {
	deliveries, receipts, err := one.content(node, info, part, message, plaintext)
	whole.Deliveries = append(whole.Deliveries, deliveries...)
	whole.receipts = append(whole.receipts, receipts...)
	if hash != nil {
		whole.Hashes = append(whole.Hashes, *hash)
	}
	return err
}

// settle has the message receipted once the actor committed all of it.
func (whole *opened) settle(one *login, node *waBinary.Node, info *types.MessageInfo) {
	whole.Done = func(stored bool) {
		if !stored {
			return
		}
		for _, receipt := range whole.receipts {
			receipt()
		}
		one.client.Deliver(one.engine.ctx, info, node)
	}
	one.settle.Add(whole.Settlement)
}

// identity returns the address by which the sender's sessions are kept: the LID where it is known.
func (one *login) identity(ctx context.Context, info *types.MessageInfo) types.JID {
	lid := one.lidOf(ctx, info)
	if lid != info.Sender {
		done := one.engine.ratchet.Take()
		defer done()
		one.client.MigrateSession(ctx, info.Sender, lid)
	}
	return lid
}

// lidOf returns the sender's LID, where it is known; else its address.
func (one *login) lidOf(ctx context.Context, info *types.MessageInfo) types.JID {
	if info.Sender.Server != types.DefaultUserServer || info.Sender.IsBot() {
		return info.Sender
	}
	lid := info.SenderAlt
	if lid.Server != types.HiddenUserServer {
		found, err := one.client.Store.LIDs.GetLIDForPN(ctx, info.Sender)
		if err != nil || found.IsEmpty() {
			return info.Sender
		}
		lid, info.SenderAlt = found, found
	}
	return lid
}

var errUnknownPart = errors.New("unknown kind of encryption")

func (one *login) decrypt(
	ctx context.Context, node, part *waBinary.Node, kind string, from types.JID, info *types.MessageInfo,
) ([]byte, *[32]byte, error) {
	if node == one.forged {
		return nil, nil, library.ErrForged
	}
	done := one.engine.ratchet.Take()
	defer done()
	switch {
	case kind == "pkmsg" || kind == "msg":
		return one.client.DecryptDirect(ctx, part, from, kind == "pkmsg", info.Timestamp)
	case kind == "skmsg" && info.IsGroup:
		return one.client.DecryptGroup(ctx, part, from, info.Chat, info.Timestamp)
	default:
		return nil, nil, errUnknownPart
	}
}

// known asks the actor whether it stored a message whose key is used up.
func (one *login) known(info *types.MessageInfo) bool {
	answer := one.engine.pipe.Wait(one.deliver("knows", headers.Message(info, nil), nil))
	known, _ := answer.Fields["known"].(bool)
	return answer.Err == nil && known
}

// placeholder has the actor store that a message came which cannot be read, before it is answered.
func (one *login) placeholder(node *waBinary.Node, info *types.MessageInfo, kind string, answer func()) {
	fields := headers.Message(info, node)
	fields["kind"] = kind
	for _, part := range node.GetChildrenByTag("enc") {
		if outcome.Text(part.Attrs["decrypt-fail"]) == "hide" {
			fields["hide"] = true
		}
	}
	one.stored(answer, one.deliver("undecryptable", fields, nil))
}

// forget deletes the plaintexts of messages that the actor has.
func (one *login) forget(hashes [][32]byte) {
	engine := one.engine
	if err := engine.vault.ForgetPlaintexts(engine.ctx, one.client.Store.GetJID(), hashes); err != nil {
		engine.failed(err)
	}
}
