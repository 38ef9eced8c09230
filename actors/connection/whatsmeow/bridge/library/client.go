// Package library wraps the whatsmeow client: its connection, its stanzas and its private methods.
package library

import (
	"net/http"
	"sync"
	"time"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/store"
	waLog "go.mau.fi/whatsmeow/util/log"

	"teimoso-whatsmeow/vault"
)

// Client is the library's client; its private methods are those of internals.go, and no others.
type Client struct {
	*whatsmeow.Client
	inner    *whatsmeow.DangerousInternalClient
	endpoint *endpoint
	budgets  *budgets
	groups   sync.Map // those whose members the library has in its cache
	outgoing *outgoing
	sending  sync.Mutex

	// Ratchet is the turn of the device's sessions. Reinstalled is called where a person's device has another identity than before.
	Ratchet     *vault.Ratchet
	Reinstalled func()
}

// Taps see each stanza. Received is called in the order of arrival, on the goroutine that reads the socket, so that waiting there
// stops reading; a stanza for which it returns true is the program's, and the library does not handle it. Sent is called before a
// stanza leaves.
type Taps struct {
	Received func(*waBinary.Node) bool
	Sent     func(*waBinary.Node)
}

// New returns a client of the device. It reconnects never and downloads nothing by itself.
func New(device *store.Device, log waLog.Logger, taps Taps, network Network) *Client {
	endpoint, messages := &endpoint{Network: network}, &outgoing{}
	client := whatsmeow.NewClient(device, &tappedLog{log, taps, endpoint, messages})
	client.EnableAutoReconnect = false
	client.DisableLoginAutoReconnect = true
	client.EnableDecryptedEventBuffer = true
	client.ManualHistorySyncDownload = true
	client.DisableManualHistorySyncReceipt = true
	// The program acknowledges each stanza that has to be stored before. With the library's own SynchronousAck a retry receipt would
	// have the phone asked at once: that is the actor's.
	client.SynchronousAck = false
	client.SetWebsocketHTTPClient(&http.Client{Transport: endpoint})
	client.SetPreLoginHTTPClient(&http.Client{Transport: endpoint})
	client.SetMediaHTTPClient(&http.Client{Transport: network.Media})
	//lint:ignore SA1019 it is marked as dangerous; internals.go has each use and its reason
	inner := client.DangerousInternals()
	return &Client{Client: client, inner: inner, endpoint: endpoint, budgets: newBudgets(time.Now), outgoing: messages}
}

// tappedLog is a log that also shows stanzas: the library writes each one to its logs "Recv" and "Send".
type tappedLog struct {
	waLog.Logger
	taps     Taps
	endpoint *endpoint
	outgoing *outgoing
}

// outgoing are messages on their way, by their ids: the guard of each that is about to leave, and a channel for its answer.
type outgoing struct{ guards, answers sync.Map }

// Sub returns the log of a module.
func (t *tappedLog) Sub(module string) waLog.Logger {
	next := t.Logger.Sub(module)
	switch module {
	case "Recv":
		return &tap{next, t.received}
	case "Send":
		return &tap{next, t.sent}
	case "Socket":
		return &frameLog{next, t.endpoint}
	default:
		return next
	}
}

// received hands a stanza to the program; the library, which has only written it to its log, handles none that is empty.
func (t *tappedLog) received(node *waBinary.Node) {
	own := *node
	if node.Tag == "ack" && node.Attrs["class"] == "message" {
		id, _ := node.Attrs["id"].(string)
		if answer, awaited := t.outgoing.answers.LoadAndDelete(id); awaited {
			answer.(chan *waBinary.Node) <- &own
		}
	}
	if t.endpoint.broken() || t.taps.Received(&own) {
		*node = waBinary.Node{}
	}
}

// sent shows a stanza that is about to leave; that of a message, unlike one that is sent again to a single device, once its guard let it.
// A message to the own phone is for one device, and has a guard.
func (t *tappedLog) sent(node *waBinary.Node) {
	_, fanout := node.GetOptionalChildByTag("participants")
	if node.Tag == "message" && (fanout || node.Attrs["category"] == "peer") {
		if guard, found := t.outgoing.guards.Load(node.Attrs["id"]); found && !guard.(func(*waBinary.Node) bool)(node) {
			return
		}
	}
	t.taps.Sent(node)
}

type tap struct {
	waLog.Logger
	saw func(*waBinary.Node)
}

// Debugf shows the stanza that the library writes.
func (t *tap) Debugf(_ string, args ...any) {
	if len(args) == 1 {
		if node, ok := args[0].(*waBinary.Node); ok {
			t.saw(node)
		}
	}
}
