// Runs the stock library as a client, for comparison.

package tests

import (
	"context"
	"database/sql"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types/events"
	_ "modernc.org/sqlite"
)

// stock is the library as it comes, linked to an account of its own: it shows what the program has to close.
type stock struct {
	*whatsmeow.Client
	t      *testing.T
	number string
	db     *sql.DB

	lock   sync.Mutex
	events []any
	// handle is the application's handler; its result is whether it succeeded.
	handle func(any) bool
}

// elsewhere has the library's constant address lead to the simulator.
type elsewhere struct{ to *url.URL }

func (one elsewhere) RoundTrip(request *http.Request) (*http.Response, error) {
	changed := request.Clone(request.Context())
	changed.URL = &url.URL{Scheme: "http", Host: one.to.Host, Path: one.to.Path}
	changed.Host = one.to.Host
	return http.DefaultTransport.RoundTrip(changed)
}

// linked links the library to an account. `mend` changes its settings and stores before each connection.
func linked(t *testing.T, mend func(*stock)) *stock {
	t.Helper()
	need(t)
	path := filepath.Join(t.TempDir(), "stock.db")
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=foreign_keys(1)&_pragma=journal_mode(WAL)&_busy_timeout=10000")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	container := sqlstore.NewWithDB(db, "sqlite3", nil)
	if err := container.Upgrade(context.Background()); err != nil {
		t.Fatal(err)
	}
	one := &stock{t: t, number: number(), db: db, handle: func(any) bool { return true }}
	post(t, "/phones", object{"number": one.number})
	one.fresh(container.NewDevice(), mend)
	qrs := make(chan string, 1)
	waiter := one.AddEventHandler(func(event any) {
		if found, ok := event.(*events.QR); ok {
			qrs <- found.Codes[0]
		}
	})
	one.connect()
	post(t, "/phones/"+one.number+"/scan", object{"qr": <-qrs})
	one.await("open", func(event any) bool { _, ok := event.(*events.Connected); return ok })
	go one.RemoveEventHandler(waiter)
	return one
}

func (one *stock) fresh(device *store.Device, mend func(*stock)) {
	one.t.Helper()
	server, err := url.Parse(simulator.URL)
	if err != nil {
		one.t.Fatal(err)
	}
	one.Client = whatsmeow.NewClient(device, nil)
	one.SetWebsocketHTTPClient(&http.Client{Transport: elsewhere{server}})
	one.SetPreLoginHTTPClient(&http.Client{Transport: elsewhere{server}})
	if mend != nil {
		mend(one)
	}
	client := one.Client
	one.AddEventHandlerWithSuccessStatus(one.event)
	one.t.Cleanup(client.Disconnect)
}

func (one *stock) event(event any) bool {
	one.lock.Lock()
	one.events = append(one.events, event)
	handle := one.handle
	one.lock.Unlock()
	return handle(event)
}

func (one *stock) handles(handle func(any) bool) {
	one.lock.Lock()
	defer one.lock.Unlock()
	one.handle = handle
}

func (one *stock) connect() {
	one.t.Helper()
	if err := one.Connect(); err != nil {
		one.t.Fatal(err)
	}
}

// await waits for an event.
func (one *stock) await(what string, fits func(any) bool) {
	one.t.Helper()
	eventually(one.t, what, func() bool {
		one.lock.Lock()
		defer one.lock.Unlock()
		for _, event := range one.events {
			if fits(event) {
				return true
			}
		}
		return false
	})
}

func isMessage(event any) bool { _, ok := event.(*events.Message); return ok }

func isUndecryptable(event any) bool { _, ok := event.(*events.UndecryptableMessage); return ok }

// careful are the settings of an application that wants nothing acknowledged before it stored it.
func careful(one *stock) {
	one.SynchronousAck = true
	one.EnableDecryptedEventBuffer = true
	one.EnableAutoReconnect = false
}

// owes returns whether the account's device owes the answer to a stanza of this kind (`message`, `receipt/read`).
func owes(t *testing.T, account, kind string) bool {
	t.Helper()
	for _, each := range items(get(t, "/unanswered?account="+account), "open") {
		if found, _ := each["kind"].(string); strings.HasPrefix(found, kind) {
			return true
		}
	}
	return false
}

// stays asserts that a condition holds, and goes on holding.
func stays(t *testing.T, what string, holds func() bool) {
	t.Helper()
	eventually(t, what, holds)
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if !holds() {
			t.Fatalf("not for long: %s", what)
		}
	}
}
