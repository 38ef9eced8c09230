// Opens one WebSocket to WhatsApp by the library, without its automatic reconnect, and closes it.

package library

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/socket"
	waLog "go.mau.fi/whatsmeow/util/log"
)

// ErrHandshake reports that the server is there, and is not the one that it should be.
var ErrHandshake = errors.New("handshake failed")

const (
	dialTimeout  = 30 * time.Second
	drainTimeout = 5 * time.Second
)

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
	watched := &frameLog{Logger: log}
	frames := socket.NewFrameSocket(watched, client.websocket)
	watched.frames = frames
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

// frameLog ends a socket as soon as a frame of it cannot be decrypted. The library writes that to its log and goes on:
// a stanza that was in it would come at the next login, after those that followed it, and where a frame was lost
// none that follows can be read.
type frameLog struct {
	waLog.Logger
	frames *socket.FrameSocket
}

// Warnf writes the warning; one of a frame that cannot be decrypted does not return, so that none is read after it.
func (log *frameLog) Warnf(message string, args ...any) {
	log.Logger.Warnf(message, args...)
	if strings.HasPrefix(message, "Failed to decrypt frame") {
		log.frames.Close(0)
		go log.drain()
		runtime.Goexit()
	}
}

// drain takes what was read already, for which the reader of the socket would wait for ever.
func (log *frameLog) drain() {
	for {
		select {
		case <-log.frames.Frames:
		case <-time.After(drainTimeout):
			return
		}
	}
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
