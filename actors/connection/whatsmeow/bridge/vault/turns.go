// Gives one user of Signal sessions at a time its turn: a decryption, or a message that is encrypted.

package vault

import (
	"context"
	"errors"
	"sync"
)

// Ratchet is the turn of the one that uses Signal sessions.
//
// The library reads a session, advances it and writes it back, and takes turns between its own sends only: a decryption, or a resend,
// at the same time would write back an older state (TestMessagesBothWaysAtOnceAreReadable). Nobody waits for the network meanwhile:
// all that a send asks WhatsApp for it asks before its turn, since receiving needs the turn, too
// (TestReceivingDoesNotWaitForTheQueriesOfASend).
type Ratchet struct {
	turn     sync.Mutex
	renewals renewals
}

// Take waits for the turn and returns the function that ends it.
func (r *Ratchet) Take() (done func()) {
	r.turn.Lock()
	return sync.OnceFunc(r.turn.Unlock)
}

// departure is a message that the library encrypts.
type departure struct {
	ratchet *Ratchet
	done    func()
	// renewals is their count before the members of the group were listed.
	renewals int
}

type departing struct{}

// Depart returns a context in which the library encrypts a message: it has the turn from the first session that it uses until it has
// stored all of them, and finds those sessions alone that are there, so that it asks for no keys meanwhile. `done` ends the turn.
//
// A message to a group whose key was renewed since there were that many Renewals is refused by ErrRenewed.
func (r *Ratchet) Depart(ctx context.Context, renewals int) (_ context.Context, done func()) {
	d := &departure{ratchet: r, renewals: renewals}
	return context.WithValue(ctx, departing{}, d), d.end
}

func departureOf(ctx context.Context) *departure {
	d, _ := ctx.Value(departing{}).(*departure)
	return d
}

func (d *departure) begin() {
	if d != nil && d.done == nil {
		d.done = d.ratchet.Take()
	}
}

func (d *departure) end() {
	if d != nil && d.done != nil {
		d.done()
		d.done = nil
	}
}

// Renewals returns how often keys of groups were renewed.
func (r *Ratchet) Renewals() int {
	r.renewals.lock.Lock()
	defer r.renewals.lock.Unlock()
	return r.renewals.count
}

// ErrRenewed refuses a message to a group whose key was renewed since its members were listed: one of them left, and would get the
// new key, or read the message by the one before.
var ErrRenewed = errors.New("the key of a group was renewed")

// renewals counts how often keys of groups were renewed.
type renewals struct {
	lock  sync.Mutex
	count int
}
