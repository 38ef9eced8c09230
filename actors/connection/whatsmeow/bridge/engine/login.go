// Runs one login to WhatsApp from connect to end, and reports its end with the cause to the connection's actor.

package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"teimoso-whatsmeow/account"
	"teimoso-whatsmeow/accountstate"
	"teimoso-whatsmeow/ends"
	"teimoso-whatsmeow/library"
	"teimoso-whatsmeow/pipe"
	"teimoso-whatsmeow/sending"
	"teimoso-whatsmeow/settlements"
	"teimoso-whatsmeow/transport"
)

// linkWithin is how long a pairing may take whose socket has ended.
const linkWithin = 5 * time.Second

// lastWord is how long the library may take for the last stanza of a socket that has ended: it is decrypted
// on another goroutine than the one that sees the end, and may say why.
const lastWord = 250 * time.Millisecond

// mostRetries is how many messages may be sent again at the same time.
const mostRetries = 16

// backlog is how many stanzas may wait for the worker until the socket is not read any more.
const backlog = 2048

// login is one socket from its opening to its end.
type login struct {
	engine *Engine
	client *library.Client
	// stanzas are those that wait for the worker, which ends once stopped is closed.
	stanzas chan *waBinary.Node
	stopped chan struct{}
	settle  *settlements.Settlements
	qrs     *qrs
	// offline is the queue of what waited at the server.
	offline *offlineQueue
	sender  *sending.Sender
	states  *accountstate.States
	account *account.Account

	// admitted is set once WhatsApp let the device in, open once the library has done what follows.
	connected, admitted, open atomic.Bool

	// pairing is set once a phone linked the device, linked is closed once that is stored and confirmed, or failed.
	pairing atomic.Bool
	linked  chan struct{}
	link    sync.Once

	once  sync.Once
	why   ends.Cause
	alive context.Context // ends once `why` is known, by die
	die   context.CancelFunc
	over  chan struct{} // closed once `ended` was sent

	traffic traffic
	// retries has a place for each message that is sent again at the same time.
	retries chan struct{}
	// given are devices that got keys for a new session with a request for what could not be read, and of which nothing
	// was read since: with each of many requests, the sender would begin a session for each. The worker's.
	given map[types.JID]bool
	// forged is the message that no session authenticated last, among others; it is not tried again. The worker's.
	forged *waBinary.Node
}

// ownVersion is the library's version of WhatsApp Web, by which its stanzas are made.
var ownVersion = store.GetWAVersion()

// announce has the next login announce a version of WhatsApp Web, or the library's own where that is newer.
func announce(version *[3]uint32) {
	newest := ownVersion
	if version != nil && newest.LessThan(*version) {
		newest = *version
	}
	store.SetWAVersion(newest)
}

// start begins a login in the background; it returns an error where one is running.
func (e *Engine) start(version *[3]uint32) error {
	e.lock.Lock()
	defer e.lock.Unlock()
	if e.settings == nil {
		return &pipe.Refusal{Code: "no_hello"}
	}
	if err := e.sound(); err != nil {
		return err
	}
	if e.login != nil {
		return &pipe.Refusal{Code: "already_running"}
	}
	announce(version)
	if e.client.Store.ID == nil {
		// The state of one pairing is void for the next.
		if err := e.load(); err != nil {
			return err
		}
	}
	one := &login{
		engine: e, client: e.client, stanzas: make(chan *waBinary.Node, backlog), stopped: make(chan struct{}),
		over: make(chan struct{}), linked: make(chan struct{}),
		retries: make(chan struct{}, mostRetries), given: map[types.JID]bool{},
	}
	one.alive, one.die = context.WithCancel(e.ctx)
	one.settle = settlements.New(e.pipe, e.sound, one.forget)
	one.qrs = &qrs{login: one}
	one.offline = &offlineQueue{request: one.requestBatch}
	one.sender = &sending.Sender{
		Client: one.client, Context: e.ctx, Log: e.logs.Module("sending"),
		MayLeave: one.mayLeave, Connected: one.connected.Load, Ending: one.alive.Done(), Note: one.noteRecipients,
		Agreements: &e.agreements,
	}
	one.states = &accountstate.States{
		Client: one.client, Log: e.logs.Module("app state"), TellPhone: one.sender.TellPhone,
		Deliver: one.deliverState, Renamed: func() { one.account.Renamed(one.alive) },
	}
	one.account = &account.Account{
		Client: one.client, States: one.states, MayLeave: one.mayLeave, Tell: e.pipe.Tell,
	}
	e.login = one
	e.serving.Store(one)
	go one.run()
	return nil
}

