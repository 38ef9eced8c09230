// Package sending has the library send messages, refuses those that would not reach their recipients, and awaits WhatsApp's ack.
package sending

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	waLog "go.mau.fi/whatsmeow/util/log"
	"google.golang.org/protobuf/proto"

	"teimoso-whatsmeow/library"
	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
	"teimoso-whatsmeow/vault"
)

const (
	// ackWithin is how long the server may take for the ack of a message where the request names no time.
	ackWithin = 60 * time.Second
	// staleAddressing is the number of a refusal by which the group's members and their devices are not those known: the
	// actor asks for the members, then sends once more.
	staleAddressing = 421
)

// Sender sends for one login.
type Sender struct {
	Client  *library.Client
	Context context.Context
	Log     waLog.Logger
	// MayLeave refuses once the lease is over or the database failed.
	MayLeave func() error
	// Connected returns whether the socket is open; Ending is closed when it ends.
	Connected func() bool
	Ending    <-chan struct{}
	// Note has the actor keep whom a group's message is for; an error refuses the message.
	Note func(group types.JID, id string, persons []types.JID) error

	// Agreements last longer than a login.
	Agreements *Agreements
}

// Message is one to send: the bytes of a waE2E.Message under the caller's id.
//
// Within is the time for the ack, 0 for the usual one. Noted is the hash of the members for whom the actor keeps a group's message.
// ByNumber has a person's message name all by number: WhatsApp refuses LIDs of an account that has not migrated.
type Message struct {
	Chat   types.JID
	ID     string
	Plain  []byte
	Within time.Duration
	Noted  string

	ByNumber bool
}

// OutgoingMessage is a message on its way to its chat.
type OutgoingMessage struct {
	Message
	content *waE2E.Message
	to      types.JID
	number  types.JID   // the recipient's phone number beside the LID
	persons []types.JID // those whom it is for; of a direct message the account's own address is the last
	mode    types.AddressingMode
	edit    any
	devices []types.JID        // as they were listed
	reached map[types.JID]bool // devices that it left for

	renewals int // of groups' keys, before the members were listed
}

// Send returns the server's time of its ack in seconds, and the address that the message went to.
//
// It refuses with `lease_over`, `not_connected`, `no_devices` and `no_session` where nothing left, and with `other_number` where
// WhatsApp answers for the recipient's number by another one; `refused` has the number of the server's error; after
// `timeout` and `disconnected` it may have arrived.
func (s *Sender) Send(message Message) (at float64, to types.JID, err error) {
	outgoing := &OutgoingMessage{Message: message, to: message.Chat, content: &waE2E.Message{}}
	if outgoing.Within <= 0 {
		outgoing.Within = ackWithin
	}
	if outgoing.ID == "" || len(outgoing.Plain) == 0 || proto.Unmarshal(outgoing.Plain, outgoing.content) != nil {
		return 0, to, &pipe.Refusal{Code: "bad_message", Permanent: true}
	}
	if err := s.mayLeave(); err != nil {
		return 0, to, err
	}
	ctx := s.Context
	at, err = s.attempt(ctx, outgoing)
	for errors.Is(err, vault.ErrRenewed) { // somebody left the group meanwhile, who may not get the new key
		at, err = s.attempt(ctx, outgoing)
	}
	var refusal *pipe.Refusal
	if outgoing.isGroup() && errors.As(err, &refusal) && refusal.Number == staleAddressing {
		s.forgetDevices(ctx, outgoing.persons)
	}
	return at, outgoing.to, err
}

// attempt addresses a message, asks for what it takes, and has it leave.
func (s *Sender) attempt(ctx context.Context, message *OutgoingMessage) (float64, error) {
	var err error
	message.renewals = s.Client.Ratchet.Renewals()
	switch message.to.Server {
	case types.DefaultUserServer, types.HiddenUserServer:
		err = s.address(ctx, message)
	case types.GroupServer:
		err = s.addressGroup(ctx, message)
	default:
		err = &pipe.Refusal{Code: "unsupported_chat", Permanent: true}
	}
	if err == nil {
		err = s.meet(ctx, message)
	}
	if err != nil {
		return 0, err
	}
	return s.post(ctx, message)
}

func (m *OutgoingMessage) isGroup() bool { return m.to.Server == types.GroupServer }

