// Builds the JSON headers by which the program describes calls to the connection's actor.

package headers

import (
	waBinary "go.mau.fi/whatsmeow/binary"

	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
)

// callStates are the parts of a stanza that begin or end a call; all others are about its sound.
var callStates = map[string]string{
	"offer": "offered", "offer_notice": "offered", "terminate": "ended", "reject": "ended", "accept": "ended",
}

// Calls describes each call of a stanza that rings, or is over.
func Calls(node *waBinary.Node) (calls []pipe.Fields) {
	for _, child := range node.GetChildren() {
		state, known := callStates[child.Tag]
		if !known {
			continue
		}
		fields := pipe.Fields{
			"call": outcome.Text(child.Attrs["call-id"]), "caller": outcome.Text(child.Attrs["call-creator"]),
			"from": outcome.Text(node.Attrs["from"]), "state": state, "step": child.Tag, "at": outcome.Number(node.Attrs["t"]),
		}
		_, video := child.GetOptionalChildByTag("video")
		fields["video"] = video || outcome.Text(child.Attrs["media"]) == "video"
		for name, attribute := range map[string]string{
			"caller_phone": "caller_pn", "caller_lid": "caller_lid", "group": "group-jid", "reason": "reason",
		} {
			if value := outcome.Text(child.Attrs[attribute]); value != "" {
				fields[name] = value
			}
		}
		calls = append(calls, fields)
	}
	return calls
}
