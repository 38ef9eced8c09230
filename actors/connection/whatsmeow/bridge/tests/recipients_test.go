// Tests that the actor keeps whom a group's message is for before it leaves.

package tests

import (
	"errors"
	"slices"
	"testing"

	"teimoso-whatsmeow/pipe"
)

var errNotStored = errors.New("not stored")

// refuses answers all deliveries but those of this kind.
func refuses(kind string) func(record) (pipe.Fields, []byte, error) {
	return func(found record) (pipe.Fields, []byte, error) {
		if found.Name == kind {
			return nil, nil, errNotStored
		}
		return stores(found)
	}
}

// persons returns how many people the deliveries `recipients` of a message name, one number for each delivery.
func (one *actor) persons(id string) (counts []int) {
	for _, each := range one.all("recipients") {
		if each.Fields["message_id"] == id {
			named, _ := each.Fields["persons"].([]any)
			counts = append(counts, len(named))
		}
	}
	return counts
}

func TestRecipientsAreNotedBeforeAMessageOfAGroupLeaves(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	late := friend + "7"
	group := post(t, "/groups", object{"subject": "Us", "creator": friend, "participants": []string{one.number}})["id"].(string)
	one.await(0, "group", nil)
	const unnoted, noted, missed = "3EB0000000000000000031", "3EB0000000000000000032", "3EB0000000000000000033"
	one.answer(refuses("recipients"))
	if found := refusal(t, one.send(group, unnoted, "to nobody")); found.Code != "not_connected" || found.Uncertain {
		t.Errorf("%+v", found)
	}
	one.answer(stores)
	if sent := one.send(group, noted, "to the two"); sent.Err != nil {
		t.Fatal(sent.Err)
	}
	post(t, "/groups/"+group+"/participants", object{"add": []string{late}, "notify": false})
	if sent := one.send(group, missed, "to the three"); sent.Err != nil {
		t.Fatal(sent.Err)
	}
	eventually(t, "who was missed has it", func() bool { return inbox(t, late, missed) != nil })
	for id, counts := range map[string][]int{unnoted: {2}, noted: {2}, missed: {2, 3}} {
		if found := one.persons(id); !slices.Equal(found, counts) {
			t.Errorf("%s is for %v persons", id, found)
		}
	}
	if inbox(t, friend, unnoted) != nil {
		t.Error("a message left whose recipients are not noted")
	}
	settled(t, one.number)
}

func TestWhoIsNotNotedIsNotReached(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	late := friend + "7"
	group := post(t, "/groups", object{"subject": "Us", "creator": friend, "participants": []string{one.number}})["id"].(string)
	one.await(0, "group", nil)
	if sent := one.send(group, "3EB0000000000000000034", "to the two"); sent.Err != nil {
		t.Fatal(sent.Err)
	}
	post(t, "/groups/"+group+"/participants", object{"add": []string{late}, "notify": false})
	const missed = "3EB0000000000000000035"
	one.answer(func(found record) (pipe.Fields, []byte, error) {
		if named, _ := found.Fields["persons"].([]any); len(named) == 3 {
			return nil, nil, errNotStored
		}
		return stores(found)
	})
	if sent := one.send(group, missed, "to the three"); sent.Err != nil {
		t.Fatal(sent.Err)
	}
	stays(t, "who was missed lacks it", func() bool { return inbox(t, late, missed) == nil })
	if found := one.persons(missed); !slices.Equal(found, []int{2, 3}) {
		t.Errorf("it is for %v persons", found)
	}
	settled(t, one.number)
}
