// Tests the turns of messages that the library encrypts.

package vault

import (
	"errors"
	"testing"
	"time"
)

func TestAMessageHasTheTurnFromTheFirstSessionToTheLast(t *testing.T) {
	vault, _ := opened(t, directoryOf(t, somewhere(t)), 1)
	device := pairedDevice(t, vault)
	departing, done := vault.Ratchet.Depart(ctx, 0)
	defer done()
	taken := make(chan func())
	go func() { taken <- vault.Ratchet.Take() }()
	(<-taken)() // no session was used yet
	found, err := device.Sessions.GetManySessions(departing, []string{theirs, "nobody:0"})
	if err != nil {
		t.Fatal(err)
	}
	if _, listed := found["nobody:0"]; listed {
		t.Error("a session that is not there is listed: the library would ask for keys")
	}
	go func() { taken <- vault.Ratchet.Take() }()
	select {
	case <-taken:
		t.Error("another has the turn")
	case <-time.After(50 * time.Millisecond):
	}
	if err := device.Sessions.PutManySessions(departing, map[string][]byte{theirs: []byte("next")}); err != nil {
		t.Fatal(err)
	}
	(<-taken)()
	if session(t, ctx, device, theirs) != "next" {
		t.Error("the turn ended before the session was stored")
	}
}

func TestAGroupsKeyThatIsRenewedMeanwhileIsNotStored(t *testing.T) {
	vault, _ := opened(t, directoryOf(t, somewhere(t)), 1)
	device := pairedDevice(t, vault)
	own := device.GetLID().SignalAddress().String()
	renew := func() {
		if err := vault.ForgetSenderKeys(ctx, device.GetJID(), device.GetLID(), AllGroups); err != nil {
			t.Fatal(err)
		}
	}
	nothing := func() {}
	for _, each := range []struct {
		beforeTheKey, beforeItsStep func()
		want                        error
	}{{nothing, nothing, nil}, {renew, nothing, ErrRenewed}, {nothing, renew, ErrRenewed}} {
		departing, done := vault.Ratchet.Depart(ctx, vault.Ratchet.Renewals())
		defer done()
		each.beforeTheKey()
		if _, err := device.SenderKeys.GetSenderKey(departing, "group", own); err != nil {
			t.Fatal(err)
		}
		each.beforeItsStep()
		if err := device.SenderKeys.PutSenderKey(departing, "group", own, []byte("key")); !errors.Is(err, each.want) {
			t.Errorf("%v in place of %v", err, each.want)
		}
	}
}
