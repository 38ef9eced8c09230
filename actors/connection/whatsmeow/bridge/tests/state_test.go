// Tests app state, privacy tokens and addresses over the simulator.

package tests

import (
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"testing"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"go.mau.fi/whatsmeow/proto/waSyncAction"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"teimoso-whatsmeow/pipe"
)

// change returns the action of a delivered change of the account's state.
func change(t *testing.T, found record, index string) *waSyncAction.SyncActionValue {
	t.Helper()
	from := 0
	for _, each := range items(found.Fields, "changes") {
		length := int(each["length"].(float64))
		if path := each["index"].([]any); path[0] == index {
			action := &waSyncAction.SyncActionValue{}
			if err := proto.Unmarshal(found.Raw[from:from+length], action); err != nil {
				t.Fatal(err)
			}
			return action
		}
		from += length
	}
	return nil
}

func TestStateOfTheAccountComesAndGoes(t *testing.T) {
	t.Parallel()
	one, friend := paired(t), number()
	one.await(0, "app_state", nil)
	setting := func(body object) { post(t, "/phones/"+one.number+"/app-state", body) }
	setting(object{"type": "contact", "chat": friend, "name": "Ana Lima"})
	found := one.await(0, "app_state", func(found record) bool { return change(t, found, "contact") != nil })
	if name := change(t, found, "contact").GetContactAction().GetFullName(); name != "Ana Lima" {
		t.Errorf("the name is %q", name)
	}
	setting(object{"type": "mute", "chat": friend})
	one.await(0, "app_state", func(found record) bool { return change(t, found, "mute").GetMuteAction().GetMuted() })
	one.do("app_state_patch", pipe.Fields{"collection": "regular_low", "changes": []object{{
		"index": []string{"archive", person(friend)}, "version": 3,
		"action": object{"archiveChatAction": object{"archived": true}},
	}}}, nil)
	eventually(t, "the phone has it archived", func() bool {
		return contains([]byte(fmt.Sprint(get(t, "/phones/"+one.number+"/app-state"))), "archive")
	})
	one.await(0, "app_state", func(found record) bool {
		return change(t, found, "archive").GetArchiveChatAction().GetArchived()
	})
	setting(object{"type": "push_name", "name": "Shop"})
	one.await(0, "app_state", func(found record) bool {
		return change(t, found, "setting_pushName").GetPushNameSetting().GetName() == "Shop"
	})
	settled(t, one.number) // the name is stored
	one.do("presence", pipe.Fields{"available": true}, nil)
	one.send(person(friend), "3EB0000000000000000040", "x")
	if item := inbox(t, friend, "3EB0000000000000000040"); item["name"] != "Shop" {
		t.Errorf("others see %v", item["name"])
	}
	count := len(one.all("app_state"))
	one.do("app_state_sync", pipe.Fields{"whole": true}, nil)
	if again := one.all("app_state")[count:]; len(again) == 0 || again[0].Fields["after"] != nil {
		t.Errorf("told anew: %v", again)
	}
	settled(t, one.number)
}

func TestStateComesAgainUntilItIsStored(t *testing.T) {
	t.Parallel()
	one, friend := paired(t), number()
	one.await(0, "app_state", nil)
	settled(t, one.number)
	refuse := func(found record) (pipe.Fields, []byte, error) {
		if found.Name == "app_state" && len(items(found.Fields, "changes")) > 0 {
			return nil, nil, errors.New("the disk is full")
		}
		return stores(found)
	}
	one.answer(refuse)
	since := one.now()
	post(t, "/phones/"+one.number+"/app-state", object{"type": "mute", "chat": friend})
	muted := func(found record) bool { return change(t, found, "mute") != nil }
	one.await(since, "app_state", muted)
	stays(t, "the notification is owed an answer", func() bool { return owes(t, one.number, "notification/server_sync") })
	one.kill()
	next := one.again(2)
	next.login()
	next.await(0, "app_state", muted)
	settled(t, one.number)
}

func TestStockForgetsAChangeThatItsHandlerRefused(t *testing.T) {
	t.Parallel()
	one, friend := linked(t, careful), number()
	// The first change of a collection comes as its whole state, which is no event.
	post(t, "/phones/"+one.number+"/app-state", object{"type": "mute", "chat": number()})
	one.await("the first state", func(event any) bool {
		found, ok := event.(*events.AppStateSyncComplete)
		return ok && found.Name == appstate.WAPatchRegularHigh && found.Version > 0
	})
	one.handles(func(any) bool { return false })
	muted := func(event any) bool { _, ok := event.(*events.Mute); return ok }
	post(t, "/phones/"+one.number+"/app-state", object{"type": "mute", "chat": friend})
	one.await("muted", muted)
	one.lock.Lock()
	one.events = nil
	one.lock.Unlock()
	if err := one.FetchAppState(context.Background(), appstate.WAPatchRegularHigh, false, false); err != nil {
		t.Fatal(err)
	}
	one.lock.Lock() // FetchAppState dispatches before it returns
	defer one.lock.Unlock()
	if slices.ContainsFunc(one.events, muted) {
		t.Error("it came again")
	}
}

