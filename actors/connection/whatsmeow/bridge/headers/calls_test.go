// Tests the description of the calls in a stanza.

package headers

import (
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
)

func TestEachCallOfAStanzaIsDescribed(t *testing.T) {
	caller := types.NewJID("15550100002", types.DefaultUserServer)
	part := func(tag, id string, more waBinary.Attrs) waBinary.Node {
		attrs := waBinary.Attrs{"call-id": id, "call-creator": caller}
		for name, value := range more {
			attrs[name] = value
		}
		return waBinary.Node{Tag: tag, Attrs: attrs}
	}
	found := Calls(&waBinary.Node{
		Tag: "call", Attrs: waBinary.Attrs{"from": caller, "t": "1790000000"},
		Content: []waBinary.Node{
			part("terminate", "A", waBinary.Attrs{"reason": "timeout"}),
			part("transport", "A", nil),
			part("offer", "B", waBinary.Attrs{"media": "video", "caller_lid": "90000000000002@lid"}),
		},
	})
	if len(found) != 2 {
		t.Fatalf("%d calls", len(found))
	}
	ended, rings := found[0], found[1]
	if ended["call"] != "A" || ended["state"] != "ended" || ended["reason"] != "timeout" || ended["video"] != false {
		t.Errorf("the call that is over is %v", ended)
	}
	if rings["call"] != "B" || rings["state"] != "offered" || rings["video"] != true ||
		rings["caller"] != caller.String() || rings["caller_lid"] != "90000000000002@lid" || rings["at"] != 1790000000 {
		t.Errorf("the call that rings is %v", rings)
	}
}
