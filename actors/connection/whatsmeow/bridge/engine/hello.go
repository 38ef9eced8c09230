// Answers the actor's first request: opens the key database and takes over settings, certificates and proxy.

package engine

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"net/http"
	"os"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/store"
	"google.golang.org/protobuf/proto"

	"teimoso-whatsmeow/library"
	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
	"teimoso-whatsmeow/transport"
	"teimoso-whatsmeow/vault"
)

// settings are what `hello` says about the connection, for the life of the process.
type settings struct {
	Epoch          int64      `json:"epoch"`
	Database       string     `json:"database"`
	URL            string     `json:"url"`
	RootKey        string     `json:"root_key"`
	MediaAuthority string     `json:"media_authority"`
	Proxy          string     `json:"proxy"`
	Version        *[3]uint32 `json:"version"`
	Trace          bool       `json:"trace"`
	Name           string     `json:"name"`

	websocket, media *http.Transport
}

var badHello = &pipe.Refusal{Code: "bad_request", Permanent: true}

// hello opens the database and reports whether a device is paired.
func (engine *Engine) hello(request *pipe.Request) (pipe.Fields, error) {
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
	engine.lock.Lock()
	defer engine.lock.Unlock()
	if engine.settings != nil {
		return nil, &pipe.Refusal{Code: "already_running"}
	}
	copy(whatsmeow.WACertPubKey[:], key)
	announce(found)
	opened, err := vault.Open(engine.ctx, found.Database, found.Epoch, engine.logs.Module("store"), engine.failed)
	if err != nil {
		return nil, outcome.Store(err)
	}
	engine.vault, engine.settings = opened, found
	engine.tracing.Store(found.Trace)
	if err := engine.load(nil); err != nil {
		return nil, err
	}
	return engine.account(pipe.Fields{"library": library.Version()}), nil
}

// load makes a client of the device that is in use, for one login or for none. The engine's lock is held.
//
// Nothing of one login is left in the next one: work that the library still does for an earlier socket cannot touch it.
func (engine *Engine) load(one *login) error {
	device, err := engine.vault.Device(engine.ctx, engine.learnt)
	if err != nil {
		return outcome.Store(err)
	}
	taps := library.Taps{Received: func(*waBinary.Node) {}, Sent: func(*waBinary.Node) {}}
	if one != nil {
		taps = library.Taps{Received: one.received, Sent: one.sent}
	}
	client := library.New(
		device, engine.logs.Module("whatsmeow"), taps, engine.settings.websocket, engine.settings.media,
	)
	if one != nil {
		client.PrePairCallback = one.mayPair
		client.GetClientPayload = one.payload
		client.AddEventHandlerWithSuccessStatus(one.event)
		one.client = client
	}
	engine.client = client
	return nil
}

func (engine *Engine) account(fields pipe.Fields) pipe.Fields {
	fields["jid"], fields["lid"] = nil, nil
	if jid := engine.client.Store.GetJID(); !jid.IsEmpty() {
		fields["jid"] = jid.String()
	}
	if lid := engine.client.Store.GetLID(); !lid.IsEmpty() {
		fields["lid"] = lid.String()
	}
	return fields
}

func announce(found *settings) {
	if found.Version != nil {
		store.SetWAVersion(store.WAVersionContainer(*found.Version))
	}
	if found.Name != "" {
		store.DeviceProps.Os = proto.String(found.Name)
	}
	store.DeviceProps.PlatformType = waCompanionReg.DeviceProps_CHROME.Enum()
}

// dial prepares the transports: the proxy is used for the socket and for files, and no other one is.
func (found *settings) dial() (err error) {
	if found.websocket, err = transport.New(found.Proxy); err != nil {
		return badHello
	}
	found.media = found.websocket.Clone()
	if found.MediaAuthority == "" {
		return nil
	}
	pem, err := os.ReadFile(found.MediaAuthority)
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		return badHello
	}
	found.media.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return nil
}
