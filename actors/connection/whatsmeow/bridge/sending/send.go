// Package sending encrypts messages for all devices of their recipients, sends them, and awaits WhatsApp's ack.
package sending

import (
	"context"
	"errors"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	waLog "go.mau.fi/whatsmeow/util/log"
	"google.golang.org/protobuf/proto"

	"teimoso-whatsmeow/library"
	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
	"teimoso-whatsmeow/turns"
)

const (
	// ackWithin is how long the server may take for the ack of a message where the request names no time.
	ackWithin = 60 * time.Second
	// staleAddressing is the number of a refusal by which the group's members and their devices are not those known: the
	// actor asks for the members, then sends once more.
	staleAddressing = 421
)

// Sender encrypts and sends for one login.
type Sender struct {
	Client  *library.Client
	Context context.Context
	Log     waLog.Logger
	Ratchet *turns.Ratchet
	// MayLeave refuses once the lease is over or the database failed.
	MayLeave func() error
	// Connected returns whether the socket is open; Ending is closed when it ends.
	Connected func() bool
	Ending    <-chan struct{}
	// Note has the actor keep whom a group's message is for; an error refuses the message.
	Note func(group types.JID, id string, persons []types.JID) error

	departures departures
}

// Message is one to send: the bytes of a waE2E.Message under the caller's id.
//
// Media is the kind of file as stanzas name it, for groups. Within is the time for the ack, 0 for the usual one. Noted
// is the hash of the members for whom the actor keeps a group's message.
type Message struct {
	Chat   types.JID
	ID     string
	Plain  []byte
	Media  string
	Within time.Duration
	Noted  string
}

// letter is one message on its way to its chat.
type letter struct {
	id      string
	to      types.JID
	number  types.JID // the recipient's phone number beside the LID
	persons []types.JID
	noted   string // the hash of those whom the actor keeps as the message's
	message *waE2E.Message
	plain   []byte // for the chat's devices
	own     []byte // for the account's other devices; nil in groups
	media   string
	within  time.Duration
	mode    types.AddressingMode
	enc     waBinary.Attrs // attributes of each encrypted part
	shared  *waBinary.Node // a group's ciphertext, for all its devices
	devices []types.JID    // as the device lists had them when it was encrypted
	reached map[types.JID]bool
}

// Send returns the server's time of its ack in seconds, and the address that the message went to.
//
// It refuses with `lease_over`, `not_connected` and `no_session` where nothing left, and with `other_number` where
// WhatsApp answers for the recipient's number by another one; `refused` has the number of the server's error; after
// `timeout` and `disconnected` it may have arrived.
func (one *Sender) Send(message Message) (at float64, to types.JID, err error) {
	mail := &letter{
		id: message.ID, to: message.Chat, message: &waE2E.Message{}, plain: message.Plain, media: message.Media,
		within: message.Within, noted: message.Noted,
	}
	if mail.within <= 0 {
		mail.within = ackWithin
	}
	if mail.id == "" || len(mail.plain) == 0 || proto.Unmarshal(mail.plain, mail.message) != nil {
		return 0, to, &pipe.Refusal{Code: "bad_message", Permanent: true}
	}
	if err := one.MayLeave(); err != nil {
		return 0, to, err
	}
	ctx := one.Context
	switch mail.to.Server {
	case types.DefaultUserServer, types.HiddenUserServer:
		err = one.direct(ctx, mail)
	case types.GroupServer:
		err = one.grouped(ctx, mail)
	default:
		err = &pipe.Refusal{Code: "unsupported_chat", Permanent: true}
	}
	if err != nil {
		return 0, to, err
	}
	at, err = one.post(ctx, mail)
	if refusedBy(err) == staleAddressing && mail.to.Server == types.GroupServer {
		one.forgetDevices(ctx, mail.persons)
	}
	return at, mail.to, err
}

func refusedBy(err error) int {
	var refusal *pipe.Refusal
	if errors.As(err, &refusal) && refusal.Code == "refused" {
		return refusal.Number
	}
	return 0
}

