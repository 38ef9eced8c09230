// Has the library encrypt and send a message, once the sessions for it are begun, and looks at the stanza before it leaves.

package library

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"time"
	"unsafe"

	"go.mau.fi/libsignal/keys/prekey"
	"go.mau.fi/libsignal/session"
	"go.mau.fi/libsignal/signalerror"
	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"teimoso-whatsmeow/vault"
)

// Departure is a message on its way: the library asks WhatsApp for nothing that receiving would wait for, and writes the stanza unless
// Guard returns an error. Renewals is their count before a group's members were listed.
type Departure struct {
	ID       types.MessageID
	Message  *waE2E.Message
	Guard    func(*waBinary.Node) error
	Renewals int
}

// Sent is a message that left: the hash of the devices that it went to, and the channel of its answer. Forget gives up the answer: the
// library's own giving up closes a channel that may just be written to.
type Sent struct {
	Hash   string
	Answer <-chan *waBinary.Node
	Forget func()
}

// SendDirect has the library send a message to a person, whose phone number is named beside the LID where it is given; `own` is the
// account's address. SendMessage itself names each person by the LID, also where WhatsApp refuses that
// (test_a_lid_that_is_refused_goes_by_number_which_is_remembered).
func (c *Client) SendDirect(ctx context.Context, d Departure, own, to, number types.JID) (Sent, error) {
	return c.depart(ctx, d, func(ctx context.Context) (string, error) {
		return toPerson(c.inner.SendDM)(ctx, own, to, d, number)
	})
}

// SendToGroup has the library send a message to these members of a group. One at a time: each advances the account's key of a group.
// It returns vault.ErrRenewed where somebody left since its Renewals.
func (c *Client) SendToGroup(
	ctx context.Context, d Departure, group types.JID, members []types.JID, mode types.AddressingMode,
) (Sent, error) {
	defer c.GroupTurn()()
	own := c.Store.GetJID()
	if mode == types.AddressingModeLID {
		own = c.Store.GetLID()
	}
	send := func(ctx context.Context) (string, error) {
		return toGroup(c.inner.SendGroup)(ctx, own, group, members, d, mode)
	}
	return c.depart(ctx, d, send)
}

// GroupTurn waits for the account's keys of groups, and returns what gives them back. It comes before the turn of the ratchet: a key that
// is made beside another use of it reaches nobody.
func (c *Client) GroupTurn() func() {
	c.sending.Lock()
	return c.sending.Unlock
}

// SendToPhone has the library send a message to the account's own phone; it returns once the server has it.
func (c *Client) SendToPhone(ctx context.Context, d Departure, within time.Duration) error {
	phone := c.Store.GetJID().ToNonAD()
	sent, err := c.depart(ctx, d, func(ctx context.Context) (string, error) {
		_, err := c.SendMessage(ctx, phone, d.Message, whatsmeow.SendRequestExtra{ID: d.ID, Peer: true, Timeout: within})
		return "", err
	})
	if sent.Answer != nil {
		sent.Forget()
	}
	return err
}

// depart sends a message in a turn of the ratchet. An error without an answer's channel means that nothing left.
func (c *Client) depart(ctx context.Context, d Departure, send func(context.Context) (string, error)) (sent Sent, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// The library calls it on this goroutine, and writes nothing once the context has ended.
	guard := func(node *waBinary.Node) bool {
		if err := d.Guard(node); err != nil {
			cancel(err)
			return false
		}
		answer := make(chan *waBinary.Node, 1)
		c.outgoing.answers.Store(d.ID, answer)
		sent.Answer, sent.Forget = answer, func() { c.outgoing.answers.CompareAndDelete(d.ID, answer) }
		return true
	}
	if _, another := c.outgoing.guards.LoadOrStore(d.ID, guard); another {
		return sent, whatsmeow.ErrNotConnected // it is on its way for a login before
	}
	defer c.outgoing.guards.Delete(d.ID)
	ctx, done := c.Ratchet.Depart(ctx, d.Renewals)
	defer done()
	if sent.Hash, err = send(ctx); err != nil && sent.Answer == nil && context.Cause(ctx) != nil {
		err = context.Cause(ctx)
	}
	return sent, err
}

// toPerson and toGroup call methods of the library whose last parameter has a type without a name outside of it.
func toPerson[Extra any](send func(
	context.Context, types.JID, types.JID, types.MessageID, *waE2E.Message, *whatsmeow.MessageDebugTimings, Extra,
) (string, []byte, error)) func(context.Context, types.JID, types.JID, Departure, types.JID) (string, error) {
	return func(ctx context.Context, own, to types.JID, d Departure, number types.JID) (string, error) {
		var extra Extra
		set(&extra, "peerRecipientPN", number)
		hash, _, err := send(ctx, own, to, d.ID, named(d.Message), &whatsmeow.MessageDebugTimings{}, extra)
		return hash, err
	}
}

