// Encrypts and writes waiting messages in call order; commits their ratchet steps to the key database together first.

package sending

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"

	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/vault"
)

// departure is a message that is encrypted and written in its turn.
type departure struct {
	id   string
	seal sealing
	node *waBinary.Node

	answer <-chan *waBinary.Node
	err    error
	done   chan struct{}
}

// sealing encrypts a message; in its context steps of ratchets are gathered.
type sealing func(context.Context) (*waBinary.Node, error)

// departures are messages that wait for their turn.
type departures struct {
	lock    sync.Mutex
	waiting []*departure
	working bool
}

// put adds one; it returns whether no worker takes them yet.
func (all *departures) put(one *departure) (idle bool) {
	all.lock.Lock()
	defer all.lock.Unlock()
	all.waiting = append(all.waiting, one)
	idle, all.working = !all.working, true
	return idle
}

// take returns those that leave together; none ends the work.
func (all *departures) take() (share []*departure) {
	all.lock.Lock()
	defer all.lock.Unlock()
	count := min(len(all.waiting), vault.MostTogether)
	share, all.waiting = all.waiting[:count:count], all.waiting[count:]
	all.working = count > 0
	return share
}

// leave has the ratchet step on disk before the bytes leave; nothing leaves after the deadline of the lease.
//
// Messages that wait at one time share a transaction. The answer comes over the channel.
func (one *Sender) leave(mail *letter, seal sealing) (<-chan *waBinary.Node, error) {
	mine := &departure{id: mail.id, seal: seal, done: make(chan struct{})}
	if one.departures.put(mine) {
		go one.work()
	}
	<-mine.done
	return mine.answer, mine.err
}

func (one *Sender) work() {
	for {
		runtime.Gosched() // requests that came together leave together
		share := one.departures.take()
		if len(share) == 0 {
			return
		}
		one.depart(share)
		for _, each := range share {
			close(each.done)
		}
	}
}

func (one *Sender) depart(share []*departure) {
	done := one.Ratchet.Take()
	defer done()
	ctx, steps := vault.Gather(one.Context)
	for _, each := range share {
		// A login that ended knows sessions as it left them: the next one may have gone on from there.
		if each.err = one.MayLeave(); each.err == nil && !one.Connected() {
			each.err = outcome.NotConnected
		}
		if each.err == nil {
			each.node, each.err = each.seal(ctx)
		}
	}
	stored := outcome.Store(steps.Store(one.Context, one.Client.Store))
	for _, each := range share {
		if refused := one.MayLeave(); refused != nil {
			each.err = refused
		} else if each.err == nil {
			each.err = stored
		}
		if each.err == nil {
			each.answer, each.err = one.write(each)
		}
	}
}

// write writes a message whose ratchet steps are on disk.
func (one *Sender) write(each *departure) (<-chan *waBinary.Node, error) {
	if !one.Connected() {
		return nil, outcome.NotConnected
	}
	answer := one.Client.AwaitAnswer(each.id)
	if err := one.Client.SendStanza(one.Context, *each.node); err != nil {
		if errors.Is(err, whatsmeow.ErrNotConnected) {
			return nil, outcome.NotConnected
		}
		return nil, outcome.Disconnected
	}
	return answer, nil
}
