// Package turns decides who may act now: the owner with a lease, and one user of Signal sessions at a time.
package turns

import (
	"sync"
	"sync/atomic"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"

	"teimoso-whatsmeow/intake"
	"teimoso-whatsmeow/pipe"
)

// Lease is how long the owner's lease is known to last, on the monotonic clock.
//
// Without a deadline nothing is refused: one comes with each renewal.
type Lease struct{ until atomic.Pointer[time.Time] }

// Renew notes that the lease lasts so long from now on.
func (one *Lease) Renew(remaining time.Duration) {
	until := time.Now().Add(remaining)
	one.until.Store(&until)
}

// Over refuses what would leave after the deadline.
func (one *Lease) Over() error {
	if until := one.until.Load(); until != nil && time.Now().After(*until) {
		return &pipe.Refusal{Code: "lease_over"}
	}
	return nil
}

// Ratchet is the turn of the one that uses Signal sessions.
//
// The library reads a session, advances it and writes it back, and takes turns between its own sends only: a
// decryption, or a resend, at the same time would write back an older state. Its holder may wait for an
// answer of the server, which comes behind stanzas that wait for it: meanwhile the queue has no limit.
type Ratchet struct {
	turn  sync.Mutex
	lock  sync.Mutex
	queue *intake.Queue[*waBinary.Node]
}

// Serve has this queue go beyond its limit while the turn is taken.
func (one *Ratchet) Serve(queue *intake.Queue[*waBinary.Node]) {
	one.lock.Lock()
	defer one.lock.Unlock()
	one.queue = queue
}

// Take waits for the turn and returns the function that ends it.
func (one *Ratchet) Take() (done func()) {
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
