// Opens one WebSocket to WhatsApp by the library, without its automatic reconnect, and closes it.

package library

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	waLog "go.mau.fi/whatsmeow/util/log"
)

// ErrHandshake reports that the server is there, and is not the one that it should be.
var ErrHandshake = errors.New("handshake failed")

// dialTimeout is how long opening a socket may take, the handshake included.
const dialTimeout = 30 * time.Second

// writeTimeout is how long the server may take nothing: a message that is written has the turn of the ratchet meanwhile.
const writeTimeout = 20 * time.Second

// Network is how the library reaches WhatsApp: the address of its WebSocket in place of the library's constant, and the
// transports of the socket and of files.
type Network struct {
	Server           *url.URL
	WebSocket, Media http.RoundTripper
}

// endpoint leads the library's sockets to the engine's server, and has the stream of the last one.
type endpoint struct {
	Network
	last atomic.Pointer[stream]
}

// RoundTrip opens a WebSocket.
func (e *endpoint) RoundTrip(request *http.Request) (*http.Response, error) {
	changed := request.Clone(request.Context())
	changed.URL, changed.Host = e.Server, e.Server.Host
	answer, err := e.WebSocket.RoundTrip(changed)
	if err != nil {
		return answer, err
	}
	if body, upgraded := answer.Body.(io.ReadWriteCloser); upgraded {
		opened := &stream{ReadWriteCloser: body, over: make(chan struct{})}
		e.last.Store(opened)
		answer.Body = opened
	}
	return answer, nil
}

// broken returns whether a frame of the last socket was lost: nothing that follows it may be handled before it.
func (e *endpoint) broken() bool {
	last := e.last.Load()
	return last != nil && last.lost.Load()
}

// stream is what a socket's bytes come over; `over` is closed at its end.
type stream struct {
	io.ReadWriteCloser
	over chan struct{}
	once sync.Once
	lost atomic.Bool
}

// Read reads bytes of the server.
func (s *stream) Read(into []byte) (int, error) {
	count, err := s.ReadWriteCloser.Read(into)
	if err != nil {
		s.end()
	}
	return count, err
}

// Write writes bytes to the server; one that reads none for writeTimeout has the socket closed.
func (s *stream) Write(from []byte) (int, error) {
	defer time.AfterFunc(writeTimeout, func() { _ = s.Close() }).Stop()
	return s.ReadWriteCloser.Write(from)
}

// Close closes the socket without a word to the server.
func (s *stream) Close() error {
	defer s.end()
	return s.ReadWriteCloser.Close()
}

func (s *stream) end() { s.once.Do(func() { close(s.over) }) }

// Connection is one open socket.
type Connection struct {
	client *Client
	stream *stream
}

// Open opens one socket by the library's Connect. It gives up at the end of the context, which is that of all work of the socket.
func (c *Client) Open(ctx context.Context) (*Connection, error) {
	ctx, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(dialTimeout, cancel)
	c.endpoint.last.Store(nil)
	err := c.ConnectContext(ctx)
	opened := c.endpoint.last.Load()
	connection := &Connection{c, opened}
	switch inTime := timer.Stop(); {
	case err != nil && opened != nil:
		err = fmt.Errorf("%w: %w", ErrHandshake, err)
	case err == nil && !inTime:
		err = ErrHandshake
	}
	if err != nil {
		cancel()
		connection.Close()
		return nil, err
	}
	return connection, nil
}

// Done is closed once the socket is.
func (c *Connection) Done() <-chan struct{} { return c.stream.over }

// Close closes the socket; requests of the library that wait for answers end.
//
// The library's Disconnect clears the socket's callback without a lock: a socket that the server closes at the same moment would call
// what has just been cleared, and end the program. ResetConnection closes the socket and leaves the callback alone.
func (c *Connection) Close() {
	c.client.ResetConnection()
	c.client.Disconnect()
}

// frameLog ends a socket as soon as a frame of it cannot be decrypted. The library writes that to its log and goes on:
// a stanza that was in it would come at the next login, after those that followed it.
type frameLog struct {
	waLog.Logger
	endpoint *endpoint
}

// Warnf writes the warning.
func (f *frameLog) Warnf(message string, args ...any) {
	f.Logger.Warnf(message, args...)
	if last := f.endpoint.last.Load(); last != nil && strings.HasPrefix(message, "Failed to decrypt frame") {
		last.lost.Store(true)
		_ = last.Close()
	}
}