func (l *login) run() {
	connection, err := l.connect()
	if err != nil {
		l.end(dialling(err))
	} else {
		l.serve(connection)
	}
	l.finish()
}

// connect opens the socket; it gives up when the login is to end.
func (l *login) connect() (*library.Connection, error) {
	ctx, cancel := context.WithCancel(l.engine.ctx)
	defer context.AfterFunc(l.alive, cancel)()
	connection, err := l.client.Open(ctx)
	if err != nil {
		cancel()
	}
	return connection, err
}

func (l *login) serve(connection *library.Connection) {
	var work sync.WaitGroup
	l.connected.Store(true)
	work.Go(l.work)
	work.Go(l.settle.Run)
	select {
	case <-l.alive.Done():
	case <-connection.Done():
		l.connected.Store(false)
		l.awaitLink() // a pairing that failed is the cause, not the server's answer to it
		select {
		case <-l.alive.Done():
		case <-time.After(lastWord):
			l.end(ends.Cause{By: "close"})
		}
	case <-l.engine.pipe.Broken():
		l.end(ends.Cause{Word: "closed"})
	}
	l.connected.Store(false)
	l.open.Store(false)
	connection.Close()
	l.qrs.stop()
	l.offline.stop()
	close(l.stopped)
	work.Wait()
	l.awaitLink()
}

// awaitLink waits until a pairing that a phone began is stored and reported, or failed. The server ends the socket as soon
// as it has the confirmation or the refusal.
func (l *login) awaitLink() {
	if !l.pairing.Load() {
		return
	}
	select {
	case <-l.linked:
	case <-time.After(linkWithin):
	}
}

// finish sets aside what is not linked any more, and tells why the login ended.
func (l *login) finish() {
	engine, why := l.engine, l.why
	if why.Aside != "" || why.Word == pairingFailed {
		if err := l.setAside(); err != nil {
			engine.failed(err)
		}
	}
	told := pipe.Fields{"by": why.By}
	if why.Word != "" {
		told = pipe.Fields{"by": "program", "cause": why.Word}
		if why.Detail != "" {
			told["detail"] = why.Detail
		}
	}
	if why.Attrs != nil {
		told["attrs"] = why.Attrs
	}
	if why.Children != nil {
		told["children"] = why.Children
	}
	engine.lock.Lock()
	engine.login = nil
	engine.serving.Store(nil)
	engine.lock.Unlock()
	engine.pipe.Tell("ended", told, nil)
	close(l.over)
}

// setAside sets the device aside where its login ended so, and has the next one use another.
func (l *login) setAside() error {
	engine := l.engine
	engine.lock.Lock()
	defer engine.lock.Unlock()
	if jid := l.client.Store.GetJID(); l.why.Aside != "" && !jid.IsEmpty() {
		if err := engine.vault.SetAside(engine.ctx, jid, l.why.Aside); err != nil {
			return err
		}
	}
	return engine.load()
}

// mayLeave refuses once the lease is over or the database failed.
func (l *login) mayLeave() error {
	if err := l.engine.sound(); err != nil {
		return err
	}
	return l.engine.lease.over()
}

// end ends the login; the first cause is the one that is sent.
func (l *login) end(why ends.Cause) {
	l.once.Do(func() {
		l.why = why
		l.die()
	})
}

func dialling(err error) ends.Cause {
	var failed *transport.Failed
	switch {
	case errors.Is(err, library.ErrHandshake):
		return ends.Cause{Word: "handshake_failed"}
	case errors.As(err, &failed):
		return ends.Cause{Word: failed.Kind, Detail: failed.Detail}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return ends.Cause{Word: "unreachable_in_time"}
	default:
		return ends.Cause{Word: "unreachable"}
	}
}

// traffic reports that something was read, at most once in a while.
type traffic struct{ last, told atomic.Int64 }

const trafficEvery = 5 * time.Second

func (l *login) sawTraffic() {
	now, before := time.Now().UnixNano(), l.traffic.told.Load()
	l.traffic.last.Store(now)
	if now-before >= int64(trafficEvery) && l.traffic.told.CompareAndSwap(before, now) {
		l.engine.pipe.Tell("traffic", nil, nil)
	}
}
