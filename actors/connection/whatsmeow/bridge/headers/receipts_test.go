// Tests the split of a receipt of several persons.

package headers

import (
	"fmt"
	"slices"
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	waLog "go.mau.fi/whatsmeow/util/log"

	"teimoso-whatsmeow/library"
)

// One receipt may count who has, or read, several messages of a group, each person with a type of their own.
func TestReceiptOfSeveralPersonsIsTakenApart(t *testing.T) {
	group := types.NewJID("120363000000000001", types.GroupServer)
	ana, bia := types.NewJID("15550100101", types.DefaultUserServer), types.NewJID("15550100102", types.DefaultUserServer)
	node := &waBinary.Node{
		Tag: "receipt", Attrs: waBinary.Attrs{"from": group, "id": "3EB0A3", "type": "read", "t": "1700000000"},
		Content: []waBinary.Node{
			{Tag: "participants", Attrs: waBinary.Attrs{"key": "3EB0A1"}, Content: []waBinary.Node{
				{Tag: "user", Attrs: waBinary.Attrs{"jid": ana, "t": "1700000001"}},
				{Tag: "user", Attrs: waBinary.Attrs{"jid": bia}},
			}},
			{Tag: "participants", Attrs: waBinary.Attrs{"message_id": "3EB0A2"}, Content: []waBinary.Node{
				{Tag: "user", Attrs: waBinary.Attrs{"jid": ana, "t": "1700000003", "type": "delivery"}},
				{Tag: "user", Attrs: waBinary.Attrs{"jid": bia, "t": "1700000004", "type": "played"}},
				{Tag: "user", Attrs: waBinary.Attrs{"t": "1700000005"}},
			}},
			{Tag: "participants", Content: []waBinary.Node{{Tag: "user", Attrs: waBinary.Attrs{"jid": ana}}}},
		},
	}
	own := types.NewJID("15550100100", types.DefaultUserServer)
	client := library.New(&store.Device{ID: &own}, waLog.Noop, library.Taps{}, library.Network{})
	whole, parts, err := client.ParseReceipt(node)
	if err != nil || len(parts) != 3 {
		t.Fatalf("%v parts: %v", len(parts), err)
	}
	var found []string
	for _, each := range Parts(node, whole, parts) {
		fields := Receipt(each)
		if fields["chat"] != group.String() || fields["group"] != true {
			t.Errorf("delivered as %v", fields)
		}
		found = append(found, fmt.Sprintf("%v %v %v %v", each.MessageIDs, each.Sender.User, fields["type"], fields["at"]))
	}
	expected := []string{
		"[3EB0A1] 15550100101 read 1700000001",
		"[3EB0A1] 15550100102 read 1700000000",
		"[3EB0A2] 15550100101 delivery 1700000003",
		"[3EB0A2] 15550100102 played 1700000004",
		"[3EB0A3] 15550100101 read 1700000000",
	}
	if !slices.Equal(found, expected) {
		t.Errorf("found %v", found)
	}
}
