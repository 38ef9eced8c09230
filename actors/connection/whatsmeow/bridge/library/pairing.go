// Parses the <pair-success> stanza, by which the server describes the device that a phone linked.

package library

import (
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// Linked is the device that a phone linked, as the server describes it.
type Linked struct {
	JID, LID           types.JID
	Business, Platform string
	// Migrated says whether the account's chats are named by LID; nil where the phone did not tell.
	Migrated *bool

	identity []byte // signed by the phone
}

// ReadLinked reads <pair-success>. Values that are missing are empty; the identity's signature is checked by Pair.
func ReadLinked(success *waBinary.Node) Linked {
	var found Linked
	device := success.GetChildByTag("device")
	found.JID, _ = device.Attrs["jid"].(types.JID)
	found.LID, _ = device.Attrs["lid"].(types.JID)
	found.Business, _ = success.GetChildByTag("biz").Attrs["name"].(string)
	found.Platform, _ = success.GetChildByTag("platform").Attrs["name"].(string)
	found.identity, _ = success.GetChildByTag("device-identity").Content.([]byte)
	props := &waCompanionReg.ClientPairingProps{}
	if encoded, _ := success.GetChildByTag("client-props").Content.([]byte); proto.Unmarshal(encoded, props) == nil {
		found.Migrated = props.IsChatDbLidMigrated
	}
	return found
}
