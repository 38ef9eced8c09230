package library

import (
	"bytes"
	"context"
	"errors"

	"go.mau.fi/libsignal/ecc"
	groups "go.mau.fi/libsignal/groups/state/record"
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
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"teimoso-whatsmeow/vault"
)

const (
	// mostMissing is how many messages may be missing before one on a chain; beyond it a resend costs one message.
	mostMissing = 400
	// mostKept is how many keys of messages that were passed over are kept of all sessions with a device.
	mostKept = 2000
)

// ErrForged refuses a message that no session of its sender authenticates, or that is too far ahead.
//
// The library derives all keys of a gap before it looks at the MAC, on each of the sender's sessions in turn. The check here
// derives one, on those that may have it.
var ErrForged = errors.New("no session authenticates the message")

// refuseForgeries returns a context in which the sender's sessions are read only for a message that is authentic.
//
// The check is made as the session is read: by then a message that was decrypted before has been found among the plaintexts.
func (client *Client) refuseForgeries(
	ctx context.Context, part *waBinary.Node, from types.JID, first bool,
) context.Context {
	content, _ := part.Content.([]byte)
	sender := from.String()
	serializer := store.SignalProtobufSerializer
	if first {
		envelope, err := protocol.NewPreKeySignalMessageFromBytes(
			content, serializer.PreKeySignalMessage, serializer.SignalMessage,
		)
		if err != nil {
			return ctx // the library's to refuse
		}
		return vault.Check(ctx, func(encoded []byte) error {
			return client.authenticateFirst(ctx, encoded, envelope, sender)
		})
	}
	message, err := protocol.NewSignalMessageFromBytes(content, serializer.SignalMessage)
	if err != nil {
		return ctx
	}
	return vault.Check(ctx, func(encoded []byte) error {
		if len(encoded) == 0 {
			return nil // the library's to refuse
		}
		left, spent := client.budgets.allowance(sender), 0
		defer func() { client.budgets.charge(sender, spent) }()
		for _, state := range likely(states(encoded), message) {
			each := effort(state, message)
			if spent+each > left {
				return ErrForged
			}
			spent += each
			if err := authenticate(state, message); !errors.Is(err, ErrForged) {
				return err
			}
		}
		return ErrForged
	})
}

// refuseFarAhead returns a context in which a sender key is read only for a message before which at most mostMissing are missing.
//
// The library checks the signature first: a member of the group alone makes it derive keys.
func refuseFarAhead(ctx context.Context, part *waBinary.Node) context.Context {
	content, _ := part.Content.([]byte)
	message, err := protocol.NewSenderKeyMessageFromBytes(content, store.SignalProtobufSerializer.SenderKeyMessage)
	if err != nil {
		return ctx // the library's to refuse
	}
	return vault.Check(ctx, func(encoded []byte) error {
		if len(encoded) == 0 {
			return nil
		}
		all, err := store.SignalProtobufSerializer.SenderKeyRecord.Deserialize(encoded)
		if err != nil {
			return nil
		}
		for _, state := range all.SenderKeyStates {
			at := state.SenderChainKey.Iteration
			if state.KeyID == message.KeyID() && message.Iteration() > at && message.Iteration()-at > mostMissing {
				return ErrForged
			}
		}
		return nil
	})
}

// states returns the sessions with a device, the current one first.
func states(encoded []byte) []*record.StateStructure {
	if len(encoded) == 0 {
		return nil
	}
	all, err := sessions.look(encoded)
	if err != nil {
		return nil
	}
	return append([]*record.StateStructure{all.SessionState}, all.PreviousStates...)
}

