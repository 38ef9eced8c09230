package headers

import (
	"slices"
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	waLog "go.mau.fi/whatsmeow/util/log"

	"teimoso-whatsmeow/library"
)

// One receipt may count who read several messages of a group. The simulator sends each by itself, so that this is
// tested with a stanza of its own.
func TestReceiptOfSeveralPersonsIsTakenApart(t *testing.T) {
	group := types.NewJID("120363000000000001", types.GroupServer)
	ana, bia := types.NewJID("15550100101", types.DefaultUserServer), types.NewJID("15550100102", types.DefaultUserServer)
	user := func(who types.JID, at string) waBinary.Node {
		return waBinary.Node{Tag: "user", Attrs: waBinary.Attrs{"jid": who, "t": at}}
	}
	node := &waBinary.Node{
		Tag: "receipt", Attrs: waBinary.Attrs{"from": group, "id": "3EB0A1", "type": "read", "t": "1700000000"},
		Content: []waBinary.Node{
			{Tag: "participants", Attrs: waBinary.Attrs{"key": "3EB0A1"}, Content: []waBinary.Node{
				user(ana, "1700000001"), user(bia, "1700000002"),
			}},
			{Tag: "participants", Attrs: waBinary.Attrs{"key": "3EB0A2"}, Content: []waBinary.Node{
				user(ana, "1700000003"), {Tag: "user", Attrs: waBinary.Attrs{"t": "1700000004"}},
			}},
		},
	}
	own := types.NewJID("15550100100", types.DefaultUserServer)
	client := library.New(&store.Device{ID: &own}, waLog.Noop, library.Taps{}, nil, nil)
	whole, parts, err := client.ParseReceipt(node)
	if err != nil || len(parts) != 2 {
		t.Fatalf("%v parts: %v", len(parts), err)
	}
	var found []string
	for _, each := range Parts(whole, parts) {
		fields := Receipt(each)
		if fields["chat"] != group.String() || fields["group"] != true || fields["type"] != "read" {
			t.Errorf("delivered as %v", fields)
		}
		found = append(found, each.MessageIDs[0]+" "+each.Sender.User+" "+each.Timestamp.UTC().Format("05"))
	}
	if !slices.Equal(found, []string{"3EB0A1 15550100101 21", "3EB0A1 15550100102 22", "3EB0A2 15550100101 23"}) {
		t.Errorf("found %v", found)
	}
}
