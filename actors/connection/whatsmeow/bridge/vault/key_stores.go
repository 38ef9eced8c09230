// Stores Signal sessions, sender keys and plaintexts in the key database, or gathers them for a shared transaction.

package vault

import (
	"context"
	"maps"
	"time"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
)

// sessions gathers steps of sessions where the context says so.
//
// It remembers those that were gathered last, for the next message to the same person. Any other write of a session
// forgets it, since the transaction of a decryption may be rolled back.
type sessions struct {
	store.SessionStore
	device  *store.Device
	ratchet *Ratchet
	stored  remembered[[]byte]
	moved   remembered[bool]
}

// next returns the session from which a step goes on, nil where there is none, as far as it is in memory.
func (s *sessions) next(ctx context.Context, address string) (session []byte, found bool) {
	if session, found = gathered(ctx).session(address); found {
		return session, true
	}
	return s.stored.get(address)
}

// GetSession returns a session, nil where there is none.
//
// It remembers one that it reads while steps are gathered: no transaction that may be rolled back has written it.
func (s *sessions) GetSession(ctx context.Context, address string) ([]byte, error) {
	departureOf(ctx).begin()
	if session, found := s.next(ctx, address); found {
		return session, nil
	}
	read := func() ([]byte, error) { return s.SessionStore.GetSession(ctx, address) }
	if gathered(ctx) == nil {
		return read()
	}
	return s.stored.read(address, read)
}

// HasSession returns whether there is a session.
func (s *sessions) HasSession(ctx context.Context, address string) (bool, error) {
	if session, found := s.next(ctx, address); found {
		return session != nil, nil
	}
	return s.SessionStore.HasSession(ctx, address)
}

// GetManySessions returns a session for each address, nil where there is none; of a message that departs those alone that there are.
func (s *sessions) GetManySessions(ctx context.Context, addresses []string) (map[string][]byte, error) {
	if d := departureOf(ctx); d != nil {
		d.begin()
		found, err := s.SessionStore.GetManySessions(ctx, addresses)
		maps.DeleteFunc(found, func(_ string, session []byte) bool { return session == nil })
		return found, err
	}
	if gathered(ctx) == nil {
		return s.SessionStore.GetManySessions(ctx, addresses)
	}
	found, others := make(map[string][]byte, len(addresses)), make([]string, 0, len(addresses))
	for _, address := range addresses {
		if session, has := s.next(ctx, address); has {
			found[address] = session
		} else {
			others = append(others, address)
		}
	}
	if len(others) == 0 {
		return found, nil
	}
	stored, err := s.SessionStore.GetManySessions(ctx, others)
	for address, session := range stored {
		found[address] = session
	}
	return found, err
}

// PutSession stores a session, or gathers it.
func (s *sessions) PutSession(ctx context.Context, address string, session []byte) error {
	if steps := gathered(ctx); steps != nil {
		steps.sessions[address] = session
		return nil
	}
	defer departureOf(ctx).end()
	s.stored.forget(address)
	return s.SessionStore.PutSession(ctx, address, session)
}

// PutManySessions stores sessions, or gathers them.
func (s *sessions) PutManySessions(ctx context.Context, all map[string][]byte) error {
	steps := gathered(ctx)
	for address, session := range all {
		if steps != nil {
			steps.sessions[address] = session
		} else {
			s.stored.forget(address)
		}
	}
	if steps != nil {
		return nil
	}
	defer departureOf(ctx).end()
	return s.SessionStore.PutManySessions(ctx, all)
}

// DeleteAllSessions deletes the sessions with a person, in a turn of its own: the library does beside all else, as it is notified.
func (s *sessions) DeleteAllSessions(ctx context.Context, person string) error {
	defer s.ratchet.Take()()
	defer s.stored.clear()
	return s.SessionStore.DeleteAllSessions(ctx, person)
}

// DeleteSession deletes the session with a device.
func (s *sessions) DeleteSession(ctx context.Context, address string) error {
	if err := s.settle(ctx); err != nil {
		return err
	}
	defer s.stored.clear()
	return s.SessionStore.DeleteSession(ctx, address)
}

