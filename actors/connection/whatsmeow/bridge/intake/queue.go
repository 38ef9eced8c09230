// Package intake queues stanzas in memory between the socket's reader and the handlers: in order, and bounded.
package intake

import "sync"

// Queue hands items from one reader to one worker in their order.
//
// Put waits while the queue is full, which stops the reader and with it the server (backpressure). It does not
// wait while Pass is in force: the handler that holds up the worker then waits for an answer that comes behind the items.
type Queue[Item any] struct {
	limit int

	lock    sync.Mutex
	changed *sync.Cond
	items   []Item
	passes  int
	closed  bool
	longest int
}

// New returns an empty queue with room for `limit` items.
func New[Item any](limit int) *Queue[Item] {
	queue := &Queue[Item]{limit: limit}
	queue.changed = sync.NewCond(&queue.lock)
	return queue
}

// Put adds an item once there is room; it drops it where the queue is closed.
func (queue *Queue[Item]) Put(item Item) {
	queue.lock.Lock()
	defer queue.lock.Unlock()
	for len(queue.items) >= queue.limit && queue.passes == 0 && !queue.closed {
		queue.changed.Wait()
	}
	if queue.closed {
		return
	}
	queue.items = append(queue.items, item)
	queue.longest = max(queue.longest, len(queue.items))
	queue.changed.Broadcast()
}

// Take returns the oldest item once there is one; false where the queue is closed.
func (queue *Queue[Item]) Take() (item Item, ok bool) {
	queue.lock.Lock()
	defer queue.lock.Unlock()
	for len(queue.items) == 0 && !queue.closed {
		queue.changed.Wait()
	}
	if queue.closed {
		return item, false
	}
	item, queue.items = queue.items[0], queue.items[1:]
	queue.changed.Broadcast()
	return item, true
}

// Empty returns whether no item waits.
func (queue *Queue[Item]) Empty() bool {
	queue.lock.Lock()
	defer queue.lock.Unlock()
	return len(queue.items) == 0
}

// Pass lets Put go beyond the limit until the returned function is called.
func (queue *Queue[Item]) Pass() (done func()) {
	queue.pass(1)
	return sync.OnceFunc(func() { queue.pass(-1) })
}

func (queue *Queue[Item]) pass(change int) {
	queue.lock.Lock()
	defer queue.lock.Unlock()
	queue.passes += change
	queue.changed.Broadcast()
}

// Close drops what is left, and ends Put and Take.
func (queue *Queue[Item]) Close() {
	queue.lock.Lock()
	defer queue.lock.Unlock()
	queue.closed, queue.items = true, nil
	queue.changed.Broadcast()
}

// Longest returns the most items that waited at once.
func (queue *Queue[Item]) Longest() int {
	queue.lock.Lock()
	defer queue.lock.Unlock()
	return queue.longest
}
