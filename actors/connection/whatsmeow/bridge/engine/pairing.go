// Links a new device: reports QR codes to the actor, and answers its requests for pairing codes and passkeys.

package engine

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

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
func (q *qrs) offer(texts []string) {
	q.lock.Lock()
	defer q.lock.Unlock()
	q.texts = texts
	q.show(firstQR)
}

func (q *qrs) show(lasts time.Duration) {
	if q.over || len(q.texts) == 0 {
		return // the server closes the socket when the last has expired
	}
	q.until = time.Now().Add(lasts)
	q.tell()
	q.timer = time.AfterFunc(lasts, func() {
		q.lock.Lock()
		defer q.lock.Unlock()
		if len(q.texts) > 0 {
			q.texts = q.texts[1:]
		}
		q.show(nextQR)
	})
}

func (q *qrs) tell() {
	q.login.engine.pipe.Tell("qr", pipe.Fields{
		"text": q.texts[0], "expires_ms": time.Until(q.until).Milliseconds(),
	}, nil)
}

// replace shows the current text again with another secret.
func (q *qrs) replace(before, after string) {
	q.lock.Lock()
	defer q.lock.Unlock()
	for index, text := range q.texts {
		q.texts[index] = strings.Replace(text, before, after, 1)
	}
	if !q.over && len(q.texts) > 0 {
		q.tell()
	}
}

// stop shows no more.
func (q *qrs) stop() {
	q.lock.Lock()
	defer q.lock.Unlock()
	q.over = true
	if q.timer != nil {
		q.timer.Stop()
	}
}

// event takes what the library dispatches.
func (l *login) event(found any) {
	engine := l.engine
	switch event := found.(type) {
	case *events.QR:
		l.qrs.offer(event.Codes)
	case *events.RotateADVSecret: // the server wants it after some scans
		l.qrs.replace(event.OldSecret, event.NewSecret)
	case *events.Connected:
		if l.admitted.Load() { // else it is the late word of a login before
			l.opened()
		}
	case *events.PairPasskeyRequest:
		engine.pipe.Tell("passkey", pipe.Fields{
			"options": event.PublicKey, "expires_ms": passkeyLasts.Milliseconds(),
		}, nil)
	case *events.PairPasskeyConfirmation:
		go l.confirmPasskey(event)
	case *events.PairPasskeyError:
		engine.pipe.Tell("passkey", pipe.Fields{"failed": true}, nil)
	case *events.IdentityChange:
		if event.Implicit { // found by a message or by prekeys; that of a notification is handled with it
			engine.renewKeys(l.client, vault.AllGroups)
		}
	case *events.KeepAliveTimeout:
		l.pingUnanswered(event)
	case *events.Presence:
		l.account.Presence(event)
	case *events.ChatPresence:
		l.account.ChatPresence(event)
	}
}

// pairingFailed ends a login whose device was linked by the phone and could not confirm it: its keys are void.
const pairingFailed = "pairing_failed"

// pair stores the device that a phone linked and confirms it. A pairing that fails, or panics, ends its login.
func (l *login) pair(node *waBinary.Node) {
	l.pairing.Store(true)
	failed := true
	defer func() {
		if failed {
			l.end(ends.Cause{Word: pairingFailed})
		}
		l.link.Do(func() { close(l.linked) })
	}()
	success := node.GetChildByTag("pair-success")
	device := library.ReadLinked(&success)
	if l.client.Pair(l.engine.ctx, outcome.Text(node.Attrs["id"]), device) != nil {
		return
	}
	failed = false
	l.qrs.stop()
	l.engine.pipe.Tell("paired", pipe.Fields{
		"jid": device.JID.String(), "lid": device.LID.String(), "migrated": device.Migrated,
	}, nil)
}

// opened reports the login.
func (l *login) opened() {
	engine := l.engine
	l.open.Store(true)
	engine.lock.Lock()
	told := engine.account(pipe.Fields{})
	engine.lock.Unlock()
	engine.pipe.Tell("open", told, nil)
	l.states.LookAtAll(engine.ctx)
}

// keepAliveFailures is after how many unanswered pings a socket counts as dead.
const keepAliveFailures = 3

func (l *login) pingUnanswered(event *events.KeepAliveTimeout) {
	quiet := time.Since(time.Unix(0, l.traffic.last.Load()))
	if event.ErrorCount >= keepAliveFailures && quiet > whatsmeow.KeepAliveIntervalMax {
		l.end(ends.Cause{Word: "keepalive"})
	}
}

// code asks for a code that links the device when it is typed on the phone.
func (l *login) code(phone string) (pipe.Fields, error) {
	if l.client.Store.ID != nil {
		return nil, &pipe.Refusal{Code: "already_linked", Permanent: true}
	}
	found, err := l.client.PairPhone(l.engine.ctx, phone, true, whatsmeow.PairClientChrome, "Chrome (Linux)")
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

func (l *login) codeRequest(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Phone string `json:"phone"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	return l.code(wanted.Phone)
}

// passkeyAssertion takes WebAuthn's JSON as raw bytes.
func (l *login) passkeyAssertion(request *pipe.Request) (pipe.Fields, error) {
	var assertion types.WebAuthnResponse
	if json.Unmarshal(request.Raw, &assertion) != nil || len(assertion.RawID) == 0 {
		return nil, &pipe.Refusal{Code: "bad_assertion", Permanent: true}
	}
	return nil, outcome.Of(l.client.SendPasskeyResponse(l.engine.ctx, &assertion))
}

func (l *login) passkeyConfirm(*pipe.Request) (pipe.Fields, error) {
	err := l.client.SendPasskeyConfirmation(l.engine.ctx)
	if _, refused := outcome.IsRefused(err); err != nil && !refused && !errors.Is(err, whatsmeow.ErrNotConnected) {
		return nil, &pipe.Refusal{Code: "no_passkey_challenge"}
	}
	return nil, outcome.Of(err)
}

// confirmPasskey goes on where the phone knows that it is the client whose QR was scanned; else a person has
// to compare the codes.
func (l *login) confirmPasskey(event *events.PairPasskeyConfirmation) {
	if !event.SkipHandoffUX {
		l.engine.pipe.Tell("passkey", pipe.Fields{
			"code": event.Code, "expires_ms": passkeyLasts.Milliseconds(),
		}, nil)
		return
	}
	if l.client.SendPasskeyConfirmation(l.engine.ctx) != nil {
		l.engine.pipe.Tell("passkey", pipe.Fields{"failed": true}, nil)
		return
	}
	l.engine.pipe.Tell("passkey", pipe.Fields{"confirmed": true}, nil)
}
