package engine

import (
	"time"

	"teimoso-whatsmeow/pipe"
)

const (
	// inFlight is how many stanzas may wait for the actor's commit at once: it commits several together.
	inFlight = 256
	// manyHashes and forgetEvery are when the plaintexts of stored messages are deleted.
	manyHashes  = 64
	forgetEvery = 250 * time.Millisecond
)

// settlement is a stanza whose deliveries wait for the actor; `done` answers it.
//
// `stored` is whether the actor committed all of them: only then an answer that settles the stanza may leave.
type settlement struct {
	deliveries []<-chan pipe.Answer
	hashes     [][32]byte
	done       func(stored bool)
}

// settlements answers stanzas in the order in which they came, as the actor commits them.
type settlements struct {
	login   *login
	waiting chan settlement
	hashes  [][32]byte
}

func newSettlements(one *login) *settlements {
	return &settlements{login: one, waiting: make(chan settlement, inFlight)}
}

// add waits while too many stanzas do. It is called by the worker alone, which ends it by close.
func (all *settlements) add(one settlement) { all.waiting <- one }

func (all *settlements) close() { close(all.waiting) }

// run answers stanzas until close, then deletes what is left to delete.
func (all *settlements) run() {
	var later <-chan time.Time
	for {
		if later == nil && len(all.hashes) > 0 {
			later = time.After(forgetEvery)
		}
		select {
		case one, more := <-all.waiting:
			if !more {
				all.forget()
				return
			}
			all.finish(one)
		case <-later:
			later = nil
			all.forget()
		}
	}
}

func (all *settlements) finish(one settlement) {
	stored := true
	for _, delivery := range one.deliveries {
		if all.login.engine.pipe.Wait(delivery).Err != nil {
			stored = false
		}
	}
	// After a failure of the database nobody knows what of the library's own state was lost.
	stored = stored && all.login.engine.sound() == nil
	one.done(stored)
	if stored {
		if all.hashes = append(all.hashes, one.hashes...); len(all.hashes) >= manyHashes {
			all.forget()
		}
	}
}

func (all *settlements) forget() {
	engine := all.login.engine
	if len(all.hashes) == 0 || engine.sound() != nil {
		return
	}
	if err := engine.vault.ForgetPlaintexts(engine.ctx, all.login.client.Store.GetJID(), all.hashes); err != nil {
		engine.failed(err)
	}
	all.hashes = nil
}
