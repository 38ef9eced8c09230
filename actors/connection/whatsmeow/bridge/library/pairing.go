// Parses the <pair-success> stanza, by which the server describes the device that a phone linked.

package library

import (
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

// Linked is the device that a phone linked, as the server describes it.
type Linked struct {
	JID, LID           types.JID
	Business, Platform string

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
	return found
}
