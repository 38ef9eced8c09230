package vault

import (
	"context"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
)

// Steps are steps of ratchets that were made and are not on disk yet: those of several messages share a transaction.
//
// The turn of the ratchet is held from Gather to Store, so that nobody else reads what they replace. Nothing that was
// encrypted by a step may leave before Store.
type Steps struct {
	sessions   map[string][]byte
	senderKeys map[senderKeyName][]byte
}

type senderKeyName struct{ group, sender string }

type gathering struct{}

// Gather returns a context in which the device's sessions and sender keys are not stored, but gathered.
func Gather(ctx context.Context) (context.Context, *Steps) {
	steps := &Steps{sessions: map[string][]byte{}, senderKeys: map[senderKeyName][]byte{}}
	return context.WithValue(ctx, gathering{}, steps), steps
}

// Store stores what was gathered in one transaction. It is on disk when Store returns; an error means that nothing is.
func (steps *Steps) Store(ctx context.Context, device *store.Device) error {
	if len(steps.sessions) == 0 && len(steps.senderKeys) == 0 {
		return nil
	}
	ctx = context.WithValue(ctx, gathering{}, nil)
	err := device.EventBuffer.DoDecryptionTxn(ctx, func(ctx context.Context) error {
		for address, session := range steps.sessions {
			if err := device.Sessions.PutSession(ctx, address, session); err != nil {
				return err
			}
		}
		for name, key := range steps.senderKeys {
			if err := device.SenderKeys.PutSenderKey(ctx, name.group, name.sender, key); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		if stores, ours := device.Sessions.(*sessions); ours {
			for address, session := range steps.sessions {
				stores.stored.put(address, session)
			}
		}
		clear(steps.sessions)
		clear(steps.senderKeys)
	}
	return classify(err)
}

func gathered(ctx context.Context) *Steps {
	steps, _ := ctx.Value(gathering{}).(*Steps)
	return steps
}

// sessions gathers steps of sessions where the context says so.
//
// It remembers those that were gathered last, for the next message to the same person. What else writes a session
// has it forgotten: a decryption's transaction may be rolled back.
type sessions struct {
	store.SessionStore
	device *store.Device
	stored remembered[[]byte]
	moved  remembered[bool]
}

// GetSession returns a session, nil where there is none.
func (one *sessions) GetSession(ctx context.Context, address string) ([]byte, error) {
	if steps := gathered(ctx); steps != nil {
		if session, found := steps.sessions[address]; found {
			return session, nil
		}
	}
	return one.SessionStore.GetSession(ctx, address)
}

// HasSession returns whether there is a session.
func (one *sessions) HasSession(ctx context.Context, address string) (bool, error) {
	if steps := gathered(ctx); steps != nil {
		if _, found := steps.sessions[address]; found {
			return true, nil
		}
	}
	return one.SessionStore.HasSession(ctx, address)
}

// GetManySessions returns a session for each address, nil where there is none.
func (one *sessions) GetManySessions(ctx context.Context, addresses []string) (map[string][]byte, error) {
	steps := gathered(ctx)
	if steps == nil {
		return one.SessionStore.GetManySessions(ctx, addresses)
	}
	found, others := make(map[string][]byte, len(addresses)), make([]string, 0, len(addresses))
	for _, address := range addresses {
		if session, has := steps.sessions[address]; has {
			found[address] = session
		} else if session, has := one.stored.get(address); has {
			found[address] = session
		} else {
			others = append(others, address)
		}
	}
	if len(others) == 0 {
		return found, nil
	}
	stored, err := one.SessionStore.GetManySessions(ctx, others)
	for address, session := range stored {
		found[address] = session
	}
	return found, err
}

// PutSession stores a session, or gathers it.
func (one *sessions) PutSession(ctx context.Context, address string, session []byte) error {
	if steps := gathered(ctx); steps != nil {
		steps.sessions[address] = session
		return nil
	}
	one.stored.forget(address)
	return one.SessionStore.PutSession(ctx, address, session)
}

// PutManySessions stores sessions, or gathers them.
func (one *sessions) PutManySessions(ctx context.Context, all map[string][]byte) error {
	steps := gathered(ctx)
	for address, session := range all {
		if steps != nil {
			steps.sessions[address] = session
		} else {
			one.stored.forget(address)
		}
	}
	if steps != nil {
		return nil
	}
	return one.SessionStore.PutManySessions(ctx, all)
}

// DeleteAllSessions deletes the sessions with a person.
func (one *sessions) DeleteAllSessions(ctx context.Context, person string) error {
	if err := one.settle(ctx); err != nil {
		return err
	}
	defer one.stored.clear()
	return one.SessionStore.DeleteAllSessions(ctx, person)
}

// DeleteSession deletes the session with a device.
func (one *sessions) DeleteSession(ctx context.Context, address string) error {
	if err := one.settle(ctx); err != nil {
		return err
	}
	defer one.stored.clear()
	return one.SessionStore.DeleteSession(ctx, address)
}

// MigratePNToLID moves what is kept of a number to its LID: once, as the library does.
func (one *sessions) MigratePNToLID(ctx context.Context, number, lid types.JID) error {
	if moved, _ := one.moved.get(number.SignalAddressUser()); moved {
		return nil
	}
	if err := one.settle(ctx); err != nil {
		return err
	}
	defer one.stored.clear()
	if stored, ours := one.device.Identities.(*identities); ours {
		defer stored.known.clear()
	}
	err := one.SessionStore.MigratePNToLID(ctx, number, lid)
	if err == nil {
		one.moved.put(number.SignalAddressUser(), true)
	}
	return err
}

// settle stores what was gathered so far: what follows changes the same rows.
func (one *sessions) settle(ctx context.Context) error {
	if steps := gathered(ctx); steps != nil {
		return steps.Store(ctx, one.device)
	}
	return nil
}

// senderKeys gathers steps of sender keys where the context says so.
type senderKeys struct{ store.SenderKeyStore }

// GetSenderKey returns a sender key, nil where there is none.
func (one *senderKeys) GetSenderKey(ctx context.Context, group, sender string) ([]byte, error) {
	if steps := gathered(ctx); steps != nil {
		if key, found := steps.senderKeys[senderKeyName{group, sender}]; found {
			return key, nil
		}
	}
	return one.SenderKeyStore.GetSenderKey(ctx, group, sender)
}

// PutSenderKey stores a sender key, or gathers it.
func (one *senderKeys) PutSenderKey(ctx context.Context, group, sender string, key []byte) error {
	if steps := gathered(ctx); steps != nil {
		steps.senderKeys[senderKeyName{group, sender}] = key
		return nil
	}
	return one.SenderKeyStore.PutSenderKey(ctx, group, sender, key)
}
