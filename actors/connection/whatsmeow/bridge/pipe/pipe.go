// Package pipe exchanges requests, answers and events with the connection's actor over one socket.
package pipe

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"sync"

	"teimoso-whatsmeow/frame"
)

const (
	// pieceSize is how many bytes are read at once.
	pieceSize = 64 << 10
	// mostLeaving is how many bytes may wait to be written.
	mostLeaving = 1 << 20
)

// Fields is the JSON header of a frame.
type Fields map[string]any

// Refusal is an error with a stable code for the other side.
//
// Number is WhatsApp's error number, 0 without one. Uncertain: bytes may have left. Permanent: the same
// request would be refused again. Phone and LID are the addresses that WhatsApp has in place of the one in
// the request, empty for most refusals.
type Refusal struct {
	Code      string `json:"code"`
	Number    int    `json:"number,omitempty"`
	Uncertain bool   `json:"uncertain"`
	Permanent bool   `json:"permanent"`
	Phone     string `json:"phone,omitempty"`
	LID       string `json:"lid,omitempty"`
}

// Error is the code alone: the other fields are for the actor, and may name people.
func (r *Refusal) Error() string { return r.Code }

// Answer is the other side's answer to a request.
type Answer struct {
	Fields Fields
	Raw    []byte
	Err    error
}

// Request is one request of the other side; Answer or Refuse is called once.
type Request struct {
	Do     string
	Header []byte
	Raw    []byte

	id   uint64
	pipe *Pipe
}

// Read decodes the header into the fields of a request.
func (r *Request) Read(into any) error {
	if err := json.Unmarshal(r.Header, into); err != nil {
		return &Refusal{Code: "bad_request", Permanent: true}
	}
	return nil
}

// Answer answers the request with fields and raw bytes.
func (r *Request) Answer(fields Fields, raw []byte) {
	if fields == nil {
		fields = Fields{}
	}
	r.pipe.write(Fields{"id": r.id, "ok": fields}, raw)
}

// Refuse answers the request with an error; one without a code is `failed`.
func (r *Request) Refuse(err error) {
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		refusal = &Refusal{Code: "failed"}
	}
	r.pipe.write(Fields{"id": r.id, "error": refusal}, nil)
}

type envelope struct {
	ID    *uint64         `json:"id"`
	Do    string          `json:"do"`
	OK    json.RawMessage `json:"ok"`
	Error *Refusal        `json:"error"`
}

// Pipe is one end of the pipe. The program's requests have even ids, the actor's odd ones.
type Pipe struct {
	stream io.ReadWriter

	writing sync.Mutex
	room    *sync.Cond
	leaving []byte // frames that are written next
	busy    bool   // somebody writes them

	lock    sync.Mutex
	next    uint64
	waiting map[uint64]chan Answer
	broken  chan struct{}
	closed  sync.Once
}

// New returns a pipe over a stream; Serve reads it.
func New(stream io.ReadWriter) *Pipe {
	pipe := &Pipe{stream: stream, waiting: map[uint64]chan Answer{}, broken: make(chan struct{})}
	pipe.room = sync.NewCond(&pipe.writing)
	return pipe
}

// Broken is closed once the pipe cannot be written any more, or ended.
func (p *Pipe) Broken() <-chan struct{} { return p.broken }

// Serve hands each request to `handle`, which must not block, until the pipe ends.
//
// It returns io.EOF at the end of the pipe, and frame.ErrMalformed for what is no frame or no header.
func (p *Pipe) Serve(handle func(*Request)) error {
	defer p.breakOff()
	stream := bufio.NewReaderSize(p.stream, pieceSize)
	for {
		header, raw, err := frame.Read(stream)
		if err != nil {
			return err
		}
		var found envelope
		if json.Unmarshal(header, &found) != nil || found.ID == nil {
			return frame.ErrMalformed
		}
		if found.Do != "" {
			handle(&Request{Do: found.Do, Header: header, Raw: raw, id: *found.ID, pipe: p})
			continue
		}
		if err := p.answered(&found, raw); err != nil {
			return err
		}
	}
}

func (p *Pipe) answered(found *envelope, raw []byte) error {
	p.lock.Lock()
	waiter := p.waiting[*found.ID]
	delete(p.waiting, *found.ID)
	p.lock.Unlock()
	if waiter == nil {
		return frame.ErrMalformed
	}
	answer := Answer{Raw: raw}
	switch {
	case found.Error != nil:
		answer.Err = found.Error
	case found.OK == nil || json.Unmarshal(found.OK, &answer.Fields) != nil:
		return frame.ErrMalformed
	}
	waiter <- answer
	return nil
}

// Ask sends a request; its answer comes over the channel, which has room for it.
//
// Requests arrive in the order of the calls of one goroutine. Nothing comes once the pipe is broken:
// wait for Broken as well.
func (p *Pipe) Ask(do string, fields Fields, raw []byte) <-chan Answer {
	waiter := make(chan Answer, 1)
	p.lock.Lock()
	p.next += 2
	id := p.next
	p.waiting[id] = waiter
	p.lock.Unlock()
	whole := Fields{"id": id, "do": do}
	for name, value := range fields {
		whole[name] = value
	}
	p.write(whole, raw)
	return waiter
}

// Wait returns the answer to Ask, or an error once the pipe is broken.
func (p *Pipe) Wait(answer <-chan Answer) Answer {
	select {
	case found := <-answer:
		return found
	case <-p.broken:
		return Answer{Err: io.ErrClosedPipe}
	}
}

// Tell sends an event, which has no answer.
func (p *Pipe) Tell(event string, fields Fields, raw []byte) {
	whole := Fields{"event": event}
	for name, value := range fields {
		whole[name] = value
	}
	p.write(whole, raw)
}

// write writes a frame, in one piece with those that others add while one is being written.
//
// It waits where too much does: the other side reads slowly.
func (p *Pipe) write(header Fields, raw []byte) {
	encoded, err := json.Marshal(header)
	if err != nil {
		p.breakOff()
		return
	}
	p.writing.Lock()
	defer p.writing.Unlock()
	for p.busy && len(p.leaving) > mostLeaving {
		p.room.Wait()
	}
	if p.leaving, err = frame.Append(p.leaving, encoded, raw); err != nil {
		p.breakOff()
	}
	if p.busy {
		return
	}
	for p.busy = true; len(p.leaving) > 0; {
		piece := p.leaving
		p.leaving = nil
		p.room.Broadcast()
		p.writing.Unlock()
		_, err := p.stream.Write(piece)
		p.writing.Lock()
		if err != nil {
			p.breakOff()
		}
	}
	p.busy = false
	p.room.Broadcast()
}

// Flush returns once all frames that were given are written, or the pipe is broken.
func (p *Pipe) Flush() {
	p.writing.Lock()
	defer p.writing.Unlock()
	for p.busy {
		p.room.Wait()
	}
}

func (p *Pipe) breakOff() { p.closed.Do(func() { close(p.broken) }) }