func toGroup[Extra any](send func(
	context.Context, types.JID, types.JID, []types.JID, types.MessageID, *waE2E.Message, *whatsmeow.MessageDebugTimings, Extra,
) (string, []byte, error)) func(context.Context, types.JID, types.JID, []types.JID, Departure, types.AddressingMode) (string, error) {
	return func(
		ctx context.Context, own, group types.JID, members []types.JID, d Departure, mode types.AddressingMode,
	) (string, error) {
		var extra Extra
		if mode == types.AddressingModeLID {
			set(&extra, "addressingMode", mode)
		}
		hash, _, err := send(ctx, own, group, members, d.ID, named(d.Message), &whatsmeow.MessageDebugTimings{}, extra)
		return hash, err
	}
}

func set[Extra, Value any](extra *Extra, field string, value Value) {
	found := reflect.ValueOf(extra).Elem().FieldByName(field)
	*(*Value)(unsafe.Pointer(found.UnsafeAddr())) = value
}

// named returns the message as the library names it by itself: it takes a poll with one choice for a text
// (TestPollsWithOneAndWithSeveralChoicesLeaveAsPolls), and builds none but those with several.
func named(message *waE2E.Message) *waE2E.Message {
	if poll := message.GetPollCreationMessageV3(); poll != nil {
		message.PollCreationMessage, message.PollCreationMessageV3 = poll, nil
	}
	return message
}

// sessionTries is how often prekeys are asked for and sessions begun, since a device without a session gets nothing.
const sessionTries = 2

// BeginSessions begins sessions with those devices with which there is none. A device that has no prekeys, or that fails twice, is left
// without one (TestDeviceThatFailsOnceIsTriedAgain).
//
// It asks WhatsApp before the turn of the ratchet: by the library's own fan-out receiving would wait for the answer
// (TestReceivingDoesNotWaitForTheQueriesOfASend).
func (c *Client) BeginSessions(ctx context.Context, devices []types.JID) error {
	unmet, err := c.withoutSession(ctx, devices)
	for try := 0; try < sessionTries && len(unmet) > 0 && err == nil; try++ {
		if err = c.begin(ctx, c.inner.FetchPreKeysNoError(ctx, slices.Collect(maps.Keys(unmet))), unmet); err == nil {
			unmet, err = c.withoutSession(ctx, slices.Collect(maps.Keys(unmet)))
		}
	}
	return err
}

// begin begins sessions by prekeys, under these names; the steps share a transaction.
func (c *Client) begin(ctx context.Context, bundles map[types.JID]*prekey.Bundle, names map[types.JID]types.JID) error {
	defer c.Ratchet.Take()()
	gathered, steps := vault.Gather(ctx)
	for device, bundle := range bundles {
		address := names[device].SignalAddress()
		if met, err := c.Store.ContainsSession(ctx, address); bundle == nil || met || err != nil {
			continue // a message may have begun one meanwhile
		}
		builder := session.NewBuilderFromSignal(c.Store, address, store.SignalProtobufSerializer)
		err := builder.ProcessBundle(gathered, bundle)
		if errors.Is(err, signalerror.ErrUntrustedIdentity) {
			go c.Reinstalled()
			if err = c.Store.Identities.DeleteIdentity(ctx, address.String()); err == nil {
				err = builder.ProcessBundle(gathered, bundle)
			}
		}
		if err != nil {
			c.Log.Warnf("no session could be begun with a device")
		}
	}
	return steps.Store(ctx, c.Store)
}

// withoutSession returns the devices with which there is no session, and the address of each under which one is kept: the LID where a
// number's is known. This device has none with itself.
func (c *Client) withoutSession(ctx context.Context, devices []types.JID) (map[types.JID]types.JID, error) {
	var numbers []types.JID
	for _, device := range devices {
		if device.Server == types.DefaultUserServer {
			numbers = append(numbers, device)
		}
	}
	lids, err := c.Store.LIDs.GetManyLIDsForPNs(ctx, numbers)
	unmet := map[types.JID]types.JID{}
	for _, device := range devices {
		if err != nil || device == c.Store.GetJID() || device == c.Store.GetLID() {
			continue
		}
		name := device
		if lid := lids[device]; !lid.IsEmpty() {
			name = lid
			done := c.Ratchet.Take()
			c.MigrateSession(ctx, device, lid)
			done()
		}
		var met bool
		if met, err = c.Store.Sessions.HasSession(ctx, name.SignalAddress().String()); !met {
			unmet[device] = name
		}
	}
	return unmet, err
}

// Owns returns whether a device is one of the account's own.
func (c *Client) Owns(device types.JID) bool {
	own := c.Store
	return own.ID != nil && device.User == own.ID.User || device.User == own.LID.User
}
