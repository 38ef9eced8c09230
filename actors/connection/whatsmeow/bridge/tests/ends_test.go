// Tests the causes with which logins end.

package tests

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"teimoso-whatsmeow/engine"
	"teimoso-whatsmeow/logging"
	"teimoso-whatsmeow/pipe"
)

// endsBy has something happen, and returns why the login ended.
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

func TestStoreErrorEndsTheProgramWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	settled(t, one.number)
	db := database(t, one.path)
	alter := func(words string) {
		t.Helper()
		if _, err := db.Exec("ALTER TABLE " + words); err != nil {
			t.Fatal(err)
		}
	}
	alter("whatsmeow_sessions RENAME TO away")
	id := say(t, friend, one.number, nil)
	why := one.await(0, "ended", func(found record) bool { return found.Fields["by"] == "program" }).Fields
	if code := exitCode(one); why["cause"] != "store_failed" || code != 3 {
		t.Errorf("exit code %d, ended by %v", code, why)
	}
	if len(one.all("message")) > 0 || len(one.all("undecryptable")) > 0 || said(t, friend, id)["received"] == true {
		t.Error("the message was taken")
	}
	alter("away RENAME TO whatsmeow_sessions")
	_ = db.Close()
	next := one.again(2)
	next.login()
	next.await(0, "message", says("kept"))
	settled(t, one.number)
	if found := len(next.all("message")); found != 1 {
		t.Errorf("it came %d times", found)
	}
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

// inProcess runs the engine in the tests' process, with the program's code but for its main.
func inProcess(t *testing.T) *actor {
	t.Helper()
	need(t)
	own, theirs := net.Pipe()
	one := newActor(t, filepath.Join(t.TempDir(), "whatsmeow.db"), own)
	link := pipe.New(theirs)
	account := engine.New(link, logging.New(&one.stderr))
	go func() { _ = link.Serve(account.Handle) }()
	go one.read()
	t.Cleanup(func() {
		one.kill()
		if err := account.Close(); err != nil {
			t.Error(err)
		}
	})
	return one
}

func TestSocketThatAnswersNoPingEndsTheLogin(t *testing.T) {
	t.Parallel()
	one := inProcess(t)
	one.number = number()
	post(t, "/phones", object{"number": one.number})
	if err := one.hello(1, nil).Err; err != nil {
		t.Fatal(err)
	}
	one.link()
	one.login()
	why := one.endsBy(func() { fault(t, one.number, "freeze", nil) }) // the socket stays open, and nothing moves
	if why["by"] != "program" || why["cause"] != "keepalive" {
		t.Errorf("ended by %v", why)
	}
	struck(t, one.number, "freeze")
	if err := simulator.request(http.MethodDelete, "/faults?account="+one.number, nil, nil); err != nil {
		t.Fatal(err)
	}
	one.login()
}

func TestWhatTheLibraryKnowsLastsAcrossLogins(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	chats := []string{person(friend), groupOf(t, one, friend)}
	for _, chat := range chats {
		if sent := one.send(chat, "3EB00000000000000000F0", "x"); sent.Err != nil {
			t.Fatal(sent.Err)
		}
	}
	one.endsBy(func() { fault(t, one.number, "drop", nil) })
	one.login()
	one.do("trace", pipe.Fields{"on": true}, nil)
	for _, chat := range chats {
		if sent := one.send(chat, "3EB00000000000000000F1", "x"); sent.Err != nil {
			t.Fatal(sent.Err)
		}
	}
	if devices, members := one.queries("usync"), one.queries("w:g2"); devices+members > 0 {
		t.Errorf("%d queries for devices and %d for members after a new login", devices, members)
	}
}

func TestTwoCloseRequestsEndTheProgramInOrder(t *testing.T) {
	t.Parallel()
	one := paired(t)
	first, second := one.begin("close", nil, nil), one.begin("close", nil, nil)
	<-first
	<-second
	if code := exitCode(one); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// ownVersion is the library's, before the tests of the stock library announce another one.
var ownVersion = store.GetWAVersion()

func TestNoVersionOlderThanTheLibrarysOwnIsAnnounced(t *testing.T) {
	t.Parallel()
	one := paired(t)
	for given, announced := range map[[3]uint32]uint32{
		{2, 3000, 1000000000}: ownVersion[2], {2, 3000, 1999999999}: 1999999999,
	} {
		one.endsBy(func() { fault(t, one.number, "drop", nil) })
		one.do("trace", pipe.Fields{"on": true}, nil)
		since := one.now()
		one.do("login", pipe.Fields{"version": given}, nil)
		var payload waWa6.ClientPayload
		if err := proto.Unmarshal(one.await(since, "login", nil).Raw, &payload); err != nil {
			t.Fatal(err)
		}
		one.await(since, "open", nil)
		if found := payload.GetUserAgent().GetAppVersion().GetTertiary(); found != announced {
			t.Errorf("%v: announced %d", given, found)
		}
	}
}
