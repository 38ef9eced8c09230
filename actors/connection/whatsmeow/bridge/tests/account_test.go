// Tests the account's requests, messages, groups, calls and limits over the simulator.

package tests

import (
	"bytes"
	"encoding/json"
	"testing"

	"teimoso-whatsmeow/pipe"
)

func TestMessagesArriveBothWays(t *testing.T) {
	t.Parallel()
	one, friend := paired(t), number()
	answer := post(t, "/contacts/"+friend+"/say", object{"to": one.number, "text": "hello"})
	found := one.await(0, "message", says("hello"))
	if found.Fields["message_id"] != answer["id"] || found.Fields["from_me"] != false {
		t.Errorf("delivered as %v", found.Fields)
	}
	if sent := one.send(person(friend), "3EB0000000000000000001", "howdy"); sent.Err != nil {
		t.Fatal(sent.Err)
	}
	if item := inbox(t, friend, "3EB0000000000000000001"); item == nil || item["text"] != "howdy" {
		t.Errorf("arrived as %v", item)
	}
	receipt := one.await(0, "receipt", func(found record) bool { return found.Fields["type"] == "read" })
	if ids, _ := json.Marshal(receipt.Fields["ids"]); string(ids) != `["3EB0000000000000000001"]` {
		t.Errorf("receipt for %s", ids)
	}
	settled(t, one.number)
}

func TestGroupsAreWrittenToAndRead(t *testing.T) {
	t.Parallel()
	one, friend := paired(t), number()
	group := post(t, "/groups", object{
		"subject": "Us", "creator": friend, "participants": []string{one.number, number()},
	})["id"].(string)
	one.await(0, "group", func(found record) bool { return found.Fields["chat"] == group })
	post(t, "/contacts/"+friend+"/say", object{"to": group, "text": "all"})
	if found := one.await(0, "message", says("all")); found.Fields["chat"] != group {
		t.Errorf("delivered as %v", found.Fields)
	}
	if found := one.all("undecryptable"); len(found) > 0 {
		t.Errorf("it was not read at first: %v", found)
	}
	if sent := one.send(group, "3EB0000000000000000002", "to all"); sent.Err != nil {
		t.Fatal(sent.Err)
	}
	eventually(t, "the member has it", func() bool { return inbox(t, friend, "3EB0000000000000000002") != nil })
	listed := one.do("groups", nil, nil).Fields["groups"].([]any)
	if len(listed) != 1 || listed[0].(object)["subject"] != "Us" {
		t.Errorf("groups: %v", listed)
	}
	if refused := one.send("120363000000000000@g.us", "3EB0000000000000000003", "x").Err; refused == nil {
		t.Error("a group that is not there was written to")
	}
	settled(t, one.number)
}

func TestKeyOfAGroupIsRenewedWhenSomebodyLeaves(t *testing.T) {
	t.Parallel()
	one, friend, leaver := paired(t), number(), number()
	group := post(t, "/groups", object{
		"subject": "Us", "creator": friend, "participants": []string{one.number, leaver},
	})["id"].(string)
	one.await(0, "group", nil)
	key := func() (found string) {
		row := database(t, one.path).QueryRow(
			"SELECT hex(sender_key) FROM whatsmeow_sender_keys WHERE chat_id = ? AND sender_id LIKE ?", group, "%:1")
		if err := row.Scan(&found); err != nil {
			return ""
		}
		return found
	}
	if sent := one.send(group, "3EB0000000000000000006", "x"); sent.Err != nil {
		t.Fatal(sent.Err)
	}
	if key() == "" {
		t.Fatal("there is no key")
	}
	post(t, "/groups/"+group+"/participants", object{"remove": []string{leaver}, "by": friend})
	one.await(0, "group", func(found record) bool { return found.Fields["left"] != nil })
	eventually(t, "the key is gone", func() bool { return key() == "" })
	if sent := one.send(group, "3EB0000000000000000007", "y"); sent.Err != nil {
		t.Fatal(sent.Err)
	}
	eventually(t, "the member reads it", func() bool {
		item := inbox(t, friend, "3EB0000000000000000007")
		return item != nil && item["text"] == "y"
	})
}

