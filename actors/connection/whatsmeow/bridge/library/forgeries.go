// Authenticates a direct message by one key derivation, before the library spends effort on a forged one.

package library

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/kdf"
	"go.mau.fi/libsignal/keys/chain"
	"go.mau.fi/libsignal/keys/identity"
	"go.mau.fi/libsignal/keys/root"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/ratchet"
	"go.mau.fi/libsignal/signalerror"
	"go.mau.fi/libsignal/state/record"
	"go.mau.fi/libsignal/util/bytehelper"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"teimoso-whatsmeow/records"
	"teimoso-whatsmeow/vault"
)

// mostMissing is how many messages may be missing before one on a chain, as WhatsApp's own client has it; beyond it a resend costs
// one message.
const mostMissing = 2000

// large is the size of a message, in bytes, from which copying it takes longer than any other step.
const large = 1 << 16

// largest is the size of a message of another account, in bytes: half a megabyte, as derived in the actor's message_size.py, and
// what its encryption adds.
const largest = 512<<10 + 1<<10

// ErrForged refuses a message that no session of its sender authenticates, or that is too far ahead.
//
// The library derives all keys of a gap before it looks at the MAC, on each of the sender's sessions in turn. The check here
// derives one, on those that may have it, and has the library try the session that authenticates the message first.
var ErrForged = errors.New("no session authenticates the message")

// refuseForgeries returns a context in which a direct message is decrypted only where it is authentic; ErrForged for one that is
// none, whatever its sessions are.
func (c *Client) refuseForgeries(
	ctx context.Context, part *waBinary.Node, from types.JID, first bool,
) (context.Context, error) {
	content, _ := part.Content.([]byte)
	check := &check{client: c, address: from.SignalAddress(), sender: from.String(), size: len(content)}
	var err error
	if first {
		if check.envelope, err = envelopeOf(content); err != nil {
			return nil, err
		}
		content = check.envelope.Message
	}
	if check.message, err = signedMessageOf(content); err != nil {
		return nil, err
	}
	return vault.Check(ctx, check.make), nil
}

// early makes the check of a large message before the library copies and hashes it, and returns a context without the check. It
// returns ErrForged for a message that is not authentic, also for one that was decrypted before, under a key that is gone since:
// its sender is asked for it once more. Any other refusal is made again once the library has looked for a message that came before.
//
// A message of another account that is larger than any is not authenticated at all.
func (c *Client) early(ctx context.Context, part *waBinary.Node, from types.JID) (context.Context, error) {
	content, _ := part.Content.([]byte)
	if len(content) < large {
		return ctx, nil
	}
	if len(content) > largest && !c.Owns(from) {
		return ctx, ErrForged
	}
	checked, err := vault.Checked(ctx)
	if errors.Is(err, ErrForged) {
		return ctx, err
	}
	if err != nil {
		return ctx, nil
	}
	return checked, nil
}

// check is that of one direct message.
type check struct {
	client   *Client
	address  *protocol.SignalAddress
	sender   string
	envelope *protocol.PreKeySignalMessageStructure // nil of a message that begins no session
	message  *signedMessage
	size     int
}

// make returns nil where a session authenticates the message, or the library refuses it by itself and at once.
func (c *check) make(ctx context.Context) error {
	encoded, err := c.client.Store.Sessions.GetSession(ctx, c.address.String())
	if err != nil {
		return err
	}
	var all *record.SessionStructure
	if len(encoded) > 0 {
		if all, err = records.Sessions.Deserialize(encoded); err != nil {
			return nil
		}
		defer func() { records.Sessions.Keep(encoded, all) }()
	}
	if c.envelope != nil {
		return c.first(ctx, all)
	}
	if all == nil {
		return nil
	}
	return c.on(all, likely(all, c.message))
}

// first is make for a message that begins a session, or began it.
func (c *check) first(ctx context.Context, all *record.SessionStructure) error {
	for _, state := range states(all) {
		if bytes.Equal(state.SenderBaseKey, c.envelope.BaseKey) {
			return c.on(all, []*record.StateStructure{state})
		}
	}
	begun := c.begun(ctx)
	if begun == nil {
		return nil
	}
	return c.on(nil, []*record.StateStructure{begun})
}

// on authenticates the message on one of these sessions, which becomes the current one of all: the library makes it that as
// well, once it has tried those before it.
func (c *check) on(all *record.SessionStructure, likely []*record.StateStructure) error {
	budgets, spent := c.client.budgets, 0
	left := budgets.allowance(c.sender)
	defer func() { budgets.charge(c.sender, spent) }()
	for number, state := range likely {
		each := effort(state, c.message)
		if number > 0 {
			each += c.size / bytesOfStep
		}
		if spent+each > left {
			return ErrForged
		}
		spent += each
		err := authenticate(state, c.message)
		if err == nil && all != nil {
			promote(all, state)
		}
		if !errors.Is(err, ErrForged) {
			return err
		}
	}
	return ErrForged
}

