// Plays the connection's actor at the other end of the pipe, for the tests of this package.

package tests

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"teimoso-whatsmeow/frame"
	"teimoso-whatsmeow/pipe"
)

// record is a delivery or an event that came from the program.
type record struct {
	Name string
	pipe.Fields
	Raw []byte
}

// actor is the other end of a program's pipe: what a connection's actor is.
type actor struct {
	t       *testing.T
	number  string
	path    string
	command *exec.Cmd
	stream  net.Conn
	stderr  lockedBuffer

	writing sync.Mutex
	lock    sync.Mutex
	changed *sync.Cond
	next    uint64
	waiting map[uint64]chan pipe.Answer
	records []record
	// store answers deliveries: an error withholds the ok, errNoAnswer any answer.
	store func(record) (pipe.Fields, []byte, error)
	ended bool
	// left are the kinds of stanzas that the test leaves unanswered on purpose.
	left   []string
	killed bool
}

var errNoAnswer = errors.New("no answer")

type lockedBuffer struct {
	lock    sync.Mutex
	written bytes.Buffer
}

func (buffer *lockedBuffer) Write(written []byte) (int, error) {
	buffer.lock.Lock()
	defer buffer.lock.Unlock()
	return buffer.written.Write(written)
}

func (buffer *lockedBuffer) String() string {
	buffer.lock.Lock()
	defer buffer.lock.Unlock()
	return buffer.written.String()
}

func stores(record) (pipe.Fields, []byte, error) { return pipe.Fields{}, nil, nil }

// start starts a program on a database; it is killed at the end of the test.
func start(t *testing.T, path string) *actor {
	t.Helper()
	need(t)
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	own, theirs := os.NewFile(uintptr(pair[0]), "own"), os.NewFile(uintptr(pair[1]), "theirs")
	stream, err := net.FileConn(own)
	if err != nil {
		t.Fatal(err)
	}
	_ = own.Close()
	one := newActor(t, path, stream)
	one.command = exec.Command(program, "-fd", "3")
	one.command.ExtraFiles = []*os.File{theirs}
	one.command.Stderr = &one.stderr
	if err := one.command.Start(); err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close()
	go one.read()
	t.Cleanup(func() {
		one.owesNothing()
		one.kill()
		if log := one.stderr.String(); strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic:") {
			t.Errorf("the program wrote: %s", log)
		}
	})
	return one
}

func newActor(t *testing.T, path string, stream net.Conn) *actor {
	one := &actor{t: t, path: path, stream: stream, waiting: map[uint64]chan pipe.Answer{}, store: stores}
	one.changed = sync.NewCond(&one.lock)
	return one
}

// leaves has the test leave stanzas of these kinds unanswered (`message`, `receipt/read`).
func (one *actor) leaves(kinds ...string) { one.left = kinds }

// owesNothing asserts that the program answered every stanza, but for those that the test leaves.
//
// It holds for a program that still runs: a socket that is closed owes nothing.
func (one *actor) owesNothing() {
	one.t.Helper()
	if one.killed || one.number == "" || one.t.Failed() {
		return
	}
	var owed []string
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		owed = nil
		found := get(one.t, "/unanswered?account="+one.number)
		for _, each := range append(items(found, "open"), items(found, "late")...) {
			kind, _ := each["kind"].(string)
			if !slices.ContainsFunc(one.left, func(left string) bool { return strings.HasPrefix(kind, left) }) {
				owed = append(owed, kind)
			}
		}
		if len(owed) == 0 || time.Now().After(end) {
			break
		}
	}
	if len(owed) > 0 {
		one.t.Errorf("not answered: %v", owed)
	}
}

func (one *actor) kill() {
	one.killed = true
	if one.command != nil {
		_ = one.command.Process.Kill()
		_ = one.command.Wait()
	}
	_ = one.stream.Close()
}

func (one *actor) read() {
	for {
		header, raw, err := frame.Read(one.stream)
		if err != nil {
			break
		}
		found := pipe.Fields{}
		if err := json.Unmarshal(header, &found); err != nil {
			break
		}
		switch {
		case found["event"] != nil:
			one.note(record{found["event"].(string), found, raw})
		case found["do"] != nil:
			one.delivered(record{found["do"].(string), found, raw})
		default:
			one.answered(found, raw)
		}
	}
	one.lock.Lock()
	one.ended = true
	one.changed.Broadcast()
	for _, waiter := range one.waiting {
		select {
		case waiter <- pipe.Answer{Err: &pipe.Refusal{Code: programEnded, Uncertain: true}}:
		default:
		}
	}
	one.lock.Unlock()
}

func (one *actor) note(found record) {
	one.lock.Lock()
	defer one.lock.Unlock()
	one.records = append(one.records, found)
	one.changed.Broadcast()
}

func (one *actor) delivered(found record) {
	one.lock.Lock()
	store := one.store
	one.lock.Unlock()
	fields, raw, err := store(found)
	one.note(found)
	switch {
	case errors.Is(err, errNoAnswer):
	case err != nil:
		one.write(pipe.Fields{"id": found.Fields["id"], "error": pipe.Refusal{Code: "not_stored"}}, nil)
	default:
		one.write(pipe.Fields{"id": found.Fields["id"], "ok": fields}, raw)
	}
}

