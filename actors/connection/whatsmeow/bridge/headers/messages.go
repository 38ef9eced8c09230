// Package headers builds the JSON headers of frames that describe messages, receipts and groups to the actor.
package headers

import (
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"teimoso-whatsmeow/pipe"
)

// Message describes a message without its content.
func Message(info *types.MessageInfo, node *waBinary.Node) pipe.Fields {
	fields := pipe.Fields{
		"chat": info.Chat.String(), "sender": info.Sender.String(), "message_id": info.ID,
		"at": info.Timestamp.Unix(), "from_me": info.IsFromMe, "group": info.IsGroup,
	}
	for name, value := range map[string]string{
		"sender_alt": info.SenderAlt.String(), "recipient_alt": info.RecipientAlt.String(),
		"push_name": info.PushName, "category": info.Category, "edit": string(info.Edit),
		"addressing": string(info.AddressingMode), "type": info.Type,
	} {
		if value != "" {
			fields[name] = value
		}
	}
	if node != nil {
		_, offline := node.Attrs["offline"]
		fields["offline"] = offline
	}
	return fields
}
