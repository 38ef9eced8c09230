package tests

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types/events"

	"teimoso-whatsmeow/pipe"
)

func TestKillAtAnyMomentLosesNothing(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	const count = 20
	stored := map[string]int{}
	seen := make(chan string, 1000)
	keep := func(found record) (pipe.Fields, []byte, error) {
		if found.Name == "message" {
			seen <- found.text()
		}
		return stores(found)
	}
	var waiting []<-chan pipe.Answer
	one.answer(keep)
	for round := range 5 {
		for each := range count {
			say(t, friend, one.number, object{"text": fmt.Sprintf("%d of %d", each, round)})
			waiting = append(waiting, one.begin("send", pipe.Fields{
				"chat": person(friend), "message_id": fmt.Sprintf("3EB000000000000004%02d%02d", round, each),
			}, words("x")))
			if each == round*4 {
				one.kill() // with messages in flight both ways
			}
		}
		one = one.again(int64(round + 2))
		one.answer(keep)
		one.login()
		for each := range count { // what is uncertain goes again under its id
			if sent := one.send(person(friend), fmt.Sprintf("3EB000000000000004%02d%02d", round, each), "x"); sent.Err != nil {
				t.Fatal(sent.Err)
			}
		}
	}
	settled(t, one.number)
	close(seen)
	for text := range seen {
		stored[text]++
	}
	var lost []string
	for round := range 5 {
		for each := range count {
			if text := fmt.Sprintf("%d of %d", each, round); stored[text] == 0 {
				lost = append(lost, text)
			}
			id := fmt.Sprintf("3EB000000000000004%02d%02d", round, each)
			if inbox(t, friend, id) == nil {
				lost = append(lost, id)
			}
		}
	}
	if len(lost) > 0 {
		t.Errorf("lost: %v", lost)
	}
	_ = waiting
}

func TestStockLosesTheOrderOfALongBacklog(t *testing.T) {
	t.Parallel()
	one, friend := linked(t, careful), number()
	say(t, friend, one.number, nil)
	one.await("the first", isMessage)
	one.Disconnect()
	post(t, "/contacts/"+friend+"/say", object{"to": one.number, "text": "waits", "count": 3000})
	hold := make(chan struct{})
	var lock sync.Mutex
	var order []string
	one.handles(func(event any) bool {
		<-hold
		if found, ok := event.(*events.Message); ok {
			lock.Lock()
			defer lock.Unlock()
			order = append(order, found.Info.ID)
		}
		return true
	})
	one.connect()
	time.Sleep(4 * time.Second)
	close(hold)
	patiently(t, "all are handled", func() bool {
		lock.Lock()
		defer lock.Unlock()
		return len(order) == 3000
	})
	var want []string
	for _, each := range items(get(t, "/contacts/"+friend+"/said"), "items")[1:] {
		want = append(want, each["id"].(string))
	}
	if slices.Equal(order, want) {
		t.Error("they came in order")
	}
}

func TestBacklogIsBoundedAndInOrder(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	one.do("disconnect", nil, nil)
	const count = 3000
	post(t, "/contacts/"+friend+"/say", object{"to": one.number, "text": "waits", "count": count})
	hold := make(chan struct{})
	one.answer(func(found record) (pipe.Fields, []byte, error) {
		if found.Name == "message" {
			<-hold
		}
		return stores(found)
	})
	begin := time.Now()
	one.login()
	time.Sleep(3 * time.Second) // the program reads as far as it may
	close(hold)
	waitFor := time.Now()
	patiently(t, "all are stored", func() bool { return len(one.all("message")) == count })
	t.Logf("%d messages in %v, %v of it stored at once", count, time.Since(begin), time.Since(waitFor))
	var order []string
	for _, found := range one.all("message") {
		order = append(order, found.Fields["message_id"].(string))
	}
	var want []string
	for _, each := range items(get(t, "/contacts/"+friend+"/said"), "items") {
		want = append(want, each["id"].(string))
	}
	if !slices.Equal(order, want) {
		t.Error("they came out of order")
	}
	settled(t, one.number)
}

func TestTraceShowsStanzasWhileItIsOn(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	if len(one.all("stanza")) > 0 {
		t.Error("stanzas were shown while it was off")
	}
	one.do("trace", pipe.Fields{"on": true}, nil)
	say(t, friend, one.number, nil)
	one.await(0, "stanza", func(found record) bool { return found.Fields["direction"] == "in" && len(found.Raw) > 0 })
	one.await(0, "stanza", func(found record) bool { return found.Fields["direction"] == "out" && len(found.Raw) > 0 })
	settled(t, one.number)
	one.do("trace", pipe.Fields{"on": false}, nil)
	count := len(one.all("stanza"))
	say(t, friend, one.number, nil)
	settled(t, one.number)
	if after := len(one.all("stanza")); after != count {
		t.Errorf("%d stanzas were shown after it was off", after-count)
	}
}

func TestLogHasNoArguments(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	fault(t, one.number, "garble", object{"count": 1})
	say(t, friend, one.number, nil)
	one.await(0, "message", says("kept"))
	for _, line := range strings.Split(strings.TrimSpace(one.stderr.String()), "\n") {
		if !json.Valid([]byte(line)) || strings.Contains(line, one.number) || strings.Contains(line, friend) {
			t.Errorf("logged %s", line)
		}
	}
}
