// Package library wraps the whatsmeow client: its connection, its stanzas and its private methods.
package library

import (
	"net/http"
	"time"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/store"
	waLog "go.mau.fi/whatsmeow/util/log"
)

// Client is the library's client; its private methods are those of internals.go, and no others.
type Client struct {
	*whatsmeow.Client
	inner     *whatsmeow.DangerousInternalClient
	websocket *http.Client
	budgets   *budgets
}

// Taps see each stanza: Received in the order of arrival, before the library handles it, and on the goroutine
// that reads the socket, so that waiting there stops reading. Sent is called before a stanza leaves.
type Taps struct {
	Received func(*waBinary.Node)
	Sent     func(*waBinary.Node)
}

// New returns a client of the device. It acknowledges nothing, reconnects never and downloads nothing by itself.
//
// The socket is opened by the first transport, files are fetched by the second.
func New(device *store.Device, log waLog.Logger, taps Taps, websocket, media http.RoundTripper) *Client {
	client := whatsmeow.NewClient(device, &tappedLog{log, taps})
	client.EnableAutoReconnect = false
	client.DisableLoginAutoReconnect = true
	client.EnableDecryptedEventBuffer = true
	client.ManualHistorySyncDownload = true
	client.DisableManualHistorySyncReceipt = true
	// Acknowledgements are the engine's: no handler of the library that would send one is called. With the
	// library's own (SynchronousAck) a retry receipt would have the phone asked at once: that is the actor's.
	client.SynchronousAck = false
	client.SetMediaHTTPClient(&http.Client{Transport: media})
	//lint:ignore SA1019 it is marked as dangerous; internals.go has each use and its reason
	return &Client{client, client.DangerousInternals(), &http.Client{Transport: websocket}, newBudgets(time.Now)}
}

// tappedLog is a log that also shows stanzas: the library writes each one to its logs "Recv" and "Send".
type tappedLog struct {
	waLog.Logger
	taps Taps
}

// Sub returns the log of a module.
func (log *tappedLog) Sub(module string) waLog.Logger {
	switch module {
	case "Recv":
		return &tap{log.Logger.Sub(module), log.taps.Received}
	case "Send":
		return &tap{log.Logger.Sub(module), log.taps.Sent}
	default:
		return log.Logger.Sub(module)
	}
}

type tap struct {
	waLog.Logger
	saw func(*waBinary.Node)
}

// Debugf shows the stanza that the library writes.
func (one *tap) Debugf(_ string, args ...any) {
	if len(args) == 1 {
		if node, ok := args[0].(*waBinary.Node); ok {
			one.saw(node)
		}
	}
}