// direct addresses a message to one person, by the LID as the library does.
func (one *Sender) direct(ctx context.Context, mail *letter) error {
	known := one.Client.Store.LIDs
	if mail.to.Server == types.HiddenUserServer {
		mail.number, _ = known.GetPNForLID(ctx, mail.to)
	} else {
		lid, err := known.GetLIDForPN(ctx, mail.to)
		if err != nil {
			return outcome.Store(err)
		}
		if lid.IsEmpty() {
			found, err := one.Client.GetUserInfo(ctx, []types.JID{mail.to})
			if err != nil {
				return outcome.Before(err)
			}
			if lid = found[mail.to].LID; lid.IsEmpty() {
				if lid, err = one.lidOfContact(ctx, mail.to); err != nil {
					return err
				}
			}
		}
		mail.number, mail.to = mail.to, lid
	}
	mail.persons = []types.JID{mail.to, one.Client.Store.GetLID().ToNonAD()}
	copied, err := proto.Marshal(&waE2E.Message{
		DeviceSentMessage: &waE2E.DeviceSentMessage{
			DestinationJID: proto.String(mail.to.String()), Message: mail.message,
		},
		MessageContextInfo: mail.message.MessageContextInfo,
	})
	mail.own = copied
	return err
}

// lidOfContact returns the LID of a number that is listed without one, by asking WhatsApp for the contact.
//
// Where another number answers, which has devices, nothing leaves: earlier messages of its chat come first.
func (one *Sender) lidOfContact(ctx context.Context, number types.JID) (types.JID, error) {
	contact, err := one.Client.FindContact(ctx, number.User)
	switch {
	case err != nil:
		return types.EmptyJID, outcome.Before(err)
	case contact == nil:
		return types.EmptyJID, &pipe.Refusal{Code: "not_on_whatsapp", Permanent: true}
	case contact.Number.IsEmpty() || contact.Number == number:
		if contact.LID.IsEmpty() {
			return types.EmptyJID, &pipe.Refusal{Code: "no_devices"}
		}
		return contact.LID, nil
	}
	found, err := one.Client.GetUserInfo(ctx, []types.JID{contact.Number})
	if err != nil {
		return types.EmptyJID, outcome.Before(err)
	}
	other := found[contact.Number]
	if len(other.Devices) == 0 { // two numbers that are answered by one another are no chat's
		return types.EmptyJID, &pipe.Refusal{Code: "no_devices"}
	}
	refusal := &pipe.Refusal{Code: "other_number", Phone: contact.Number.String()}
	if !other.LID.IsEmpty() {
		refusal.LID = other.LID.String()
	}
	return types.EmptyJID, refusal
}

// post encrypts a message, writes it, waits for its ack, and sends it to devices that the server knows besides.
func (one *Sender) post(ctx context.Context, mail *letter) (float64, error) {
	answer, err := one.leave(mail, func(ctx context.Context) (*waBinary.Node, error) { return one.seal(ctx, mail) })
	if err != nil {
		return 0, err
	}
	ack, err := one.acknowledged(answer, mail.within)
	if err != nil {
		return 0, err
	}
	if code := outcome.Number(ack.Attrs["error"]); code != 0 {
		return 0, outcome.Refused(code)
	}
	if expected := outcome.Text(ack.Attrs["phash"]); expected != "" && expected != participantHash(mail.devices) {
		one.reachMissed(ctx, mail)
	}
	if mail.to.Server == types.HiddenUserServer {
		one.issueToken(ctx, mail.to)
	}
	return float64(outcome.Number(ack.Attrs["t"])), nil
}

func (one *Sender) acknowledged(answer <-chan *waBinary.Node, within time.Duration) (*waBinary.Node, error) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case node := <-answer:
		if node != nil && node.Tag == "ack" {
			return node, nil
		}
		return nil, outcome.Disconnected
	case <-one.Ending:
		return nil, outcome.Disconnected
	case <-timer.C:
		return nil, outcome.Timeout
	}
}

func (one *Sender) issueToken(ctx context.Context, person types.JID) {
	const bucket = 7 * 24 * 3600 // seconds for which an issued token is enough
	kept, issued := one.Client.LastIssued(ctx, person)
	if now := time.Now(); issued.IsZero() || now.Unix()/bucket > issued.Unix()/bucket {
		go one.Client.IssueToken(kept, now)
	}
}
