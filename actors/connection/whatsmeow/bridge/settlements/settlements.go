// Package settlements answers stanzas at WhatsApp once the actor committed what they brought.
package settlements

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

// Settlement is a stanza whose deliveries wait for the actor; Done answers it.
//
// `stored` is whether the actor committed all of them: only then an answer that settles the stanza may leave.
type Settlement struct {
	Deliveries []<-chan pipe.Answer
	Hashes     [][32]byte
	Done       func(stored bool)
}

// Settlements answers stanzas in the order in which they came, as the actor commits them.
type Settlements struct {
	// Pipe brings the actor's answers. Sound returns an error once the database failed.
	Pipe  *pipe.Pipe
	Sound func() error
	// Forget deletes the plaintexts of stored messages.
	Forget func(hashes [][32]byte)

	waiting chan Settlement
	hashes  [][32]byte
}

// New returns settlements that nobody answers yet; Run does.
func New(one *pipe.Pipe, sound func() error, forget func([][32]byte)) *Settlements {
	return &Settlements{Pipe: one, Sound: sound, Forget: forget, waiting: make(chan Settlement, inFlight)}
}

// Add waits while too many stanzas do. It is called by the worker alone, which ends it by Close.
func (all *Settlements) Add(one Settlement) { all.waiting <- one }

// Close has Run return once it is through.
func (all *Settlements) Close() { close(all.waiting) }

// Run answers stanzas until Close, then deletes what is left to delete.
func (all *Settlements) Run() {
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

func (all *Settlements) finish(one Settlement) {
	stored := true
	for _, delivery := range one.Deliveries {
		if all.Pipe.Wait(delivery).Err != nil {
			stored = false
		}
	}
	// After a failure of the database nobody knows what of the library's own state was lost.
	stored = stored && all.Sound() == nil
	one.Done(stored)
	if stored {
		if all.hashes = append(all.hashes, one.Hashes...); len(all.hashes) >= manyHashes {
			all.forget()
		}
	}
}

func (all *Settlements) forget() {
	if len(all.hashes) > 0 && all.Sound() == nil {
		all.Forget(all.hashes)
		all.hashes = nil
	}
}
