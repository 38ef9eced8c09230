// Answers the actor's first request: opens the key database and takes over settings, certificates and proxy.

package engine

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"teimoso-whatsmeow/library"
	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
	"teimoso-whatsmeow/transport"
	"teimoso-whatsmeow/vault"
)

// settings are what `hello` says about the connection, for the life of the process.
type settings struct {
	Epoch          int64          `json:"epoch"`
	Database       string         `json:"database"`
	URL            string         `json:"url"`
	RootKey        string         `json:"root_key"`
	MediaAuthority string         `json:"media_authority"`
	Proxy          string         `json:"proxy"`
	Refused        []netip.Prefix `json:"refused"`
	Trace          bool           `json:"trace"`

	network library.Network
}

// deviceName is the device's in the account's list of linked ones.
const deviceName = "Teimoso"

var badHello = &pipe.Refusal{Code: "bad_request", Permanent: true}

// hello opens the database and reports whether a device is paired.
func (e *Engine) hello(request *pipe.Request) (pipe.Fields, error) {
	found := &settings{}
	if err := request.Read(found); err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(found.RootKey)
	if err != nil || len(key) != len(whatsmeow.WACertPubKey) || found.Database == "" || found.Epoch < 0 {
		return nil, badHello
	}
	if err := found.dial(); err != nil {
		return nil, err
	}
	e.lock.Lock()
	defer e.lock.Unlock()
	if e.settings != nil {
		return nil, &pipe.Refusal{Code: "already_running"}
	}
	copy(whatsmeow.WACertPubKey[:], key)
	store.DeviceProps.Os = proto.String(deviceName)
	store.DeviceProps.PlatformType = waCompanionReg.DeviceProps_CHROME.Enum()
	opened, err := vault.Open(e.ctx, found.Database, found.Epoch, e.logs.Module("store"), e.failed)
	if err != nil {
		return nil, outcome.Store(err)
	}
	e.vault, e.settings = opened, found
	e.tracing.Store(found.Trace)
	if err := e.load(); err != nil {
		return nil, err
	}
	return e.account(pipe.Fields{"library": library.Version(), "version": ownVersion.String()}), nil
}

// load makes a client of the device that is in use. The engine's lock is held.
//
// A linked device keeps it for the life of the process: device lists, members of groups, counts of retries and times of
// tokens last across its logins, as the library has them. Stanzas and events of a client that was replaced go nowhere.
func (e *Engine) load() error {
	device, err := e.vault.Device(e.ctx, e.learnt)
	if err != nil {
		return outcome.Store(err)
	}
	var client *library.Client
	serving := func() *login {
		if one := e.serving.Load(); one != nil && one.client == client {
			return one
		}
		return nil
	}
	client = library.New(device, e.logs.Module("whatsmeow"), library.Taps{
		Received: func(node *waBinary.Node) bool {
			one := serving()
			return one == nil || one.received(node)
		},
		Sent: func(node *waBinary.Node) { e.trace("out", node) },
	}, e.settings.network)
	client.Ratchet = &e.vault.Ratchet
	client.Reinstalled = func() { e.renewKeys(client, vault.AllGroups) }
	client.PrePairCallback = func(types.JID, string, string) bool { return e.sound() == nil }
	client.GetClientPayload = func() *waWa6.ClientPayload { return e.payload(client) }
	client.AddEventHandlerWithSuccessStatus(func(event any) bool {
		if one := serving(); one != nil {
			one.event(event)
		}
		return true // items that have to be stored come otherwise
	})
	e.client = client
	return nil
}

func (e *Engine) account(fields pipe.Fields) pipe.Fields {
	fields["jid"], fields["lid"] = nil, nil
	if jid := e.client.Store.GetJID(); !jid.IsEmpty() {
		fields["jid"] = jid.String()
	}
	if lid := e.client.Store.GetLID(); !lid.IsEmpty() {
		fields["lid"] = lid.String()
	}
	if e.client.Store.LIDMigrationTimestamp > 0 {
		fields["migrated"] = true // the phone reported it after the pairing
	}
	return fields
}

// dial prepares the transports: the proxy is used for the socket and for files, and no other one is.
func (s *settings) dial() error {
	socket, err := transport.New(s.Proxy, s.Refused)
	if err != nil {
		return badHello
	}
	server, err := url.Parse(s.URL)
	if err != nil {
		return badHello
	}
	server.Scheme = strings.Replace(server.Scheme, "ws", "http", 1)
	media := socket.Clone()
	s.network = library.Network{Server: server, WebSocket: socket, Media: media}
	if s.MediaAuthority == "" {
		return nil
	}
	pem, err := os.ReadFile(s.MediaAuthority)
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		return badHello
	}
	media.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return nil
}