func TestPrivacyTokensOfHistoriesAndNotificationsAreUsed(t *testing.T) {
	t.Parallel()
	one, friend, other := paired(t), number(), number()
	for _, each := range []string{friend, other} {
		post(t, "/contacts/"+each, object{"token_needed": true})
	}
	if found := refusal(t, one.send(person(friend), "3EB0000000000000000041", "x")); found.Number != 463 {
		t.Errorf("%+v", found)
	}
	post(t, "/contacts/"+friend+"/token", object{"account": one.number})
	settled(t, one.number)
	if sent := one.send(person(friend), "3EB0000000000000000042", "x"); sent.Err != nil {
		t.Error(sent.Err)
	}
	// The other one has issued none: the salt of a history is enough.
	post(t, "/phones/"+one.number+"/history", object{"inline": true, "type": "initial_bootstrap", "pushnames": object{}})
	told := one.await(0, "history", nil)
	var notice waE2E.HistorySyncNotification
	if err := proto.Unmarshal(told.Raw, &notice); err != nil {
		t.Fatal(err)
	}
	reader, err := zlib.NewReader(bytes.NewReader(notice.GetInitialHistBootstrapInlinePayload()))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(content, &waHistorySync.HistorySync{}); err != nil {
		t.Fatal(err)
	}
	one.do("history_learnt", nil, content)
	if sent := one.send(person(other), "3EB0000000000000000043", "x"); sent.Err != nil {
		t.Error(sent.Err)
	}
	if found := refusal(t, one.ask("history_learnt", nil, []byte{0xff})); found.Code != "bad_history" {
		t.Errorf("%+v", found)
	}
	settled(t, one.number)
}

func TestRestoredCopyGoesOnBothWays(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	say(t, friend, one.number, object{"text": "before"})
	one.await(0, "message", says("before"))
	copied := filepath.Join(t.TempDir(), "copy.db")
	one.do("copy", pipe.Fields{"path": copied}, nil)
	for count := range 5 { // the copy is not the last state any more
		say(t, friend, one.number, object{"text": fmt.Sprint("after ", count)})
		one.await(0, "message", says(fmt.Sprint("after ", count)))
		one.send(person(friend), fmt.Sprintf("3EB000000000000000005%d", count), "x")
	}
	settled(t, one.number)
	one.kill()
	one.path = copied
	next := one.again(2)
	next.do("renew", nil, nil)
	next.login()
	if found := refusal(t, next.ask("renew", nil, nil)); found.Code != "already_running" {
		t.Errorf("%+v", found)
	}
	next.answer(func(found record) (pipe.Fields, []byte, error) {
		if found.Name == "sent" {
			return pipe.Fields{}, words("sent before"), nil
		}
		return stores(found)
	})
	say(t, friend, one.number, object{"text": "to the copy"})
	next.await(0, "message", says("to the copy"))
	if sent := next.send(person(friend), "3EB0000000000000000060", "by the copy"); sent.Err != nil {
		t.Fatal(sent.Err)
	}
	eventually(t, "the person reads it", func() bool {
		item := inbox(t, friend, "3EB0000000000000000060")
		return item != nil && item["text"] == "by the copy"
	})
	settled(t, one.number)
}

func TestAddressesAreTold(t *testing.T) {
	t.Parallel()
	one, friend := paired(t), number()
	say(t, friend, one.number, nil)
	told := one.await(0, "mapping", func(found record) bool {
		return contains([]byte(fmt.Sprint(found.Fields["pairs"])), friend)
	}).Fields["pairs"]
	listed := one.do("mappings", nil, nil).Fields["pairs"]
	if !contains([]byte(fmt.Sprint(listed)), friend) {
		t.Errorf("told %v, listed %v", told, listed)
	}
	stranger := number()
	post(t, "/accounts/"+one.number+"/migrate", object{"contacts": []string{stranger}})
	one.await(0, "mapping", func(found record) bool {
		return contains([]byte(fmt.Sprint(found.Fields["pairs"])), stranger)
	})
	settled(t, one.number)
}

