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
	"teimoso-whatsmeow/intake"
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
	queue  *intake.Queue[*waBinary.Node]
	settle *settlements.Settlements
	qrs    *qrs
	// offline is the queue of what waited at the server.
	offline *intake.OfflineQueue
	sender  *sending.Sender
	states  *accountstate.States
	account *account.Account

	connected, open atomic.Bool

	// pairing is set once a phone linked the device, linked is closed once that is stored and confirmed, or failed.
	pairing atomic.Bool
	linked  chan struct{}
	link    sync.Once

	once   sync.Once
	why    ends.Cause
	ending chan struct{} // closed once `why` is known
	over   chan struct{} // closed once `ended` was sent

	traffic traffic
	// retries has a place for each message that is sent again at the same time.
	retries chan struct{}
	// given are devices that got keys for a new session with a request for what could not be read, and of which nothing
	// was read since: with each of many requests, the sender would begin a session for each. The worker's.
	given map[types.JID]bool
	// forged is the message that no session authenticated last, among others; it is not tried again. The worker's.
	forged *waBinary.Node
	// collected are deliveries that the library's event brought while the worker handles a stanza.
	collected []<-chan pipe.Answer
}

// start begins a login in the background; it returns an error where one is running.
func (engine *Engine) start(version *[3]uint32) error {
	engine.lock.Lock()
	defer engine.lock.Unlock()
	if engine.settings == nil {
		return &pipe.Refusal{Code: "no_hello"}
	}
	if err := engine.sound(); err != nil {
		return err
	}
	if engine.login != nil {
		return &pipe.Refusal{Code: "already_running"}
	}
	if version != nil {
		store.SetWAVersion(store.WAVersionContainer(*version))
	}
	one := &login{
		engine: engine, queue: intake.New[*waBinary.Node](backlog),
		ending: make(chan struct{}), over: make(chan struct{}), linked: make(chan struct{}),
		retries: make(chan struct{}, mostRetries), given: map[types.JID]bool{},
	}
	if err := engine.load(one); err != nil {
		return err
	}
	one.settle = settlements.New(engine.pipe, engine.sound, one.forget)
	one.qrs = &qrs{login: one}
	one.offline = &intake.OfflineQueue{Request: one.requestBatch}
	one.sender = &sending.Sender{
		Client: one.client, Context: engine.ctx, Log: engine.logs.Module("sending"), Ratchet: &engine.ratchet,
		MayLeave: one.mayLeave, Connected: one.connected.Load, Ending: one.ending, Note: one.noteRecipients,
	}
	one.states = &accountstate.States{
		Client: one.client, Log: engine.logs.Module("app state"), TellPhone: one.sender.TellPhone,
		Deliver: one.deliverState, Renamed: func() { one.account.Renamed() },
	}
	one.account = &account.Account{
		Client: one.client, Context: engine.ctx, States: one.states, MayLeave: one.mayLeave, Ending: one.ending,
		Tell: engine.pipe.Tell,
	}
	engine.ratchet.Serve(one.queue)
	engine.login = one
	go one.run()
	return nil
}

func (one *login) run() {
	connection, err := one.connect()
	if err != nil {
		one.end(dialling(err))
	} else {
		one.serve(connection)
	}
	one.finish()
}

// connect opens the socket; it gives up when the login is to end.
func (one *login) connect() (*library.Connection, error) {
	ctx, cancel := context.WithCancel(one.engine.ctx)
	connected := make(chan struct{})
	defer close(connected)
	go func() {
		select {
		case <-one.ending:
			cancel()
		case <-connected:
		}
	}()
	connection, err := one.client.Connect(ctx, one.engine.settings.URL, one.engine.logs.Module("socket"))
	if err != nil {
		cancel()
	}
	return connection, err
}

func (one *login) serve(connection *library.Connection) {
	var work sync.WaitGroup
	one.connected.Store(true)
	work.Go(one.work)
	work.Go(one.settle.Run)
	select {
	case <-one.ending:
	case <-connection.Done():
		one.connected.Store(false)
		one.awaitLink() // a pairing that failed is the cause, not the server's answer to it
		select {
		case <-one.ending:
		case <-time.After(lastWord):
			one.end(ends.Cause{By: "close"})
		}
	case <-one.engine.pipe.Broken():
		one.end(ends.Cause{Word: "closed"})
	}
	one.connected.Store(false)
	one.open.Store(false)
	one.client.ExpectEnd()
	connection.Close()
	one.qrs.stop()
	one.offline.Stop()
	one.queue.Close()
	work.Wait()
	one.awaitLink()
}

// awaitLink waits until a pairing that a phone began is stored and reported, or failed. The server ends the socket as soon
// as it has the confirmation or the refusal.
func (one *login) awaitLink() {
	if !one.pairing.Load() {
		return
	}
	select {
	case <-one.linked:
	case <-time.After(linkWithin):
	}
}

// finish sets aside what is not linked any more, and tells why the login ended.
func (one *login) finish() {
	engine, why := one.engine, one.why
	if why.Aside != "" {
		jid := one.client.Store.GetJID()
		if !jid.IsEmpty() {
			if err := engine.vault.SetAside(engine.ctx, jid, why.Aside); err != nil {
				engine.failed(err)
			}
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
	engine.lock.Unlock()
	engine.pipe.Tell("ended", told, nil)
	close(one.over)
}

// mayLeave refuses once the lease is over or the database failed.
func (one *login) mayLeave() error {
	if err := one.engine.sound(); err != nil {
		return err
	}
	return one.engine.lease.Over()
}

// end ends the login; the first cause is the one that is sent.
func (one *login) end(why ends.Cause) {
	one.once.Do(func() {
		one.why = why
		close(one.ending)
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

func (one *login) sawTraffic() {
	now, before := time.Now().UnixNano(), one.traffic.told.Load()
	one.traffic.last.Store(now)
	if now-before >= int64(trafficEvery) && one.traffic.told.CompareAndSwap(before, now) {
		one.engine.pipe.Tell("traffic", nil, nil)
	}
}
