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
func (s *Settlements) Add(one Settlement) { s.waiting <- one }

// Close has Run return once it is through.
func (s *Settlements) Close() { close(s.waiting) }

// Run answers stanzas until Close, then deletes what is left to delete.
func (s *Settlements) Run() {
	var later <-chan time.Time
	for {
		if later == nil && len(s.hashes) > 0 {
			later = time.After(forgetEvery)
		}
		select {
		case one, more := <-s.waiting:
			if !more {
				s.forget()
				return
			}
			s.finish(one)
		case <-later:
			later = nil
			s.forget()
		}
	}
}

func (s *Settlements) finish(one Settlement) {
	stored := true
	for _, delivery := range one.Deliveries {
		if s.Pipe.Wait(delivery).Err != nil {
			stored = false
		}
	}
	// After a failure of the database nobody knows what of the library's own state was lost.
	stored = stored && s.Sound() == nil
	one.Done(stored)
	if stored {
		if s.hashes = append(s.hashes, one.Hashes...); len(s.hashes) >= manyHashes {
			s.forget()
		}
	}
}

func (s *Settlements) forget() {
	if len(s.hashes) > 0 && s.Sound() == nil {
		s.Forget(s.hashes)
		s.hashes = nil
	}
}