func TestStanzasThatCannotBeReadAreAnswered(t *testing.T) {
	t.Parallel()
	one := paired(t)
	post(t, "/accounts/"+one.number+"/rules", object{"unknown_tags": true, "own_copies": true})
	for _, kind := range []string{"unparsable", "no_protobuf", "unknown_tag"} {
		fault(t, one.number, kind, nil)
	}
	one.await(0, "undecryptable", func(found record) bool { return found.Fields["kind"] == "malformed" })
	post(t, "/contacts/"+number()+"/status", object{"to": one.number, "text": "a status"})
	post(t, "/phones/"+one.number+"/say", object{"to": number(), "text": "from my pocket"})
	if found := one.await(0, "message", says("from my pocket")); found.Fields["from_me"] != true {
		t.Errorf("delivered as %v", found.Fields)
	}
	settled(t, one.number)
}

// after returns the version that a delivery of a collection's changes begins at; nil where it is all of it.
func after(found record) any { return found.Fields["after"] }

// muted matches a delivery that brings a mute, and of all of its collection or not.
func muted(t *testing.T, whole bool) func(record) bool {
	return func(found record) bool {
		return change(t, found, "mute") != nil && (after(found) == nil) == whole
	}
}

// mute has the account's phone mute a chat; the program has stored that once it returns.
func mute(t *testing.T, one *actor) {
	t.Helper()
	one.await(0, "app_state", nil)
	post(t, "/phones/"+one.number+"/app-state", object{"type": "mute", "chat": number()})
	one.await(0, "app_state", func(found record) bool { return change(t, found, "mute") != nil })
	settled(t, one.number)
}

func TestEachLoginTellsWhereTheCollectionsStand(t *testing.T) {
	t.Parallel()
	one := paired(t)
	mute(t, one)
	one.kill()
	next := one.again(2)
	next.login()
	found := next.await(0, "app_state", func(found record) bool { return found.Fields["collection"] == "regular_high" })
	if after(found) == nil || after(found) != found.Fields["version"] || len(items(found.Fields, "changes")) > 0 {
		t.Errorf("told %v", found.Fields)
	}
}

func TestActorThatIsBehindGetsAllOfACollection(t *testing.T) {
	t.Parallel()
	one := paired(t)
	mute(t, one)
	one.kill()
	next := one.again(2)
	next.answer(func(found record) (pipe.Fields, []byte, error) {
		return pipe.Fields{"whole": found.Name == "app_state" && after(found) != nil}, nil, nil
	})
	next.login()
	next.await(0, "app_state", muted(t, true))
	next.answer(stores)
	since := next.now()
	mute(t, next)
	next.await(since, "app_state", muted(t, false))
}

func TestChangesThatDoNotFitAreFetchedAnew(t *testing.T) {
	t.Parallel()
	one := paired(t)
	mute(t, one)
	one.kill()
	changed, err := database(t, one.path).Exec("UPDATE whatsmeow_app_state_version SET hash = zeroblob(128)")
	if err != nil {
		t.Fatal(err)
	}
	if count, err := changed.RowsAffected(); err != nil || count == 0 {
		t.Fatalf("%d hashes are wrong now: %v", count, err)
	}
	next := one.again(2)
	next.login()
	post(t, "/phones/"+one.number+"/app-state", object{"type": "mute", "chat": number()})
	next.await(0, "app_state", muted(t, true))
	settled(t, one.number)
}

func TestStateOfWhichNothingIsToldComesAtTheNextLogin(t *testing.T) {
	t.Parallel()
	one := paired(t)
	mute(t, one)
	one.kill()
	post(t, "/phones/"+one.number+"/app-state", object{"type": "mute", "chat": number(), "notify": false})
	next := one.again(2)
	next.login()
	next.await(0, "app_state", muted(t, false))
	settled(t, one.number)
}

func TestNameOfTheAccountIsToldOnceItIsKnown(t *testing.T) {
	t.Parallel()
	one, friend := paired(t), number()
	one.await(0, "app_state", nil)
	settled(t, one.number)
	one.do("presence", pipe.Fields{"available": false}, nil)
	post(t, "/phones/"+one.number+"/app-state", object{"type": "push_name", "name": "Harbour Shop"})
	settled(t, one.number)
	one.send(person(friend), "3EB0000000000000000070", "x")
	if item := inbox(t, friend, "3EB0000000000000000070"); item["name"] != "Harbour Shop" {
		t.Errorf("others see %v", item["name"])
	}
}
