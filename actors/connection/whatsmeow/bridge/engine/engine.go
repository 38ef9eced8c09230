// Package engine serves one WhatsApp account for the connection's actor, which is at the other end of the pipe.
package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow/store"

	"teimoso-whatsmeow/ends"
	"teimoso-whatsmeow/library"
	"teimoso-whatsmeow/logging"
	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
	"teimoso-whatsmeow/sending"
	"teimoso-whatsmeow/vault"
)

// Engine is the account: its database, its client, and the login that is running.
type Engine struct {
	pipe *pipe.Pipe
	logs *logging.Writer
	// ctx lives as long as the process: work that a login began is not torn down with its socket.
	ctx context.Context

	lease   lease
	tracing atomic.Bool
	// requests counts those that are not answered yet.
	requests atomic.Int64
	broken   atomic.Pointer[error]
	fatal    chan error
	closed   chan struct{}

	lock     sync.Mutex
	settings *settings
	vault    *vault.Vault
	client   *library.Client
	login    *login
	// serving is the login, for what comes over its socket.
	serving    atomic.Pointer[login]
	agreements sending.Agreements
	closing    sync.Once
}

// New returns an engine that waits for `hello`.
func New(one *pipe.Pipe, logs *logging.Writer) *Engine {
	return &Engine{
		pipe: one, logs: logs, ctx: context.Background(),
		fatal: make(chan error, 1), closed: make(chan struct{}),
	}
}

// Fatal brings the error after which the program has to end: the database failed or is somebody else's.
func (e *Engine) Fatal() <-chan error { return e.fatal }

// Closed is closed once `close` was answered.
func (e *Engine) Closed() <-chan struct{} { return e.closed }

// Close ends the login and closes the database.
func (e *Engine) Close() error {
	_, _ = e.disconnect(nil)
	e.lock.Lock()
	defer e.lock.Unlock()
	if e.vault == nil {
		return nil
	}
	return e.vault.Close()
}

// failed takes a failure of the database: from here on nothing is acknowledged and nothing is sent.
func (e *Engine) failed(err error) {
	if !e.broken.CompareAndSwap(nil, &err) {
		return
	}
	go func() {
		e.lock.Lock()
		login := e.login
		e.lock.Unlock()
		if login != nil {
			login.end(ends.Cause{Word: outcome.Word(err)})
			<-login.over
		}
		e.answered(lastAnswers)
		e.fatal <- err
	}()
}

// lastAnswers is how long requests may take to be refused before the program ends.
const lastAnswers = 2 * time.Second

// answered waits until no request is open, or for so long.
func (e *Engine) answered(within time.Duration) {
	for end := time.Now().Add(within); e.requests.Load() > 0 && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
}

// sound returns an error once the database failed.
func (e *Engine) sound() error {
	if err := e.broken.Load(); err != nil {
		return &pipe.Refusal{Code: outcome.Word(*err)}
	}
	return nil
}

// learnt hands on pairs of LID and phone number that are stored for the first time.
func (e *Engine) learnt(pairs []store.LIDMapping) {
	told := make([][2]string, len(pairs))
	for index, pair := range pairs {
		told[index] = [2]string{pair.LID.User, pair.PN.User}
	}
	e.pipe.Tell("mapping", pipe.Fields{"pairs": told}, nil)
}

// running returns the login whose socket is open, and its client.
func (e *Engine) running() (*login, error) {
	e.lock.Lock()
	defer e.lock.Unlock()
	if e.login == nil || !e.login.connected.Load() {
		return nil, outcome.NotConnected
	}
	return e.login, e.sound()
}

// loggedIn is running for a device that is logged in.
func (e *Engine) loggedIn() (*login, error) {
	login, err := e.running()
	if err == nil && !login.open.Load() {
		return nil, outcome.NotConnected
	}
	return login, err
}

// lease is how long the owner's lease is known to last, on the monotonic clock.
//
// Without a deadline nothing is refused: one comes with each renewal.
type lease struct{ until atomic.Pointer[time.Time] }

// renew notes that the lease lasts so long from now on.
func (l *lease) renew(remaining time.Duration) {
	until := time.Now().Add(remaining)
	l.until.Store(&until)
}

// over refuses what would leave after the deadline.
func (l *lease) over() error {
	if until := l.until.Load(); until != nil && time.Now().After(*until) {
		return &pipe.Refusal{Code: "lease_over"}
	}
	return nil
}
