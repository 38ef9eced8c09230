// Requests the stanzas that WhatsApp queued while the device was offline, batch by batch, to their end.

package intake

import (
	"sync"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"

	"teimoso-whatsmeow/outcome"
)

const (
	// Batch is how many waiting stanzas are requested at a time.
	Batch = 100
	// batchWithin is how long none of them may come until the rest is requested again, at first and at most.
	batchWithin, batchWithinMost = 3 * time.Second, time.Minute
)

// OfflineQueue requests what waited at the server, batch by batch. The server may hand out a batch and wait for the next
// request, and until the end it delivers nothing new. The library requests nothing.
type OfflineQueue struct {
	// Request asks the server for a batch.
	Request func()

	lock   sync.Mutex
	left   int // of those announced
	came   int // of the batch
	within time.Duration
	timer  *time.Timer
	over   bool
}

// Saw takes each stanza in the order of arrival: <ib> announces the queue or its end, others may be of it.
func (all *OfflineQueue) Saw(node *waBinary.Node) {
	all.lock.Lock()
	defer all.lock.Unlock()
	if node.Tag == "ib" {
		if preview, begins := node.GetOptionalChildByTag("offline_preview"); begins {
			all.left, all.within = outcome.Number(preview.Attrs["count"]), batchWithin
			all.next()
		}
		if _, ends := node.GetOptionalChildByTag("offline"); ends {
			all.left = 0
		}
		return
	}
	if _, waited := node.Attrs["offline"]; !waited || all.left == 0 {
		return
	}
	all.left, all.came, all.within = all.left-1, all.came+1, batchWithin
	if all.came < Batch {
		all.timer.Reset(all.within)
	} else {
		all.next()
	}
}

// Stop has nothing more requested.
func (all *OfflineQueue) Stop() {
	all.lock.Lock()
	defer all.lock.Unlock()
	all.over, all.left = true, 0
}

// next requests a batch, and another one where nothing of it comes. The lock is held.
func (all *OfflineQueue) next() {
	if all.left == 0 || all.over {
		return
	}
	all.came = 0
	go all.Request()
	if all.timer == nil {
		all.timer = time.AfterFunc(all.within, all.look)
	} else {
		all.timer.Reset(all.within)
	}
}

// look requests the rest where nothing came for a while, each time after twice as long.
func (all *OfflineQueue) look() {
	all.lock.Lock()
	defer all.lock.Unlock()
	if all.came == 0 {
		all.within = min(2*all.within, batchWithinMost)
	}
	all.next()
}
