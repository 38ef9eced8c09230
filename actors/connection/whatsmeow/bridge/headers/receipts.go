package headers

import (
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
)

// Parts returns the receipts in one that counts several persons for messages of a group.
func Parts(whole *events.Receipt, parts []waBinary.Node) (all []*events.Receipt) {
	for _, part := range parts {
		for _, child := range part.GetChildrenByTag("user") {
			each, attrs := *whole, child.AttrGetter()
			each.MessageIDs = []types.MessageID{outcome.Text(part.Attrs["key"])}
			each.Sender, each.Timestamp = attrs.JID("jid"), attrs.UnixTime("t")
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