// authenticateFirst is authenticate on the session that a first message begins, or began.
func (client *Client) authenticateFirst(
	ctx context.Context, encoded []byte, envelope *protocol.PreKeySignalMessage, sender string,
) error {
	device, message := client.Store, envelope.WhisperMessage()
	steps := int(min(message.Counter(), mostMissing))
	if steps > client.budgets.allowance(sender) {
		return ErrForged
	}
	client.budgets.charge(sender, steps)
	base := envelope.BaseKey().Serialize()
	for _, state := range states(encoded) {
		if state != nil && bytes.Equal(state.SenderBaseKey, base) {
			return authenticate(state, message)
		}
	}
	signed, err := device.LoadSignedPreKey(ctx, envelope.SignedPreKeyID())
	if err != nil || signed == nil {
		return nil // the library's to refuse
	}
	parameters := ratchet.NewEmptyReceiverParameters()
	parameters.SetTheirBaseKey(envelope.BaseKey())
	parameters.SetTheirIdentityKey(envelope.IdentityKey())
	parameters.SetOurIdentityKeyPair(device.GetIdentityKeyPair())
	parameters.SetOurSignedPreKey(signed.KeyPair())
	parameters.SetOurRatchetKey(signed.KeyPair())
	if !envelope.PreKeyID().IsEmpty {
		once, err := device.LoadPreKey(ctx, envelope.PreKeyID().Value)
		if err != nil || once == nil {
			return nil
		}
		parameters.SetOurOneTimePreKey(once.KeyPair())
	}
	derived, err := ratchet.CalculateReceiverSession(parameters)
	if err != nil {
		return nil
	}
	return authenticate(&record.StateStructure{
		SessionVersion:       protocol.CurrentVersion,
		LocalIdentityPublic:  device.GetIdentityKeyPair().PublicKey().Serialize(),
		RemoteIdentityPublic: envelope.IdentityKey().Serialize(),
		RootKey:              derived.RootKey.Bytes(),
		SenderChain: &record.ChainStructure{
			SenderRatchetKeyPublic:  signed.KeyPair().PublicKey().Serialize(),
			SenderRatchetKeyPrivate: bytehelper.ArrayToSlice(signed.KeyPair().PrivateKey().Serialize()),
		},
	}, message)
}

// likely returns the sessions that may have a message, the likeliest first: those that know its key; where none does, the current
// one and those that were current last.
func likely(states []*record.StateStructure, message *protocol.SignalMessage) []*record.StateStructure {
	key := message.SenderRatchetKey().Serialize()
	var found []*record.StateStructure
	for _, state := range states {
		if state != nil && chainOf(state, key) != nil {
			found = append(found, state)
		}
	}
	if found == nil {
		return states
	}
	return found
}

// effort returns what authenticate takes, in steps of a chain.
func effort(state *record.StateStructure, message *protocol.SignalMessage) int {
	if state == nil {
		return 0
	}
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
func authenticate(state *record.StateStructure, message *protocol.SignalMessage) error {
	if state == nil || state.SenderChain == nil || state.SessionVersion != message.MessageVersion() {
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
				return verify(state, message, keys.MacKey)
			}
		}
		return signalerror.ErrOldCounter
	}
	for next.Index() < counter {
		next = next.NextKey()
	}
	return verify(state, message, next.MessageKeys().MacKey())
}

// chainFor returns the chain of a message, which begins with it where the session does not have it; nil where it cannot.
func chainFor(state *record.StateStructure, message *protocol.SignalMessage) *chain.Key {
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

func verify(state *record.StateStructure, message *protocol.SignalMessage, mac []byte) error {
	theirs, err := ecc.DecodePoint(state.RemoteIdentityPublic, 0)
	if err != nil {
		return ErrForged
	}
	ours, err := ecc.DecodePoint(state.LocalIdentityPublic, 0)
	if err != nil {
		return ErrForged
	}
	if message.VerifyMac(state.SessionVersion, identity.NewKey(theirs), identity.NewKey(ours), mac) != nil {
		return ErrForged
	}
	return nil
}

// boundedKeys encodes sender keys, with no more keys of messages that were passed over than mostKept.
type boundedKeys struct{ groups.SenderKeySerializer }

// Serialize encodes the keys of a member.
func (one boundedKeys) Serialize(all *groups.SenderKeyStructure) []byte {
	most := mostKept
	for _, state := range all.SenderKeyStates { // the newest is the first one
		left := min(most, len(state.Keys))
		state.Keys = state.Keys[len(state.Keys)-left:]
		most -= left
	}
	return one.SenderKeySerializer.Serialize(all)
}

func init() {
	store.SignalProtobufSerializer.SenderKeyRecord = boundedKeys{store.SignalProtobufSerializer.SenderKeyRecord}
}

// bound drops keys of messages that were passed over until `most` are left: those of the session that was used longest ago go
// first, the oldest of each.
func bound(all *record.SessionStructure, most int) {
	states := append([]*record.StateStructure{all.SessionState}, all.PreviousStates...)
	for _, state := range states {
		if state == nil {
			continue
		}
		for place := len(state.ReceiverChains) - 1; place >= 0; place-- { // the newest chain is the last one
			known := state.ReceiverChains[place]
			left := min(most, len(known.MessageKeys))
			known.MessageKeys = known.MessageKeys[len(known.MessageKeys)-left:]
			most -= left
		}
	}
}
