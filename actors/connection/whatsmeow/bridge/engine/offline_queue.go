// Requests the stanzas that WhatsApp queued while the device was offline, batch by batch, to their end.

package engine

import (
	"sync"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"

	"teimoso-whatsmeow/outcome"
)

const (
	// offlineBatch is how many waiting stanzas are requested at a time.
	offlineBatch = 100
	// batchWithin is how long none of them may come until the rest is requested again, at first and at most.
	batchWithin, batchWithinMost = 3 * time.Second, time.Minute
)

// offlineQueue requests what waited at the server, batch by batch. The server may hand out a batch and wait for the next
// request, and until the end it delivers nothing new. The library requests nothing.
type offlineQueue struct {
	// request asks the server for a batch.
	request func()

	lock   sync.Mutex
	left   int // of those announced
	came   int // of the batch
	within time.Duration
	timer  *time.Timer
	over   bool
}

// saw takes each stanza in the order of arrival: <ib> announces the queue or its end, others may be of it.
func (o *offlineQueue) saw(node *waBinary.Node) {
	o.lock.Lock()
	defer o.lock.Unlock()
	if o.over {
		return
	}
	if node.Tag == "ib" {
		if preview, begins := node.GetOptionalChildByTag("offline_preview"); begins {
			o.left, o.within = outcome.Number(preview.Attrs["count"]), batchWithin
			o.next()
		}
		if _, ends := node.GetOptionalChildByTag("offline"); ends {
			o.left = 0
		}
		return
	}
	if _, waited := node.Attrs["offline"]; !waited || o.left == 0 {
		return
	}
	o.left, o.came, o.within = o.left-1, o.came+1, batchWithin
	if o.came < offlineBatch {
		o.timer.Reset(o.within)
	} else {
		o.next()
	}
}

// stop has nothing more requested.
func (o *offlineQueue) stop() {
	o.lock.Lock()
	defer o.lock.Unlock()
	o.over, o.left = true, 0
}

// next requests a batch, and another one where nothing of it comes. The lock is held.
func (o *offlineQueue) next() {
	if o.left == 0 || o.over {
		return
	}
	o.came = 0
	go o.request()
	if o.timer == nil {
		o.timer = time.AfterFunc(o.within, o.look)
	} else {
		o.timer.Reset(o.within)
	}
}

// look requests the rest where nothing came for a while, each time after twice as long.
func (o *offlineQueue) look() {
	o.lock.Lock()
	defer o.lock.Unlock()
	if o.came == 0 {
		o.within = min(2*o.within, batchWithinMost)
	}
	o.next()
}