func TestRequestsOfTheAccount(t *testing.T) {
	t.Parallel()
	one, friend := paired(t), number()
	post(t, "/contacts/"+friend+"/presence", object{"available": true})
	found := one.do("lookup", pipe.Fields{"number": friend}, nil).Fields
	if found["phone"] != person(friend) || found["lid"] == nil {
		t.Errorf("lookup: %v", found)
	}
	nobody := number()
	post(t, "/contacts/"+nobody, object{"registered": false})
	if found := one.do("lookup", pipe.Fields{"number": nobody}, nil).Fields; found["address"] != nil {
		t.Errorf("lookup of nobody: %v", found)
	}
	one.do("presence", pipe.Fields{"available": true}, nil)
	one.do("subscribe", pipe.Fields{"chat": person(friend)}, nil)
	one.await(0, "presence", func(found record) bool { return found.Fields["state"] == "available" })
	post(t, "/contacts/"+friend+"/typing", object{"to": one.number, "state": "recording"})
	one.await(0, "presence", func(found record) bool { return found.Fields["state"] == "recording" })
	one.do("typing", pipe.Fields{"chat": person(friend), "state": "composing"}, nil)
	eventually(t, "the person sees typing", func() bool {
		return len(items(get(t, "/contacts/"+friend+"/presence"), "seen")) > 0
	})
	if one.do("probe", nil, nil).Fields["answered"] != true {
		t.Error("a probe was not answered")
	}
	hosts := one.do("media_hosts", nil, nil).Fields
	if list, _ := hosts["hosts"].([]any); len(list) == 0 || hosts["auth"] == "" {
		t.Errorf("media hosts: %v", hosts)
	}
	id := post(t, "/contacts/"+friend+"/say", object{"to": one.number, "text": "read me"})["id"].(string)
	one.await(0, "message", says("read me"))
	one.do("read", pipe.Fields{"chat": person(friend), "ids": []string{id}, "at": 1795900000.5}, nil)
	eventually(t, "the person sees it read", func() bool { return said(t, friend, id)["read"] == true })
}

func TestLimitsAreAskedForAndTold(t *testing.T) {
	t.Parallel()
	one := paired(t)
	post(t, "/accounts/"+one.number, object{"limited_until": 4000000000})
	told := one.await(0, "mex", nil)
	if !json.Valid(told.Raw) {
		t.Errorf("told %q", told.Raw)
	}
	answer := one.do("mex", pipe.Fields{"query_id": "23983697327930364", "variables": object{}}, nil)
	if !json.Valid(answer.Raw) || len(answer.Raw) < 10 {
		t.Errorf("answered %q", answer.Raw)
	}
	friend := number()
	refused, _ := one.send(person(friend), "3EB0000000000000000004", "x").Err.(*pipe.Refusal)
	if refused == nil || refused.Number != 463 || refused.Uncertain {
		t.Errorf("refused with %v", refused)
	}
	settled(t, one.number)
}

func TestCallsRingAndAreRejected(t *testing.T) {
	t.Parallel()
	one, friend := paired(t), number()
	post(t, "/contacts/"+friend+"/call", object{"to": one.number, "video": true})
	ring := one.await(0, "call", nil).Fields
	if ring["state"] != "offered" || ring["video"] != true {
		t.Errorf("rang as %v", ring)
	}
	one.do("reject_call", pipe.Fields{"caller": ring["caller"], "call": ring["call"]}, nil)
	eventually(t, "the call is rejected", func() bool {
		calls, _ := json.Marshal(get(t, "/contacts/"+friend+"/call"))
		return string(calls) != "" && json.Valid(calls) && contains(calls, "rejected")
	})
	settled(t, one.number)
}

func contains(found []byte, part string) bool { return bytes.Contains(found, []byte(part)) }
