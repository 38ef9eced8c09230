// Tests the requests for the batches of the offline queue.

package engine

import (
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
)

func preview(count int) *waBinary.Node {
	return &waBinary.Node{Tag: "ib", Content: []waBinary.Node{
		{Tag: "offline_preview", Attrs: waBinary.Attrs{"count": strconv.Itoa(count)}},
	}}
}

func TestWhatWaitedIsRequestedUntilItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requested atomic.Int64
		all := &offlineQueue{request: func() { requested.Add(1) }}
		expect := func(count int64, when string) {
			t.Helper()
			synctest.Wait()
			if requested.Load() != count {
				t.Errorf("requested %d times %s", requested.Load(), when)
			}
		}
		waited := &waBinary.Node{Tag: "message", Attrs: waBinary.Attrs{"offline": "1"}}
		all.saw(waited)
		expect(0, "before it was announced")
		all.saw(preview(2*offlineBatch + 1))
		expect(1, "at the announcement")
		for range offlineBatch - 1 {
			all.saw(waited)
			all.saw(&waBinary.Node{Tag: "message"})
		}
		expect(1, "before the end of the batch")
		all.saw(waited)
		expect(2, "after a batch")
		time.Sleep(batchWithin - time.Millisecond)
		all.saw(waited)
		time.Sleep(batchWithin - time.Millisecond)
		expect(2, "while some come")
		time.Sleep(2 * time.Millisecond)
		expect(3, "after a silence")
		time.Sleep(batchWithin)
		expect(4, "after another one")
		time.Sleep(batchWithin)
		expect(4, "before twice the time")
		time.Sleep(batchWithin)
		expect(5, "after it")
		all.saw(&waBinary.Node{Tag: "ib", Content: []waBinary.Node{{Tag: "offline"}}})
		time.Sleep(time.Hour)
		expect(5, "once it ended")
		all.saw(preview(0))
		expect(5, "where nothing waits")
		all.saw(preview(1))
		expect(6, "at another announcement")
		all.stop()
		time.Sleep(time.Hour)
		expect(6, "after the login")
	})
}
