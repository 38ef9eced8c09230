// Links a new device: reports QR codes to the actor, and answers its requests for pairing codes and passkeys.

package engine

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"go.mau.fi/util/random"
	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"teimoso-whatsmeow/ends"
	"teimoso-whatsmeow/library"
	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
	"teimoso-whatsmeow/vault"
)

const (
	firstQR = 60 * time.Second
	nextQR  = 20 * time.Second
	// codeLasts is how long a pairing code can be typed.
	codeLasts = 180 * time.Second
	// passkeyLasts is how long the server waits for an assertion.
	passkeyLasts = 10 * time.Minute
)

// qrs shows the QR codes of one login, each until it expires.
type qrs struct {
	login *login

	lock  sync.Mutex
	texts []string
	timer *time.Timer
	until time.Time
	over  bool
}

// offer begins with the first of these texts.
func (all *qrs) offer(texts []string) {
	all.lock.Lock()
	defer all.lock.Unlock()
	all.texts = texts
	all.show(firstQR)
}

func (all *qrs) show(lasts time.Duration) {
	if all.over || len(all.texts) == 0 {
		return // the server closes the socket when the last has expired
	}
	all.until = time.Now().Add(lasts)
	all.tell()
	all.timer = time.AfterFunc(lasts, func() {
		all.lock.Lock()
		defer all.lock.Unlock()
		if len(all.texts) > 0 {
			all.texts = all.texts[1:]
		}
		all.show(nextQR)
	})
}

func (all *qrs) tell() {
	all.login.engine.pipe.Tell("qr", pipe.Fields{
		"text": all.texts[0], "expires_ms": time.Until(all.until).Milliseconds(),
	}, nil)
}

// replace shows the current text again with another secret.
func (all *qrs) replace(before, after string) {
	all.lock.Lock()
	defer all.lock.Unlock()
	for index, text := range all.texts {
		all.texts[index] = strings.Replace(text, before, after, 1)
	}
	if !all.over && len(all.texts) > 0 {
		all.tell()
	}
}

// stop shows no more.
func (all *qrs) stop() {
	all.lock.Lock()
	defer all.lock.Unlock()
	all.over = true
	if all.timer != nil {
		all.timer.Stop()
	}
}

// refreshSecret makes a new secret for pairing, as the server wants it after some scans.
func (one *login) refreshSecret() {
	device := one.client.Store
	before := base64.StdEncoding.EncodeToString(device.AdvSecretKey)
	device.AdvSecretKey = random.Bytes(len(device.AdvSecretKey))
	one.qrs.replace(before, base64.StdEncoding.EncodeToString(device.AdvSecretKey))
}

// event takes what the library dispatches. It returns true always: items that have to be stored come otherwise.
func (one *login) event(found any) bool {
	engine := one.engine
	switch event := found.(type) {
	case *events.QR:
		one.qrs.offer(event.Codes)
	case *events.Connected:
		one.opened()
	case *events.PairPasskeyRequest:
		engine.pipe.Tell("passkey", pipe.Fields{
			"options": event.PublicKey, "expires_ms": passkeyLasts.Milliseconds(),
		}, nil)
	case *events.PairPasskeyConfirmation:
		go one.confirmPasskey(event)
	case *events.PairPasskeyError:
		engine.pipe.Tell("passkey", pipe.Fields{"failed": true}, nil)
	case *events.IdentityChange:
		if event.Implicit { // found by a message or by prekeys; that of a notification is handled with it
			one.renewKeys(vault.AllGroups)
		}
	case *events.KeepAliveTimeout:
		one.pingUnanswered(event)
	case *events.Presence:
		one.account.Presence(event)
	case *events.ChatPresence:
		one.account.ChatPresence(event)
	case *events.MediaRetry:
		one.mediaRetried(event)
	}
	return true
}

// pairingFailed ends a login whose device was linked by the phone and could not confirm it: its keys are void.
const pairingFailed = "pairing_failed"

// serverQuery handles a query of the server, which are those of a pairing.
func (one *login) serverQuery(node *waBinary.Node) {
	if node.Attrs["from"] != types.ServerJID {
		return
	}
	if success, linked := node.GetOptionalChildByTag("pair-success"); linked {
		one.pair(outcome.Text(node.Attrs["id"]), library.ReadLinked(&success))
	} else if _, offered := node.GetOptionalChildByTag("pair-device"); offered {
		one.client.PairingOffer(one.engine.ctx, node)
	}
}

