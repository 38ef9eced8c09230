package tests

import (
	"testing"

	"teimoso-whatsmeow/pipe"
)

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
