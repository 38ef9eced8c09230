// Limits in memory the effort that each device's forged messages may cause beyond ordinary ones.

package library

import (
	"sync"
	"time"
)

const (
	// mostEffort is what one message may take until a session authenticates it, in steps of a chain (about 1 µs each).
	mostEffort = mostMissing + 2*agreement
	// ordinary is what one takes whose device has no budget left: messages in order on its newest session are read as ever.
	ordinary = 150
	// agreement is what the begin of a chain takes.
	agreement = 100
	// bytesOfStep is how many bytes of a message take as long as a step, in its MAC.
	bytesOfStep = 400
	// burst is what a device may cause at once beyond ordinary messages, rate what its budget gains in a second.
	burst, rate = 20_000, 500
	// mostBudgets is how many devices have one in memory.
	mostBudgets = 1024
)

// budgets are the effort that each device may cause beyond ordinary messages, in this process.
type budgets struct {
	lock sync.Mutex
	now  func() time.Time
	all  map[string]budget
}

type budget struct {
	left float64
	at   time.Time
}

func newBudgets(now func() time.Time) *budgets { return &budgets{now: now, all: map[string]budget{}} }

// allowance returns what a message of a device may take.
func (b *budgets) allowance(device string) int {
	b.lock.Lock()
	defer b.lock.Unlock()
	if b.left(device) <= 0 {
		return ordinary
	}
	return mostEffort
}

// charge takes what a message took from the budget of its device, unless that is ordinary.
func (b *budgets) charge(device string, spent int) {
	if spent <= ordinary {
		return
	}
	b.lock.Lock()
	defer b.lock.Unlock()
	left := b.left(device)
	if _, found := b.all[device]; !found && len(b.all) >= mostBudgets {
		b.dropOldest()
	}
	b.all[device] = budget{left - float64(spent), b.now()}
}

// dropOldest forgets the device that caused no such effort for the longest time.
func (b *budgets) dropOldest() {
	oldest, at := "", b.now()
	for device, known := range b.all {
		if oldest == "" || known.at.Before(at) {
			oldest, at = device, known.at
		}
	}
	delete(b.all, oldest)
}

func (b *budgets) left(device string) float64 {
	known, found := b.all[device]
	if !found {
		return burst
	}
	return min(burst, known.left+rate*b.now().Sub(known.at).Seconds())
}
