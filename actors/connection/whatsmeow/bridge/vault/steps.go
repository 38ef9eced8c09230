// Gathers ratchet steps of several messages in memory, and commits them in one transaction.

package vault

import (
	"context"
	"errors"
	"time"

	"go.mau.fi/whatsmeow/store"
)

// MostTogether is how many messages share a transaction at most.
const MostTogether = 32

// Steps are steps of ratchets that were made and are not on disk yet: those of several messages share a transaction.
//
// The turn of the ratchet is held from Gather to Store, so that nobody else reads what they replace. Nothing that was
// encrypted by a step may leave before Store, and nothing that was decrypted by one may be handed on.
type Steps struct {
	sessions   map[string][]byte
	senderKeys map[senderKeyName][]byte
	plaintexts map[[32]byte]plaintext
	// rest are those before a decryption, which belong to it once it succeeds.
	rest *Steps
}

type senderKeyName struct{ group, sender string }

// plaintext is that of a received message, kept until it is stored elsewhere.
type plaintext struct {
	content []byte
	sent    time.Time
}

// errAlone refuses, within a decryption, what cannot be gathered.
var errAlone = errors.New("not among gathered steps")

type gathering struct{}

// Gather returns a context in which the device's sessions and sender keys are not stored, but gathered.
func Gather(ctx context.Context) (context.Context, *Steps) {
	return gather(ctx, nil)
}

func gather(ctx context.Context, rest *Steps) (context.Context, *Steps) {
	steps := &Steps{
		sessions: map[string][]byte{}, senderKeys: map[senderKeyName][]byte{}, plaintexts: map[[32]byte]plaintext{},
		rest: rest,
	}
	return context.WithValue(ctx, gathering{}, steps), steps
}

// session returns the step of a session that was gathered last.
func (s *Steps) session(address string) (session []byte, found bool) {
	for ; s != nil && !found; s = s.rest {
		session, found = s.sessions[address]
	}
	return session, found
}

// senderKey is session for a sender key.
func (s *Steps) senderKey(name senderKeyName) (key []byte, found bool) {
	for ; s != nil && !found; s = s.rest {
		key, found = s.senderKeys[name]
	}
	return key, found
}

// Store stores what was gathered in one transaction. It is on disk when Store returns; an error means that nothing is.
func (s *Steps) Store(ctx context.Context, device *store.Device) error {
	if len(s.sessions) == 0 && len(s.senderKeys) == 0 && len(s.plaintexts) == 0 {
		return nil
	}
	ctx = context.WithValue(ctx, gathering{}, nil)
	err := device.EventBuffer.DoDecryptionTxn(ctx, func(ctx context.Context) error {
		for address, session := range s.sessions {
			if err := device.Sessions.PutSession(ctx, address, session); err != nil {
				return err
			}
		}
		for name, key := range s.senderKeys {
			if err := device.SenderKeys.PutSenderKey(ctx, name.group, name.sender, key); err != nil {
				return err
			}
		}
		for hash, one := range s.plaintexts {
			if err := device.EventBuffer.PutBufferedEvent(ctx, hash, one.content, one.sent); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		if stores, ours := device.Sessions.(*sessions); ours {
			for address, session := range s.sessions {
				stores.stored.put(address, session)
			}
		}
		clear(s.sessions)
		clear(s.senderKeys)
		clear(s.plaintexts)
	}
	return classify(err)
}

func gathered(ctx context.Context) *Steps {
	steps, _ := ctx.Value(gathering{}).(*Steps)
	return steps
}
