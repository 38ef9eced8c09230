package tests

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/types/events"

	"teimoso-whatsmeow/pipe"
)

// ended logs in, has something happen, and returns why the login ended.
func (one *actor) endsBy(cause func()) pipe.Fields {
	one.t.Helper()
	since := one.now()
	cause()
	return one.await(since, "ended", nil).Fields
}

func devices(t *testing.T, path string) (found int) {
	t.Helper()
	if err := database(t, path).QueryRow("SELECT count(*) FROM whatsmeow_device").Scan(&found); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestStockDeletesItsKeysWhenItIsUnlinked(t *testing.T) {
	t.Parallel()
	one := linked(t, careful)
	fault(t, one.number, "logout", nil)
	one.await("logged out", func(event any) bool { _, ok := event.(*events.LoggedOut); return ok })
	eventually(t, "the keys are deleted", func() bool {
		var left int
		return one.db.QueryRow("SELECT count(*) FROM whatsmeow_device").Scan(&left) == nil && left == 0
	})
}

func TestKeysAreSetAsideWhenTheDeviceIsUnlinked(t *testing.T) {
	t.Parallel()
	one := paired(t)
	why := one.endsBy(func() { fault(t, one.number, "logout", nil) })
	conflict, _ := why["children"].(object)["conflict"].(object)
	if why["by"] != "stream_error" || conflict["type"] != "device_removed" {
		t.Errorf("ended by %v", why)
	}
	if devices(t, one.path) != 1 {
		t.Error("the keys are deleted")
	}
	one.link() // the next login shows a QR
	one.login()
	if devices(t, one.path) != 2 {
		t.Error("the keys of the old device are gone")
	}
}

func TestReasonsOfRefusedLogins(t *testing.T) {
	t.Parallel()
	for reason, aside := range map[int]bool{401: true, 403: false, 406: true, 405: false, 503: false, 411: false} {
		t.Run(fmt.Sprint(reason), func(t *testing.T) {
			t.Parallel()
			one := paired(t)
			one.do("disconnect", nil, nil)
			fault(t, one.number, "reject_login", object{"reason": reason, "count": 1})
			why := one.endsBy(func() { one.do("login", nil, nil) })
			attrs, _ := why["attrs"].(object)
			if why["by"] != "failure" || attrs["reason"] != fmt.Sprint(reason) {
				t.Errorf("ended by %v", why)
			}
			struck(t, one.number, "reject_login")
			if devices(t, one.path) != 1 {
				t.Error("the keys are deleted")
			}
			if aside {
				one.link()
			}
			one.login()
		})
	}
}

func TestBanIsToldWithItsEnd(t *testing.T) {
	t.Parallel()
	one := paired(t)
	fault(t, one.number, "ban", object{"seconds": 3, "reason": 402, "code": 101})
	one.await(0, "ended", func(found record) bool { return found.Fields["by"] != "stream_error" })
	attrs := one.endsBy(func() { one.do("login", nil, nil) })["attrs"].(object)
	if attrs["reason"] != "402" || attrs["expire"] == nil || attrs["code"] != "101" {
		t.Errorf("banned with %v", attrs)
	}
}

func TestReplacedAndOtherStreamErrors(t *testing.T) {
	t.Parallel()
	one := paired(t)
	why := one.endsBy(func() { fault(t, one.number, "replaced", nil) })
	if _, conflicts := why["children"].(object)["conflict"]; why["by"] != "stream_error" || !conflicts {
		t.Errorf("ended by %v", why)
	}
	one.login()
	why = one.endsBy(func() { fault(t, one.number, "stream_error", object{"code": 503}) })
	if why["attrs"].(object)["code"] != "503" {
		t.Errorf("ended by %v", why)
	}
}

func TestSocketsThatCloseEndTheLogin(t *testing.T) {
	t.Parallel()
	one := paired(t)
	for _, kind := range []string{"drop", "abort"} {
		if why := one.endsBy(func() { fault(t, one.number, kind, nil) }); why["by"] != "close" {
			t.Errorf("%s ended it by %v", kind, why)
		}
		one.login()
	}
	one.do("disconnect", nil, nil)
	ends := one.all("ended")
	if last := ends[len(ends)-1].Fields; last["by"] != "program" || last["cause"] != "closed" {
		t.Errorf("ended by %v", last)
	}
}

func TestServersThatAreNotThereOrNotWhatsApps(t *testing.T) {
	t.Parallel()
	for name, each := range map[string]struct{ url, key, want string }{
		"nobody listens": {"ws://127.0.0.1:1/ws/chat", simulatorKey(t), "unreachable"},
		"no WebSocket":   {strings.Replace(simulator.Control, "http", "ws", 1) + "/", simulatorKey(t), "unreachable"},
		"another key":    {simulator.URL, strings.Repeat("00", 32), "handshake_failed"},
	} {
		one := start(t, filepath.Join(t.TempDir(), "whatsmeow.db"))
		if err := one.hello(1, pipe.Fields{"url": each.url, "root_key": each.key}).Err; err != nil {
			t.Fatal(err)
		}
		if why := one.endsBy(func() { one.do("login", nil, nil) }); why["cause"] != each.want {
			t.Errorf("%s: ended by %v", name, why)
		}
	}
}

func simulatorKey(t *testing.T) string {
	t.Helper()
	need(t)
	return simulator.RootKey
}

func logins(t *testing.T, account string) float64 {
	t.Helper()
	for _, device := range items(get(t, "/accounts/"+account), "devices") {
		if found, ok := device["logins"].(float64); ok {
			return found
		}
	}
	t.Fatalf("no logins: %v", get(t, "/accounts/"+account))
	return 0
}

func TestStockConnectsAgainByItself(t *testing.T) {
	t.Parallel()
	one := linked(t, nil)
	before := logins(t, one.number)
	fault(t, one.number, "drop", nil)
	eventually(t, "it connected again", func() bool { return logins(t, one.number) > before })
}

func TestOneLoginForEachRequest(t *testing.T) {
	t.Parallel()
	one := paired(t)
	before := logins(t, one.number)
	if found := refusal(t, one.ask("login", nil, nil)); found.Code != "already_running" {
		t.Errorf("%+v", found)
	}
	for _, kind := range []string{"drop", "stream_error"} { // 515 among them
		one.endsBy(func() { fault(t, one.number, kind, nil) })
		time.Sleep(time.Second)
		if after := logins(t, one.number); after != before {
			t.Errorf("%s: %v logins, %v before", kind, after, before)
		}
		one.login()
		before = logins(t, one.number)
	}
}

func TestNothingLeavesAfterTheLease(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	one.do("deadline", pipe.Fields{"ms": 0}, nil)
	time.Sleep(10 * time.Millisecond)
	if found := refusal(t, one.send(person(friend), "3EB0000000000000000030", "x")); found.Code != "lease_over" || found.Uncertain {
		t.Errorf("%+v", found)
	}
	if found := refusal(t, one.ask("read", pipe.Fields{"chat": person(friend), "ids": []string{"x"}}, nil)); found.Code != "lease_over" {
		t.Errorf("%+v", found)
	}
	one.do("deadline", pipe.Fields{"ms": 60000}, nil)
	if sent := one.send(person(friend), "3EB0000000000000000031", "y"); sent.Err != nil {
		t.Error(sent.Err)
	}
	if inbox(t, friend, "3EB0000000000000000030") != nil || inbox(t, friend, "3EB0000000000000000031") == nil {
		t.Error("the wrong one arrived")
	}
}

func TestNewerOwnerEndsTheOlderOne(t *testing.T) {
	t.Parallel()
	older, friend := begun(t)
	newer := older.again(2) // the older one still has its socket
	if found := refusal(t, older.send(person(friend), "3EB0000000000000000032", "x")); found.Uncertain {
		t.Errorf("%+v", found)
	}
	if why := older.await(0, "ended", func(found record) bool { return found.Fields["by"] == "program" }).Fields; why["cause"] != "fenced" {
		t.Errorf("ended by %v", why)
	}
	if code := exitCode(older); code != 3 {
		t.Errorf("exit code %d", code)
	}
	if inbox(t, friend, "3EB0000000000000000032") != nil {
		t.Error("the older owner's message arrived")
	}
	newer.login()
	if sent := newer.send(person(friend), "3EB0000000000000000033", "y"); sent.Err != nil {
		t.Error(sent.Err)
	}
	third := start(t, older.path)
	if found := refusal(t, third.hello(1, nil)); found.Code != "fenced" {
		t.Errorf("%+v", found)
	}
}

func TestOlderOwnerAcknowledgesNothing(t *testing.T) {
	t.Parallel()
	older, friend := begun(t)
	newer := older.again(2)
	id := say(t, friend, older.number, nil)
	older.await(0, "ended", func(found record) bool { return found.Fields["by"] == "program" })
	if len(older.all("message")) > 0 || said(t, friend, id)["received"] == true {
		t.Error("the older owner took a message")
	}
	newer.login()
	newer.await(0, "message", says("kept"))
	settled(t, older.number)
}

func exitCode(one *actor) int {
	_ = one.command.Wait()
	return one.command.ProcessState.ExitCode()
}

func TestProgramEndsWithItsParent(t *testing.T) {
	t.Parallel()
	one := paired(t)
	_ = one.stream.Close()
	if code := exitCode(one); code != 0 {
		t.Errorf("exit code %d", code)
	}
	other := start(t, filepath.Join(t.TempDir(), "whatsmeow.db"))
	if _, err := other.stream.Write([]byte{0, 0, 0, 4, 0, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	if code := exitCode(other); code != 2 {
		t.Errorf("exit code %d after a frame without a header", code)
	}
	third := start(t, filepath.Join(t.TempDir(), "whatsmeow.db"))
	third.do("close", nil, nil)
	if code := exitCode(third); code != 0 {
		t.Errorf("exit code %d after close", code)
	}
}

func TestProgramHasADeathSignal(t *testing.T) {
	t.Parallel()
	one := start(t, filepath.Join(t.TempDir(), "whatsmeow.db"))
	one.hello(1, nil)
	// The parent is killed without a word, and its end of the socket lives on in another process: only the
	// death signal is left. A shell plays the parent.
	if err := deathSignal(t, one.path+"2"); err != nil {
		t.Error(err)
	}
}

// deathSignal starts the program under a shell that is killed, while this process holds the socket.
func deathSignal(t *testing.T, path string) error {
	t.Helper()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	own, theirs := os.NewFile(uintptr(pair[0]), "own"), os.NewFile(uintptr(pair[1]), "theirs")
	defer func() { _, _ = own.Close(), theirs.Close() }()
	notes := path + ".pid"
	shell, err := os.StartProcess("/bin/sh", []string{"sh", "-c", `"$0" -fd 3 & echo $! > "$1"; wait`, program, notes},
		&os.ProcAttr{Files: []*os.File{nil, nil, nil, theirs}})
	if err != nil {
		return err
	}
	child := 0
	eventually(t, "the program runs", func() bool {
		written, err := os.ReadFile(notes)
		if err != nil {
			return false
		}
		_, err = fmt.Sscan(string(written), &child)
		status, missing := os.ReadFile(fmt.Sprintf("/proc/%d/comm", child))
		return err == nil && missing == nil && strings.HasPrefix(string(status), "teimoso")
	})
	time.Sleep(300 * time.Millisecond)
	if err := shell.Kill(); err != nil {
		return err
	}
	_, _ = shell.Wait()
	eventually(t, "the program is gone", func() bool {
		return errors.Is(syscall.Kill(child, 0), syscall.ESRCH) || isZombie(child)
	})
	return nil
}

func isZombie(process int) bool {
	found, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process))
	return err != nil || strings.Contains(string(found), ") Z ")
}

func TestRequestsOutOfTurnAreRefused(t *testing.T) {
	t.Parallel()
	one := start(t, filepath.Join(t.TempDir(), "whatsmeow.db"))
	for do, want := range map[string]string{
		"login": "no_hello", "send": "not_connected", "copy": "no_hello", "nonsense": "unknown_request",
	} {
		if found := refusal(t, one.ask(do, nil, nil)); found.Code != want {
			t.Errorf("%s: %+v", do, found)
		}
	}
	for _, wrong := range []pipe.Fields{{"root_key": "zz"}, {"proxy": "ftp://x"}, {"media_authority": "/nowhere"}, {"database": ""}} {
		if found := refusal(t, one.hello(1, wrong)); found.Code != "bad_request" {
			t.Errorf("%v: %+v", wrong, found)
		}
	}
}

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
	eventually(t, "all are stored", func() bool { return len(one.all("message")) == count })
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