// mayLeave is MayLeave where nobody may send for a login that ended: the next one has another socket.
func (s *Sender) mayLeave() error {
	if err := s.MayLeave(); err != nil {
		return err
	}
	if !s.Connected() {
		return outcome.NotConnected
	}
	return nil
}

// address addresses a message to one person, by the LID as the library does, or by the number.
func (s *Sender) address(ctx context.Context, message *OutgoingMessage) error {
	known := s.Client.Store.LIDs
	if message.to.Server == types.HiddenUserServer {
		message.number, _ = known.GetPNForLID(ctx, message.to)
	} else {
		lid, err := known.GetLIDForPN(ctx, message.to)
		if err != nil {
			return outcome.Store(err)
		}
		if lid.IsEmpty() {
			found, err := s.Client.GetUserInfo(ctx, []types.JID{message.to})
			if err != nil {
				return outcome.Before(err)
			}
			if lid = found[message.to].LID; lid.IsEmpty() {
				if lid, err = s.lidOfContact(ctx, message.to); err != nil {
					return err
				}
			}
		}
		if !message.ByNumber {
			message.number, message.to = message.to, lid
		}
	}
	own := s.Client.Store.GetLID()
	if message.to.Server == types.DefaultUserServer {
		own = s.Client.Store.GetJID()
	}
	message.persons = []types.JID{message.to, own.ToNonAD()}
	return nil
}

// lidOfContact returns the LID of a number that is listed without one, by asking WhatsApp for the contact.
//
// Where another number answers, which has devices, nothing leaves: earlier messages of its chat come first.
func (s *Sender) lidOfContact(ctx context.Context, number types.JID) (types.JID, error) {
	contact, err := s.Client.FindContact(ctx, number.User)
	switch {
	case err != nil:
		return types.EmptyJID, outcome.Before(err)
	case contact == nil:
		return types.EmptyJID, &pipe.Refusal{Code: "not_on_whatsapp", Permanent: true}
	case contact.Number.IsEmpty() || contact.Number == number:
		if contact.LID.IsEmpty() {
			return types.EmptyJID, noDevices
		}
		return contact.LID, nil
	}
	found, err := s.Client.GetUserInfo(ctx, []types.JID{contact.Number})
	if err != nil {
		return types.EmptyJID, outcome.Before(err)
	}
	other := found[contact.Number]
	if len(other.Devices) == 0 { // two numbers that are answered by one another are no chat's
		return types.EmptyJID, noDevices
	}
	refusal := &pipe.Refusal{Code: "other_number", Phone: contact.Number.String()}
	if !other.LID.IsEmpty() {
		refusal.LID = other.LID.String()
	}
	return types.EmptyJID, refusal
}

// addressGroup addresses a message to the members of a group, once the actor keeps all of them as its recipients: a device
// of anybody else may not ask for it again.
func (s *Sender) addressGroup(ctx context.Context, message *OutgoingMessage) error {
	members, mode, err := s.Client.MembersOf(ctx, message.to)
	switch {
	case errors.Is(err, whatsmeow.ErrNotInGroup):
		return &pipe.Refusal{Code: "not_in_group", Permanent: true}
	case errors.Is(err, whatsmeow.ErrGroupNotFound):
		return &pipe.Refusal{Code: "unknown_group", Permanent: true}
	case err != nil:
		return outcome.Before(err)
	}
	message.persons, message.mode = members, mode
	hash := participantHash(members)
	if hash == message.Noted {
		return nil
	}
	if err := s.Note(message.to, message.ID, members); err != nil {
		return err
	}
	message.Noted = hash
	return nil
}

// participantHash is the hash of devices by which client and server compare their lists.
func participantHash(devices []types.JID) string {
	names := make([]string, len(devices))
	for index, device := range devices {
		names[index] = device.ADString()
	}
	slices.Sort(names)
	sum := sha256.Sum256([]byte(strings.Join(names, "")))
	return "2:" + base64.RawStdEncoding.EncodeToString(sum[:6])
}

// noDevices refuses a message that no device of its recipients would get (TestMessageThatNoDeviceOfItsRecipientGetsIsNotSent).
var noDevices = &pipe.Refusal{Code: "no_devices"}

