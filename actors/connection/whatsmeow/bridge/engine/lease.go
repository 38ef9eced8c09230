package engine

import (
	"sync"
	"sync/atomic"
	"time"

	"teimoso-whatsmeow/intake"
	"teimoso-whatsmeow/pipe"

	waBinary "go.mau.fi/whatsmeow/binary"
)

// lease is how long the owner's lease is known to last, on the monotonic clock.
//
// Without a deadline nothing is refused: one comes with each renewal.
type lease struct{ until atomic.Pointer[time.Time] }

func (one *lease) renew(remaining time.Duration) {
	until := time.Now().Add(remaining)
	one.until.Store(&until)
}

// over refuses what would leave after the deadline.
func (one *lease) over() error {
	if until := one.until.Load(); until != nil && time.Now().After(*until) {
		return &pipe.Refusal{Code: "lease_over"}
	}
	return nil
}

// ratchet is the turn of whoever uses Signal sessions.
//
// The library reads a session, advances it and writes it back, and takes turns between its own sends only: a
// decryption, or a resend, at the same time would write back an older state. Whoever holds it may wait for an
// answer of the server, which comes behind stanzas that wait for it: meanwhile the queue has no limit.
type ratchet struct {
	turn  sync.Mutex
	lock  sync.Mutex
	queue *intake.Queue[*waBinary.Node]
}

func (one *ratchet) serve(queue *intake.Queue[*waBinary.Node]) {
	one.lock.Lock()
	defer one.lock.Unlock()
	one.queue = queue
}

// take waits for the turn and returns the function that ends it.
func (one *ratchet) take() (done func()) {
	one.turn.Lock()
	one.lock.Lock()
	queue := one.queue
	one.lock.Unlock()
	pass := func() {}
	if queue != nil {
		pass = queue.Pass()
	}
	return sync.OnceFunc(func() {
		pass()
		one.turn.Unlock()
	})
}
