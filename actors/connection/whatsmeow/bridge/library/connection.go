package library

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coder/websocket"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/socket"
	waLog "go.mau.fi/whatsmeow/util/log"
)

// ErrHandshake reports that the server is there, and is not the one that it should be.
var ErrHandshake = errors.New("handshake failed")

const dialTimeout = 30 * time.Second

// Connection is one open socket.
type Connection struct {
	client *Client
	socket *socket.FrameSocket
	cancel context.CancelFunc
	once   sync.Once
}

// Connect opens one socket and starts its pings. The library's own Connect has WhatsApp's address as a
// constant, and loses the order of stanzas when more than 2,048 wait.
func (client *Client) Connect(ctx context.Context, url string, log waLog.Logger) (*Connection, error) {
	own, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(dialTimeout, cancel)
	defer timer.Stop()
	frames := socket.NewFrameSocket(log, client.websocket)
	frames.URL = url
	if err := frames.Connect(own); err != nil {
		cancel()
		return nil, err
	}
	client.expectConnection()
	queue, err := client.handshake(frames)
	if err != nil {
		frames.Close(0)
		cancel()
		return nil, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	if !timer.Stop() {
		frames.Close(0)
		cancel()
		return nil, ErrHandshake
	}
	connection := &Connection{client: client, socket: frames, cancel: cancel}
	// The tap saw these stanzas already.
	go discard(frames.Context(), queue)
	go client.keepAlive(ctx, frames.Context())
	return connection, nil
}

func discard(ctx context.Context, queue <-chan *waBinary.Node) {
	for {
		select {
		case <-queue:
		case <-ctx.Done():
			return
		}
	}
}

// Done is closed once the socket is.
func (connection *Connection) Done() <-chan struct{} { return connection.socket.Context().Done() }

// Close closes the socket; requests of the library that wait for answers end.
//
// The socket closes first, under its own lock. The library's Disconnect clears the socket's callback without that
// lock; a socket that the server closes at the same moment would call what has just been cleared, and end the program.
func (connection *Connection) Close() {
	connection.once.Do(func() {
		connection.socket.Close(websocket.StatusNormalClosure)
		connection.client.Disconnect()
		connection.cancel()
	})
}
