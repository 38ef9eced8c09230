package engine

import (
	"context"
	"errors"
	"time"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
	"teimoso-whatsmeow/pipe"
)

const (
	// ackWithin is how long the server may take for the ack of a message where the request names no time.
	ackWithin = 60 * time.Second
	// staleAddressing is the number of a refusal that asks for the group's members anew.
	staleAddressing = 421
)

// letter is one message on its way to its chat.
type letter struct {
	id      string
	to      types.JID
	number  types.JID // the recipient's phone number beside the LID
	persons []types.JID
	message *waE2E.Message
	plain   []byte // for the chat's devices
	own     []byte // for the account's other devices; nil in groups
	media   string // the kind of file, as the stanza names it
	within  time.Duration
	mode    types.AddressingMode
	enc     waBinary.Attrs // attributes of each encrypted part
	shared  *waBinary.Node // a group's ciphertext, for all its devices
	devices []types.JID    // as the device lists had them when it was encrypted
	reached map[types.JID]bool
}

// sendRequest sends the message in the raw bytes under the caller's id, and returns the server's time.
//
// It refuses with `lease_over`, `not_connected` and `no_session` where nothing left; `refused` has the number of the
// server's error; after `timeout` and `disconnected` it may have arrived.
func (one *login) sendRequest(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Chat      string `json:"chat"`
		MessageID string `json:"message_id"`
		Media     string `json:"mediatype"`
		Timeout   int64  `json:"timeout_ms"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	chat, err := address(wanted.Chat)
	if err != nil {
		return nil, err
	}
	mail := &letter{
		id: wanted.MessageID, to: chat, message: &waE2E.Message{}, plain: request.Raw, media: wanted.Media,
		within: ackWithin,
	}
	if wanted.Timeout > 0 {
		mail.within = time.Duration(wanted.Timeout) * time.Millisecond
	}
	if mail.id == "" || len(mail.plain) == 0 || proto.Unmarshal(mail.plain, mail.message) != nil {
		return nil, &pipe.Refusal{Code: "bad_message", Permanent: true}
	}
	if err := one.mayLeave(); err != nil {
		return nil, err
	}
	ctx := one.engine.ctx
	switch chat.Server {
	case types.DefaultUserServer, types.HiddenUserServer:
		err = one.direct(ctx, mail)
	case types.GroupServer:
		err = one.grouped(ctx, mail)
	default:
		err = &pipe.Refusal{Code: "unsupported_chat", Permanent: true}
	}
	if err != nil {
		return nil, err
	}
	at, err := one.post(ctx, mail)
	if number := refusedBy(err); number == staleAddressing && chat.Server == types.GroupServer {
		if err := one.refreshGroup(ctx, mail); err != nil {
			return nil, err
		}
		at, err = one.post(ctx, mail)
	}
	if err != nil {
		return nil, err
	}
	return pipe.Fields{"at": at, "chat": mail.to.String()}, nil
}

func refusedBy(err error) int {
	var refusal *pipe.Refusal
	if errors.As(err, &refusal) && refusal.Code == "refused" {
		return refusal.Number
	}
	return 0
}

// mayLeave refuses once the lease is over or the database failed.
func (one *login) mayLeave() error {
	if err := one.engine.sound(); err != nil {
		return err
	}
	return one.engine.lease.over()
}

// direct addresses a message to one person, by the LID as the library does.
func (one *login) direct(ctx context.Context, mail *letter) error {
	known := one.client.Store.LIDs
	if mail.to.Server == types.HiddenUserServer {
		mail.number, _ = known.GetPNForLID(ctx, mail.to)
	} else {
		lid, err := known.GetLIDForPN(ctx, mail.to)
		if err != nil {
			return &pipe.Refusal{Code: word(err)}
		}
		if lid.IsEmpty() {
			found, err := one.client.GetUserInfo(ctx, []types.JID{mail.to})
			if err != nil {
				return unsent(err)
			}
			if lid = found[mail.to].LID; lid.IsEmpty() {
				return &pipe.Refusal{Code: "not_on_whatsapp", Permanent: true}
			}
		}
		mail.number, mail.to = mail.to, lid
	}
	mail.persons = []types.JID{mail.to, one.client.Store.GetLID().ToNonAD()}
	copied, err := proto.Marshal(&waE2E.Message{
		DeviceSentMessage: &waE2E.DeviceSentMessage{
			DestinationJID: proto.String(mail.to.String()), Message: mail.message,
		},
		MessageContextInfo: mail.message.MessageContextInfo,
	})
	mail.own = copied
	return err
}

// unsent is the refusal for what failed before anything left.
func unsent(err error) error {
	refused := unanswered(err)
	var refusal *pipe.Refusal
	if errors.As(refused, &refusal) {
		return &pipe.Refusal{Code: refusal.Code, Number: refusal.Number, Permanent: refusal.Permanent}
	}
	return refused
}

// post encrypts a message, writes it, waits for its ack, and sends it to devices that the server knows besides.
func (one *login) post(ctx context.Context, mail *letter) (float64, error) {
	answer, err := one.leave(mail, func() (*waBinary.Node, error) { return one.seal(ctx, mail) })
	if err != nil {
		return 0, err
	}
	ack, err := one.acknowledged(answer, mail.within)
	if err != nil {
		return 0, err
	}
	if code := number(ack.Attrs["error"]); code != 0 {
		return 0, &pipe.Refusal{Code: "refused", Number: code}
	}
	if expected := text(ack.Attrs["phash"]); expected != "" && expected != participantHash(mail.devices) {
		one.reachMissed(ctx, mail)
	}
	if mail.to.Server == types.HiddenUserServer {
		one.issueToken(ctx, mail.to)
	}
	return float64(number(ack.Attrs["t"])), nil
}

// leave has the ratchet step on disk before the bytes leave; nothing leaves after the deadline of the lease.
func (one *login) leave(mail *letter, sealed func() (*waBinary.Node, error)) (<-chan *waBinary.Node, error) {
	done := one.engine.ratchet.take()
	defer done()
	if err := one.mayLeave(); err != nil {
		return nil, err
	}
	node, err := sealed()
	if refused := one.mayLeave(); refused != nil {
		return nil, refused
	}
	if err != nil {
		return nil, err
	}
	if !one.connected.Load() {
		return nil, errNotConnected
	}
	answer := one.client.AwaitAnswer(mail.id)
	if err := one.client.SendStanza(one.engine.ctx, *node); err != nil {
		if errors.Is(err, whatsmeow.ErrNotConnected) {
			return nil, errNotConnected
		}
		return nil, &pipe.Refusal{Code: "disconnected", Uncertain: true}
	}
	return answer, nil
}

func (one *login) acknowledged(answer <-chan *waBinary.Node, within time.Duration) (*waBinary.Node, error) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case node := <-answer:
		if node != nil && node.Tag == "ack" {
			return node, nil
		}
		return nil, &pipe.Refusal{Code: "disconnected", Uncertain: true}
	case <-one.ending:
		return nil, &pipe.Refusal{Code: "disconnected", Uncertain: true}
	case <-timer.C:
		return nil, &pipe.Refusal{Code: "timeout", Uncertain: true}
	}
}

func (one *login) issueToken(ctx context.Context, person types.JID) {
	const bucket = 7 * 24 * 3600 // seconds for which an issued token is enough
	kept, issued := one.client.LastIssued(ctx, person)
	if now := time.Now(); issued.IsZero() || now.Unix()/bucket > issued.Unix()/bucket {
		go one.client.IssueToken(kept, now)
	}
}
