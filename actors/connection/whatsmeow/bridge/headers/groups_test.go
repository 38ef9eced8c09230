package headers

import (
	"reflect"
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
)

var (
	group  = types.NewJID("120363000000000001", types.GroupServer)
	lid    = types.NewJID("90000000000002", types.HiddenUserServer)
	number = types.NewJID("15550100002", types.DefaultUserServer)
)

// change describes a notification with one part.
func change(tag string, content any) map[string]any {
	node := &waBinary.Node{
		Attrs:   waBinary.Attrs{"id": "A", "t": "7", "participant": lid, "participant_pn": number},
		Content: []waBinary.Node{{Tag: tag, Content: content}},
	}
	return GroupChange(node, &events.GroupInfo{JID: group})
}

func TestChangeOfAGroupNamesItsAuthorAndItsTime(t *testing.T) {
	found := change("locked", nil)
	for name, wanted := range map[string]any{
		"notification": "A", "at": 7, "chat": group.String(), "sender": lid.String(), "sender_phone": number.String(),
	} {
		if found[name] != wanted {
			t.Errorf("%s is %v, not %v", name, found[name], wanted)
		}
	}
}

func TestChangedMembersHaveTheirNumbersWhereTheStanzaNamesThem(t *testing.T) {
	people := []waBinary.Node{
		{Tag: "participant", Attrs: waBinary.Attrs{"jid": lid, "phone_number": number}},
		{Tag: "participant", Attrs: waBinary.Attrs{"jid": lid}},
	}
	for tag, name := range map[string]string{"add": "joined", "remove": "left", "promote": "promoted", "demote": "demoted"} {
		if found := change(tag, people)[name]; !reflect.DeepEqual(found, []string{number.String(), lid.String()}) {
			t.Errorf("%s: %v", tag, found)
		}
	}
}

func TestModesAreReadFromTheStanza(t *testing.T) {
	for state, on := range map[string]bool{"on": true, "off": false} {
		join := []waBinary.Node{{Tag: "group_join", Attrs: waBinary.Attrs{"state": state}}}
		if found := change("membership_approval_mode", join)["approval"]; found != on {
			t.Errorf("%s: %v", state, found)
		}
	}
	for word, mode := range map[string]string{"all_member_add": "all", "admin_add": "admins"} {
		if found := change("member_add_mode", []byte(word))["member_add_mode"]; found != mode {
			t.Errorf("%s: %v", word, found)
		}
	}
}