// meet asks WhatsApp for what a message takes, before its turn of the ratchet: the devices of its persons, and sessions with them.
//
// Where no device of a recipient is listed it refuses with `no_devices`: WhatsApp acknowledges a copy that the account's
// own phone alone gets, and the message would count as sent.
func (s *Sender) meet(ctx context.Context, message *OutgoingMessage) error {
	devices, err := s.Client.GetUserDevices(ctx, message.persons)
	if err != nil {
		return outcome.Before(err)
	}
	if message.isGroup() {
		devices = slices.DeleteFunc(devices, func(device types.JID) bool {
			return device.Server == types.HostedServer || device.Server == types.HostedLIDServer
		})
	}
	if !s.reaches(message, devices) {
		return noDevices
	}
	message.devices = devices
	return outcome.Store(s.Client.BeginSessions(ctx, devices))
}

// reaches returns whether one of these devices is of a recipient; where the account alone is one, any of its own is.
func (s *Sender) reaches(message *OutgoingMessage, devices []types.JID) bool {
	others := slices.ContainsFunc(message.persons, func(person types.JID) bool { return !s.Client.Owns(person) })
	return slices.ContainsFunc(devices, func(device types.JID) bool { return !others || !s.Client.Owns(device) })
}

// post has the library encrypt a message and write it, waits for its ack, and sends it to devices that the server knows besides.
func (s *Sender) post(ctx context.Context, message *OutgoingMessage) (float64, error) {
	guard := func(node *waBinary.Node) error { return s.guard(message, node) }
	departure := library.Departure{ID: message.ID, Message: message.content, Guard: guard, Renewals: message.renewals}
	var sent library.Sent
	var err error
	if message.isGroup() {
		sent, err = s.Client.SendToGroup(ctx, departure, message.to, message.persons, message.mode)
	} else {
		sent, err = s.Client.SendDirect(ctx, departure, message.persons[1], message.to, message.number)
	}
	if sent.Answer != nil {
		defer sent.Forget()
	}
	switch refused := s.MayLeave(); {
	case err != nil && sent.Answer != nil:
		return 0, outcome.Disconnected
	case errors.Is(err, vault.ErrRenewed):
		return 0, err
	case err != nil && refused != nil:
		return 0, refused
	case err != nil:
		return 0, outcome.Before(err)
	}
	ack, err := s.acknowledged(sent.Answer, message.Within)
	if err != nil {
		return 0, err
	}
	if code := outcome.Number(ack.Attrs["error"]); code != 0 {
		return 0, outcome.Refused(code)
	}
	s.reachMissed(ctx, message, sent.Hash, outcome.Text(ack.Attrs["phash"]))
	return float64(outcome.Number(ack.Attrs["t"])), nil
}

// guard looks at a stanza whose ratchet steps are on disk, before it leaves.
//
// A recipient whose own phone cannot be reached is refused: a copy for others would count as sent
// (TestMessageIsNotSentWithoutItsRecipientsPhone).
func (s *Sender) guard(message *OutgoingMessage, node *waBinary.Node) error {
	if err := s.mayLeave(); err != nil {
		return err
	}
	parts := node.GetChildByTag("participants")
	var devices []types.JID
	message.edit, message.reached = node.Attrs["edit"], map[types.JID]bool{}
	for _, part := range parts.GetChildrenByTag("to") {
		if device, ok := part.Attrs["jid"].(types.JID); ok {
			devices, message.reached[device] = append(devices, device), true
		}
	}
	if phone := message.to; slices.Contains(message.devices, phone) && !message.reached[phone] {
		return &pipe.Refusal{Code: "no_session"}
	}
	if !s.reaches(message, devices) {
		return noDevices
	}
	return nil
}

func (s *Sender) acknowledged(answer <-chan *waBinary.Node, within time.Duration) (*waBinary.Node, error) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case ack := <-answer:
		return ack, nil
	case <-s.Ending:
		return nil, outcome.Disconnected
	case <-timer.C:
		return nil, outcome.Timeout
	}
}

// TellPhone has the library send a message to the account's own phone under an id; it returns once the server has it.
func (s *Sender) TellPhone(ctx context.Context, id types.MessageID, message *waE2E.Message) error {
	if err := s.mayLeave(); err != nil {
		return err
	}
	phone := s.Client.Store.GetJID().ToNonAD()
	if err := s.Client.BeginSessions(ctx, []types.JID{phone}); err != nil {
		return outcome.Store(err)
	}
	guard := func(*waBinary.Node) error { return s.mayLeave() }
	return outcome.Of(s.Client.SendToPhone(ctx, library.Departure{ID: id, Message: message, Guard: guard}, ackWithin))
}
