package headers

import (
	"reflect"
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"

	"teimoso-whatsmeow/pipe"
)

func TestChangesOfPicturesNameWhoseTheyAre(t *testing.T) {
	node := &waBinary.Node{
		Attrs: waBinary.Attrs{"id": "A", "t": "7", "from": group},
		Content: []waBinary.Node{
			{Tag: "set", Attrs: waBinary.Attrs{"id": "12", "author": lid}},
			{Tag: "set", Attrs: waBinary.Attrs{"hash": "x"}},
			{Tag: "delete", Attrs: waBinary.Attrs{"jid": number}},
			{Tag: "request"},
		},
	}
	found := PictureChanges(node)
	wanted := []pipe.Fields{
		{"chat": group.String(), "picture": "12", "removed": false, "sender": lid.String()},
		{"chat": group.String(), "picture": "", "removed": false, "sender": ""},
		{"chat": number.String(), "picture": "", "removed": true, "sender": ""},
	}
	if !reflect.DeepEqual(found["changes"], wanted) || found["notification"] != "A" || found["at"] != 7 {
		t.Errorf("%v", found)
	}
}
