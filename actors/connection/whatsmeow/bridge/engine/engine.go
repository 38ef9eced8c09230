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
	"teimoso-whatsmeow/turns"
	"teimoso-whatsmeow/vault"
)

// Engine is the account: its database, its client, and the login that is running.
type Engine struct {
	pipe *pipe.Pipe
	logs *logging.Writer
	// ctx lives as long as the process: work that a login began is not torn down with its socket.
	ctx context.Context

	lease   turns.Lease
	ratchet turns.Ratchet
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
}

// New returns an engine that waits for `hello`.
func New(one *pipe.Pipe, logs *logging.Writer) *Engine {
	return &Engine{
		pipe: one, logs: logs, ctx: context.Background(),
		fatal: make(chan error, 1), closed: make(chan struct{}),
	}
}

// Fatal brings the error after which the program has to end: the database failed or is somebody else's.
func (engine *Engine) Fatal() <-chan error { return engine.fatal }

// Closed is closed once `close` was answered.
func (engine *Engine) Closed() <-chan struct{} { return engine.closed }

// Close ends the login and closes the database.
func (engine *Engine) Close() error {
	_, _ = engine.disconnect(nil)
	engine.lock.Lock()
	defer engine.lock.Unlock()
	if engine.vault == nil {
		return nil
	}
	return engine.vault.Close()
}

// failed takes a failure of the database: from here on nothing is acknowledged and nothing is sent.
func (engine *Engine) failed(err error) {
	if !engine.broken.CompareAndSwap(nil, &err) {
		return
	}
	go func() {
		engine.lock.Lock()
		login := engine.login
		engine.lock.Unlock()
		if login != nil {
			login.end(ends.Cause{Word: outcome.Word(err)})
			<-login.over
		}
		engine.answered(lastAnswers)
		engine.fatal <- err
	}()
}

// lastAnswers is how long requests may take to be refused before the program ends.
const lastAnswers = 2 * time.Second

// answered waits until no request is open, or for so long.
func (engine *Engine) answered(within time.Duration) {
	for end := time.Now().Add(within); engine.requests.Load() > 0 && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
}

// sound returns an error once the database failed.
func (engine *Engine) sound() error {
	if err := engine.broken.Load(); err != nil {
		return &pipe.Refusal{Code: outcome.Word(*err)}
	}
	return nil
}

// learnt hands on pairs of LID and phone number that are stored for the first time.
func (engine *Engine) learnt(pairs []store.LIDMapping) {
	told := make([][2]string, len(pairs))
	for index, pair := range pairs {
		told[index] = [2]string{pair.LID.User, pair.PN.User}
	}
	engine.pipe.Tell("mapping", pipe.Fields{"pairs": told}, nil)
}

// running returns the login whose socket is open, and its client.
func (engine *Engine) running() (*login, error) {
	engine.lock.Lock()
	defer engine.lock.Unlock()
	if engine.login == nil || !engine.login.connected.Load() {
		return nil, outcome.NotConnected
	}
	return engine.login, engine.sound()
}

// loggedIn is running for a device that is logged in.
func (engine *Engine) loggedIn() (*login, error) {
	login, err := engine.running()
	if err == nil && !login.open.Load() {
		return nil, outcome.NotConnected
	}
	return login, err
}
