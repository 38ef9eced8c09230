// Builds the JSON header by which the program describes changes of profile pictures to the connection's actor.

package headers

import (
	waBinary "go.mau.fi/whatsmeow/binary"

	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
)

// PictureChanges describes whose pictures changed by the notification; a picture without an id has none in the header.
func PictureChanges(node *waBinary.Node) pipe.Fields {
	found := []pipe.Fields{}
	for _, part := range node.GetChildren() {
		if part.Tag != "set" && part.Tag != "add" && part.Tag != "delete" {
			continue
		}
		chat := outcome.Text(part.Attrs["jid"])
		if chat == "" {
			chat = outcome.Text(node.Attrs["from"])
		}
		found = append(found, pipe.Fields{
			"chat": chat, "picture": outcome.Text(part.Attrs["id"]), "removed": part.Tag == "delete",
			"sender": outcome.Text(part.Attrs["author"]),
		})
	}
	return pipe.Fields{
		"notification": outcome.Text(node.Attrs["id"]), "at": outcome.Number(node.Attrs["t"]), "changes": found,
	}
}
