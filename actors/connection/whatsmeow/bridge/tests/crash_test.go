// Tests that kills at any moment lose no message.

package tests

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	waLog "go.mau.fi/whatsmeow/util/log"

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

// overflows counts what the library writes when its queue is full.
type overflows struct {
	waLog.Logger
	count atomic.Int64
}

func (one *overflows) Sub(string) waLog.Logger { return one }

func (one *overflows) Warnf(template string, _ ...any) {
	if strings.Contains(template, "message ordering is no longer guaranteed") {
		one.count.Add(1)
	}
}

// beyond is more than the queues of the library and of the program hold.
const beyond = 2400

// The handler is held until the library has given up the order of many stanzas, as it writes itself. The order in which
// their goroutines come is up to Go's scheduler then: it cannot be forced, and is not what the test waits for.
func TestStockGivesUpTheOrderOfALongBacklog(t *testing.T) {
	t.Parallel()
	full := &overflows{Logger: waLog.Noop}
	one, friend := linked(t, func(one *stock) { careful(one); one.Log = full }), number()
	say(t, friend, one.number, nil)
	one.await("the first", isMessage)
	one.Disconnect()
	post(t, "/contacts/"+friend+"/say", object{"to": one.number, "text": "waits", "count": beyond})
	hold := make(chan struct{})
	t.Cleanup(sync.OnceFunc(func() { close(hold) }))
	one.handles(func(any) bool {
		<-hold
		return true
	})
	one.connect()
	patiently(t, "the order of stanzas is given up", func() bool { return full.count.Load() > 100 })
}

func TestBacklogIsBoundedAndInOrder(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	one.do("disconnect", nil, nil)
	const count = beyond
	post(t, "/contacts/"+friend+"/say", object{"to": one.number, "text": "waits", "count": count})
	hold := make(chan struct{})
	one.answer(func(found record) (pipe.Fields, []byte, error) {
		if found.Name == "message" {
			<-hold
		}
		return stores(found)
	})
	one.do("login", nil, nil)   // `open` may come behind the backlog
	time.Sleep(3 * time.Second) // the program reads as far as it may
	if early := len(one.all("message")); early > 0 {
		t.Errorf("%d were stored before the actor did", early)
	}
	close(hold)
	patiently(t, "all are stored", func() bool { return len(one.all("message")) == count })
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
	if len(one.all("login")) > 0 {
		t.Error("a login was shown while it was off")
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