// begun returns the session that a first message begins; nil where the library refuses it.
func (c *check) begun(ctx context.Context) *record.StateStructure {
	device, envelope := c.client.Store, c.envelope
	base, err := ecc.DecodePoint(envelope.BaseKey, 0)
	if err != nil {
		return nil
	}
	theirs, err := ecc.DecodePoint(envelope.IdentityKey, 0)
	if err != nil {
		return nil
	}
	signed, err := device.LoadSignedPreKey(ctx, envelope.SignedPreKeyID)
	if err != nil || signed == nil {
		return nil
	}
	parameters := ratchet.NewEmptyReceiverParameters()
	parameters.SetTheirBaseKey(base)
	parameters.SetTheirIdentityKey(identity.NewKey(theirs))
	parameters.SetOurIdentityKeyPair(device.GetIdentityKeyPair())
	parameters.SetOurSignedPreKey(signed.KeyPair())
	parameters.SetOurRatchetKey(signed.KeyPair())
	if !envelope.PreKeyID.IsEmpty {
		once, err := device.LoadPreKey(ctx, envelope.PreKeyID.Value)
		if err != nil || once == nil {
			return nil
		}
		parameters.SetOurOneTimePreKey(once.KeyPair())
	}
	derived, err := ratchet.CalculateReceiverSession(parameters)
	if err != nil {
		return nil
	}
	return &record.StateStructure{
		SessionVersion:       protocol.CurrentVersion,
		LocalIdentityPublic:  device.GetIdentityKeyPair().PublicKey().Serialize(),
		RemoteIdentityPublic: theirs.Serialize(),
		RootKey:              derived.RootKey.Bytes(),
		SenderChain: &record.ChainStructure{
			SenderRatchetKeyPublic:  signed.KeyPair().PublicKey().Serialize(),
			SenderRatchetKeyPrivate: bytehelper.ArrayToSlice(signed.KeyPair().PrivateKey().Serialize()),
		},
	}
}

// states returns the sessions with a device, the current one first.
func states(all *record.SessionStructure) (found []*record.StateStructure) {
	if all == nil {
		return nil
	}
	for _, state := range append([]*record.StateStructure{all.SessionState}, all.PreviousStates...) {
		if state != nil {
			found = append(found, state)
		}
	}
	return found
}

// promote makes a session the current one; those that were current last follow.
func promote(all *record.SessionStructure, state *record.StateStructure) {
	if state == all.SessionState {
		return
	}
	others := slices.DeleteFunc(states(all), func(other *record.StateStructure) bool { return other == state })
	all.SessionState, all.PreviousStates = state, others
}

// likely returns the sessions that may have a message, the likeliest first: those that know its key; where none does, the current
// one and those that were current last.
func likely(all *record.SessionStructure, message *signedMessage) []*record.StateStructure {
	key, every := message.SenderRatchetKey().Serialize(), states(all)
	var found []*record.StateStructure
	for _, state := range every {
		if chainOf(state, key) != nil {
			found = append(found, state)
		}
	}
	if found == nil {
		return every
	}
	return found
}

// effort returns what authenticate takes, in steps of a chain.
func effort(state *record.StateStructure, message *signedMessage) int {
	known := chainOf(state, message.SenderRatchetKey().Serialize())
	switch {
	case known == nil:
		return agreement + int(min(message.Counter(), mostMissing))
	case known.ChainKey.Index > message.Counter():
		return 0
	default:
		return int(min(message.Counter()-known.ChainKey.Index, mostMissing))
	}
}

// authenticate returns nil where a session authenticates a message, ErrOldCounter where the key of that was used.
func authenticate(state *record.StateStructure, message *signedMessage) error {
	if state.SenderChain == nil || state.SessionVersion != message.MessageVersion() {
		return ErrForged
	}
	next, counter := chainFor(state, message), message.Counter()
	if next == nil || next.Index() <= counter && counter-next.Index() > mostMissing {
		return ErrForged
	}
	if next.Index() > counter {
		known := chainOf(state, message.SenderRatchetKey().Serialize())
		for _, keys := range known.MessageKeys {
			if keys.Index == counter {
				return message.verify(state, keys.MacKey)
			}
		}
		return signalerror.ErrOldCounter
	}
	for next.Index() < counter {
		next = next.NextKey()
	}
	return message.verify(state, next.MessageKeys().MacKey())
}

// chainFor returns the chain of a message, which begins with it where the session does not have it; nil where it cannot.
func chainFor(state *record.StateStructure, message *signedMessage) *chain.Key {
	known := chainOf(state, message.SenderRatchetKey().Serialize())
	if known != nil {
		return chain.NewKeyFromStruct(known.ChainKey, kdf.DeriveSecrets)
	}
	if len(state.SenderChain.SenderRatchetKeyPrivate) != 32 {
		return nil
	}
	public, err := ecc.DecodePoint(state.SenderChain.SenderRatchetKeyPublic, 0)
	if err != nil {
		return nil
	}
	private := ecc.NewDjbECPrivateKey(bytehelper.SliceToArray(state.SenderChain.SenderRatchetKeyPrivate))
	pair, err := root.NewKey(kdf.DeriveSecrets, state.RootKey).
		CreateChain(message.SenderRatchetKey(), ecc.NewECKeyPair(public, private))
	if err != nil {
		return nil
	}
	begun, _ := pair.ChainKey.(*chain.Key)
	return begun
}

func chainOf(state *record.StateStructure, key []byte) *record.ChainStructure {
	for _, known := range state.ReceiverChains {
		if bytes.Equal(known.SenderRatchetKeyPublic, key) {
			return known
		}
	}
	return nil
}
