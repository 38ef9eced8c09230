// Builds the JSON headers of notifications about files: changes of profile pictures, and files that the phone uploaded again.

package headers

import (
	"encoding/hex"

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

// MediaRetry describes the phone's answer about a file, which is still encrypted under the file's key; nil where it names none.
func MediaRetry(node *waBinary.Node) (fields pipe.Fields, answer []byte) {
	file, named := node.GetOptionalChildByTag("rmr")
	if !named {
		return nil, nil
	}
	answer, _ = node.GetChildByTag("encrypt", "enc_p").Content.([]byte)
	iv, _ := node.GetChildByTag("encrypt", "enc_iv").Content.([]byte)
	fields = pipe.Fields{
		"chat": outcome.Text(file.Attrs["jid"]), "sender": outcome.Text(file.Attrs["participant"]),
		"message_id": outcome.Text(node.Attrs["id"]), "from_me": outcome.Text(file.Attrs["from_me"]) == "true",
		"iv": hex.EncodeToString(iv), "at": outcome.Number(node.Attrs["t"]),
	}
	if refused, failed := node.GetOptionalChildByTag("error"); failed {
		fields["error"] = outcome.Number(refused.Attrs["code"])
	}
	return fields, answer
}
