// Builds the JSON headers of receipts for the actor, one for each person of a stanza with several.

package headers

import (
	"cmp"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
)

// Parts returns the receipts in the stanza of one that counts several persons for messages of a group.
//
// A person without a type or a time has that of the whole, and a part without an id of its own is about the stanza's.
// Sources: whatsmeow, receipt.go; whatsapp-rust, receipt.rs.
func Parts(node *waBinary.Node, whole *events.Receipt, parts []waBinary.Node) (all []*events.Receipt) {
	for _, part := range parts {
		id := cmp.Or(outcome.Text(part.Attrs["message_id"]), outcome.Text(part.Attrs["key"]), outcome.Text(node.Attrs["id"]))
		for _, child := range part.GetChildrenByTag("user") {
			each, attrs := *whole, child.AttrGetter()
			each.MessageIDs, each.Sender = []types.MessageID{id}, attrs.JID("jid")
			if at := attrs.OptionalUnixTime("t"); !at.IsZero() {
				each.Timestamp = at
			}
			each.Type = cmp.Or(types.ReceiptType(attrs.OptionalString("type")), whole.Type)
			if attrs.OK() {
				all = append(all, &each)
			}
		}
	}
	return all
}

// Receipt describes a receipt of one person.
func Receipt(receipt *events.Receipt) pipe.Fields {
	fields := pipe.Fields{
		"chat": receipt.Chat.String(), "sender": receipt.Sender.String(), "from_me": receipt.IsFromMe,
		"group": receipt.IsGroup, "ids": receipt.MessageIDs, "type": string(receipt.Type),
		"at": receipt.Timestamp.Unix(),
	}
	for name, address := range map[string]types.JID{
		"sender_alt": receipt.SenderAlt, "recipient_alt": receipt.RecipientAlt,
		"message_sender": receipt.MessageSender,
	} {
		if !address.IsEmpty() {
			fields[name] = address.String()
		}
	}
	return fields
}
