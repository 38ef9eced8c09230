// Tests order, bound and end of the queue of stanzas.

package intake

import (
	"sync"
	"testing"
	"time"
)

func TestItemsComeInTheirOrderAndNeverMoreThanTheLimit(t *testing.T) {
	const limit, count = 4, 10_000
	queue := New[int](limit)
	go func() {
		for item := range count {
			queue.Put(item)
		}
	}()
	for want := range count {
		if item, ok := queue.Take(); !ok || item != want {
			t.Fatalf("took %v %v, want %v", item, ok, want)
		}
	}
	if longest := queue.Longest(); longest > limit {
		t.Errorf("%d items waited", longest)
	}
}

func TestFullQueueStopsTheReader(t *testing.T) {
	queue := New[int](1)
	queue.Put(1)
	put := putWhileFull(t, queue, 2)
	queue.Take()
	<-put
}

// putWhileFull puts an item into a full queue, and returns the channel that is closed once the queue took it.
func putWhileFull(t *testing.T, queue *Queue[int], item int) <-chan struct{} {
	t.Helper()
	put := make(chan struct{})
	go func() {
		queue.Put(item)
		close(put)
	}()
	select {
	case <-put:
		t.Error("a full queue took another item")
	case <-time.After(50 * time.Millisecond):
	}
	return put
}

func TestFullQueueGoesOnWhileAnAnswerIsWaitedFor(t *testing.T) {
	queue := New[int](1)
	queue.Put(1)
	done := queue.Pass()
	queue.Put(2)
	queue.Put(3)
	done()
	done() // once is enough
	for want := 1; want <= 3; want++ {
		if item, _ := queue.Take(); item != want {
			t.Errorf("took %d, want %d", item, want)
		}
	}
	queue.Put(4)
	put := putWhileFull(t, queue, 5) // the limit is in force again
	queue.Close()
	<-put
}

func TestCloseEndsWhoWaits(t *testing.T) {
	queue := New[int](1)
	var all sync.WaitGroup
	all.Go(func() {
		if _, ok := queue.Take(); ok {
			t.Error("an item came out of a closed queue")
		}
	})
	queue.Close()
	all.Wait()
	queue.Put(1)
	if _, ok := queue.Take(); ok {
		t.Error("a closed queue took an item")
	}
}