// MigratePNToLID moves what is kept of a number to its LID: once, as the library does.
func (s *sessions) MigratePNToLID(ctx context.Context, number, lid types.JID) error {
	if moved, _ := s.moved.get(number.SignalAddressUser()); moved {
		return nil
	}
	departureOf(ctx).begin()
	if err := s.settle(ctx); err != nil {
		return err
	}
	defer s.stored.clear()
	if stored, ours := s.device.Identities.(*identities); ours {
		defer stored.known.clear()
	}
	err := s.SessionStore.MigratePNToLID(ctx, number, lid)
	if err == nil {
		s.moved.put(number.SignalAddressUser(), true)
	}
	return err
}

// settle stores what was gathered so far: later steps change the same rows.
func (s *sessions) settle(ctx context.Context) error {
	steps := gathered(ctx)
	switch {
	case steps == nil:
		return nil
	case steps.rest != nil:
		return errAlone
	default:
		return steps.Store(ctx, s.device)
	}
}

// senderKeys gathers steps of sender keys where the context says so.
type senderKeys struct{ store.SenderKeyStore }

// GetSenderKey returns a sender key, nil where there is none.
func (s *senderKeys) GetSenderKey(ctx context.Context, group, sender string) ([]byte, error) {
	if key, found := gathered(ctx).senderKey(senderKeyName{group, sender}); found {
		return key, nil
	}
	return s.SenderKeyStore.GetSenderKey(ctx, group, sender)
}

// PutSenderKey stores a sender key, or gathers it. It returns ErrRenewed as Depart says.
func (s *senderKeys) PutSenderKey(ctx context.Context, group, sender string, key []byte) error {
	if steps := gathered(ctx); steps != nil {
		steps.senderKeys[senderKeyName{group, sender}] = key
		return nil
	}
	if d := departureOf(ctx); d != nil {
		renewals := &d.ratchet.renewals
		renewals.lock.Lock()
		defer renewals.lock.Unlock()
		if d.renewals != renewals.count {
			return ErrRenewed
		}
	}
	return s.SenderKeyStore.PutSenderKey(ctx, group, sender, key)
}

// plaintexts gathers what is decrypted where the context says so.
type plaintexts struct{ store.EventBuffer }

// GetBufferedEvent returns the plaintext of a message that came before, nil for another one.
func (p *plaintexts) GetBufferedEvent(ctx context.Context, hash [32]byte) (*store.BufferedEvent, error) {
	for steps := gathered(ctx); steps != nil; steps = steps.rest {
		if found, has := steps.plaintexts[hash]; has {
			return &store.BufferedEvent{Plaintext: found.content, ServerTime: found.sent}, nil
		}
	}
	return p.EventBuffer.GetBufferedEvent(ctx, hash)
}

// PutBufferedEvent stores a plaintext, or gathers it.
func (p *plaintexts) PutBufferedEvent(ctx context.Context, hash [32]byte, content []byte, sent time.Time) error {
	if steps := gathered(ctx); steps != nil {
		steps.plaintexts[hash] = plaintext{content, sent}
		return nil
	}
	return p.EventBuffer.PutBufferedEvent(ctx, hash, content, sent)
}

// DoDecryptionTxn has what a decryption changes in one transaction, or gathers it; nothing of it where that fails, or where
// its check does.
func (p *plaintexts) DoDecryptionTxn(ctx context.Context, decrypt func(context.Context) error) error {
	ctx, err := Checked(ctx)
	if err != nil {
		return err
	}
	steps := gathered(ctx)
	if steps == nil {
		return p.EventBuffer.DoDecryptionTxn(ctx, decrypt)
	}
	ctx, own := gather(ctx, steps)
	if err := decrypt(ctx); err != nil {
		return err
	}
	maps.Copy(steps.sessions, own.sessions)
	maps.Copy(steps.senderKeys, own.senderKeys)
	maps.Copy(steps.plaintexts, own.plaintexts)
	return nil
}