func (one *actor) answered(found pipe.Fields, raw []byte) {
	one.lock.Lock()
	waiter := one.waiting[uint64(found["id"].(float64))]
	one.lock.Unlock()
	answer := pipe.Answer{Raw: raw}
	if refused, ok := found["error"].(object); ok {
		refusal := &pipe.Refusal{Code: refused["code"].(string)}
		refusal.Phone, _ = refused["phone"].(string)
		refusal.LID, _ = refused["lid"].(string)
		refusal.Uncertain, _ = refused["uncertain"].(bool)
		refusal.Permanent, _ = refused["permanent"].(bool)
		if number, ok := refused["number"].(float64); ok {
			refusal.Number = int(number)
		}
		answer.Err = refusal
	} else {
		answer.Fields, _ = found["ok"].(object)
	}
	waiter <- answer
}

func (one *actor) write(header pipe.Fields, raw []byte) {
	encoded, err := json.Marshal(header)
	if err != nil {
		panic(err)
	}
	one.writing.Lock()
	defer one.writing.Unlock()
	if whole, err := frame.Append(nil, encoded, raw); err == nil {
		_, _ = one.stream.Write(whole)
	}
}

// programEnded answers requests of a program that is gone; it is uncertain where the program may have read them.
const programEnded = "program_ended"

// begin sends a request; its answer comes over the channel.
func (one *actor) begin(do string, fields pipe.Fields, raw []byte) <-chan pipe.Answer {
	waiter := make(chan pipe.Answer, 1)
	one.lock.Lock()
	one.next += 2
	id := one.next - 1
	one.waiting[id] = waiter
	if one.ended {
		waiter <- pipe.Answer{Err: &pipe.Refusal{Code: programEnded}}
	}
	one.lock.Unlock()
	whole := pipe.Fields{"id": id, "do": do}
	for name, value := range fields {
		whole[name] = value
	}
	one.write(whole, raw)
	return waiter
}

// ask sends a request and returns its answer.
func (one *actor) ask(do string, fields pipe.Fields, raw []byte) pipe.Answer {
	one.t.Helper()
	select {
	case answer := <-one.begin(do, fields, raw):
		return answer
	case <-time.After(90 * time.Second):
		one.t.Fatalf("%s was not answered; log: %s", do, one.stderr.String())
		return pipe.Answer{}
	}
}

// do is ask for a request that must succeed.
func (one *actor) do(do string, fields pipe.Fields, raw []byte) pipe.Answer {
	one.t.Helper()
	answer := one.ask(do, fields, raw)
	if answer.Err != nil {
		one.t.Fatalf("%s: %v; log: %s", do, answer.Err, one.stderr.String())
	}
	return answer
}

// await returns the first record from `since` on that fits.
func (one *actor) await(since int, name string, fits func(record) bool) record {
	one.t.Helper()
	deadline := time.Now().Add(time.Minute)
	timer := time.AfterFunc(time.Minute, one.changed.Broadcast)
	defer timer.Stop()
	one.lock.Lock()
	defer one.lock.Unlock()
	for at := since; ; {
		for ; at < len(one.records); at++ {
			if found := one.records[at]; found.Name == name && (fits == nil || fits(found)) {
				return found
			}
		}
		if one.ended || time.Now().After(deadline) {
			one.t.Fatalf("no %s came; log: %s", name, one.stderr.String())
		}
		one.changed.Wait()
	}
}

// all returns the records of a name so far.
func (one *actor) all(name string) (found []record) {
	one.lock.Lock()
	defer one.lock.Unlock()
	for _, each := range one.records {
		if each.Name == name {
			found = append(found, each)
		}
	}
	return found
}

// now returns the place of the next record, for await.
func (one *actor) now() int {
	one.lock.Lock()
	defer one.lock.Unlock()
	return len(one.records)
}

// answer has deliveries answered by this function from now on.
func (one *actor) answer(store func(record) (pipe.Fields, []byte, error)) {
	one.lock.Lock()
	defer one.lock.Unlock()
	one.store = store
}

func (one *actor) hello(epoch int64, more pipe.Fields) pipe.Answer {
	one.t.Helper()
	fields := pipe.Fields{
		"epoch": epoch, "database": one.path, "url": simulator.URL, "root_key": simulator.RootKey,
		"media_authority": simulator.Authority, "version": []int{2, 3000, 1050000000},
	}
	for name, value := range more {
		fields[name] = value
	}
	return one.ask("hello", fields, nil)
}

// login logs in and returns once the device is active.
func (one *actor) login() {
	one.t.Helper()
	since := one.now()
	one.do("login", nil, nil)
	one.await(since, "open", nil)
}

// paired starts a program and links it to an account of its own.
func paired(t *testing.T) *actor {
	t.Helper()
	one := start(t, filepath.Join(t.TempDir(), "whatsmeow.db"))
	one.number = number()
	post(t, "/phones", object{"number": one.number})
	if err := one.hello(1, nil).Err; err != nil {
		t.Fatal(err)
	}
	one.link()
	one.login()
	return one
}

// link pairs the device by a QR code.
func (one *actor) link() {
	one.t.Helper()
	since := one.now()
	one.do("login", nil, nil)
	qr := one.await(since, "qr", nil)
	post(one.t, "/phones/"+one.number+"/scan", object{"qr": qr.Fields["text"]})
	one.await(since, "paired", nil)
	one.await(since, "ended", nil)
}

// again starts another program on the same database, logged in.
func (one *actor) again(epoch int64) *actor {
	one.t.Helper()
	next := start(one.t, one.path)
	next.number = one.number
	if err := next.hello(epoch, nil).Err; err != nil {
		one.t.Fatal(err)
	}
	return next
}
