// Tests that sessions and sender keys of earlier releases go on.

package library

import (
	"encoding/json"
	"testing"

	"teimoso-whatsmeow/records"
)

func TestSessionsOfEarlierVersionsGoOn(t *testing.T) {
	two := paired(t)
	two.begin()
	former, _ := two.said("late, on the session before")
	content, first := two.said("x")
	two.read(content, first, nil)
	two.begin()
	late, _ := two.said("late")
	content, first = two.said("x")
	two.read(content, first, nil)
	address := two.peer.ID.SignalAddress().String()
	earlier := must(json.Marshal(two.session()))
	if err := two.device.Sessions.PutSession(background, address, earlier); err != nil {
		t.Fatal(err)
	}
	for _, each := range [][]byte{late, former} {
		two.read(each, false, nil)
	}
	if !records.IsCompact(must(two.device.Sessions.GetSession(background, address))) {
		t.Error("it is still as the library has it")
	}
	two.answer()
	content, first = two.said("y")
	two.read(content, first, nil)
}

func TestSenderKeysOfEarlierVersionsGoOn(t *testing.T) {
	one := grouped(paired(t))
	late := one.said().SignedSerialize()
	one.read(one.said().SignedSerialize(), nil)
	earlier := must(json.Marshal(must(records.SenderKeys.Deserialize(one.stored()))))
	sender := one.name.Sender().String()
	if err := one.device.SenderKeys.PutSenderKey(background, someGroup.String(), sender, earlier); err != nil {
		t.Fatal(err)
	}
	one.read(late, nil)
	one.read(one.said().SignedSerialize(), nil)
	if !records.IsCompact(one.stored()) {
		t.Error("it is still as the library has it")
	}
}