// pair stores the device that a phone linked and confirms it. A pairing that fails, or panics, ends its login.
func (one *login) pair(id string, device library.Linked) {
	one.pairing.Store(true)
	failed := true
	defer func() {
		if failed {
			one.end(ends.Cause{Word: pairingFailed})
		}
		one.link.Do(func() { close(one.linked) })
	}()
	if one.client.Pair(one.engine.ctx, id, device) != nil {
		return
	}
	failed = false
	one.qrs.stop()
	one.engine.pipe.Tell("paired", pipe.Fields{"jid": device.JID.String(), "lid": device.LID.String()}, nil)
}

// mayPair returns whether the device that a phone linked may be stored.
func (one *login) mayPair(types.JID, string, string) bool { return one.engine.sound() == nil }

// opened has fresh prekeys uploaded where a copy was restored, then reports the login.
func (one *login) opened() {
	engine := one.engine
	wanted, err := engine.vault.WantsFreshPreKeys(engine.ctx)
	if err == nil && wanted {
		one.client.UploadPreKeys(engine.ctx)
		err = engine.vault.FreshPreKeysUploaded(engine.ctx)
	}
	if err == nil {
		// The server keeps messages for two weeks: older ciphertexts cannot come again.
		err = one.client.Store.EventBuffer.DeleteOldBufferedHashes(engine.ctx)
	}
	if err != nil {
		engine.failed(err)
		return
	}
	one.open.Store(true)
	engine.lock.Lock()
	told := engine.account(pipe.Fields{})
	engine.lock.Unlock()
	engine.pipe.Tell("open", told, nil)
	one.states.LookAtAll(engine.ctx)
}

// keepAliveFailures is after how many unanswered pings a socket counts as dead.
const keepAliveFailures = 3

func (one *login) pingUnanswered(event *events.KeepAliveTimeout) {
	quiet := time.Since(time.Unix(0, one.traffic.last.Load()))
	if event.ErrorCount >= keepAliveFailures && quiet > whatsmeow.KeepAliveIntervalMax {
		one.end(ends.Cause{Word: "keepalive"})
	}
}

// code asks for a code that links the device when it is typed on the phone.
func (one *login) code(phone string) (pipe.Fields, error) {
	if one.client.Store.ID != nil {
		return nil, &pipe.Refusal{Code: "already_linked", Permanent: true}
	}
	found, err := one.client.PairPhone(one.engine.ctx, phone, true, whatsmeow.PairClientChrome, "Chrome (Linux)")
	if number, refused := outcome.IsRefused(err); refused {
		return nil, &pipe.Refusal{Code: "pairing_code_refused", Number: number}
	}
	if errors.Is(err, whatsmeow.ErrPhoneNumberTooShort) || errors.Is(err, whatsmeow.ErrPhoneNumberIsNotInternational) {
		return nil, &pipe.Refusal{Code: "pairing_code_refused", Permanent: true}
	}
	if err != nil {
		return nil, outcome.Of(err)
	}
	return pipe.Fields{"code": found, "expires_ms": codeLasts.Milliseconds()}, nil
}

func (one *login) codeRequest(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Phone string `json:"phone"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	return one.code(wanted.Phone)
}

// passkeyAssertion takes WebAuthn's JSON as raw bytes.
func (one *login) passkeyAssertion(request *pipe.Request) (pipe.Fields, error) {
	var assertion types.WebAuthnResponse
	if json.Unmarshal(request.Raw, &assertion) != nil || len(assertion.RawID) == 0 {
		return nil, &pipe.Refusal{Code: "bad_assertion", Permanent: true}
	}
	return nil, outcome.Of(one.client.SendPasskeyResponse(one.engine.ctx, &assertion))
}

func (one *login) passkeyConfirm(*pipe.Request) (pipe.Fields, error) {
	err := one.client.SendPasskeyConfirmation(one.engine.ctx)
	if _, refused := outcome.IsRefused(err); err != nil && !refused && !errors.Is(err, whatsmeow.ErrNotConnected) {
		return nil, &pipe.Refusal{Code: "no_passkey_challenge"}
	}
	return nil, outcome.Of(err)
}

// confirmPasskey goes on where the phone knows that it is the client whose QR was scanned; else a person has
// to compare the codes.
func (one *login) confirmPasskey(event *events.PairPasskeyConfirmation) {
	if !event.SkipHandoffUX {
		one.engine.pipe.Tell("passkey", pipe.Fields{
			"code": event.Code, "expires_ms": passkeyLasts.Milliseconds(),
		}, nil)
		return
	}
	if one.client.SendPasskeyConfirmation(one.engine.ctx) != nil {
		one.engine.pipe.Tell("passkey", pipe.Fields{"failed": true}, nil)
		return
	}
	one.engine.pipe.Tell("passkey", pipe.Fields{"confirmed": true}, nil)
}
