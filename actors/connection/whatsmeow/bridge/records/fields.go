// Declares the fields of sessions and sender keys, in the order of their compact encoding.

package records

import (
	"go.mau.fi/libsignal/groups/ratchet"
	groups "go.mau.fi/libsignal/groups/state/record"
	"go.mau.fi/libsignal/keys/chain"
	"go.mau.fi/libsignal/keys/message"
	"go.mau.fi/libsignal/state/record"
	"go.mau.fi/libsignal/util/optional"
)

func sessions(at *cursor, all *record.SessionStructure) {
	one(at, &all.SessionState, nil, session)
	list(at, &all.PreviousStates, session)
}

func session(at *cursor, state *record.StateStructure) {
	version := uint32(state.SessionVersion)
	at.number(&version)
	state.SessionVersion = int(version)
	at.blob(&state.LocalIdentityPublic)
	at.number(&state.LocalRegistrationID)
	at.flag(&state.NeedsRefresh)
	one(at, &state.PendingKeyExchange, nil, pendingKeyExchange)
	one(at, &state.PendingPreKey, nil, pendingPreKey)
	at.number(&state.PreviousCounter)
	list(at, &state.ReceiverChains, messageChain)
	at.blob(&state.RemoteIdentityPublic)
	at.number(&state.RemoteRegistrationID)
	at.blob(&state.RootKey)
	at.blob(&state.SenderBaseKey)
	one(at, &state.SenderChain, nil, messageChain)
}

func pendingKeyExchange(at *cursor, pending *record.PendingKeyExchangeStructure) {
	at.number(&pending.Sequence)
	at.blob(&pending.LocalBaseKeyPublic)
	at.blob(&pending.LocalBaseKeyPrivate)
	at.blob(&pending.LocalRatchetKeyPublic)
	at.blob(&pending.LocalRatchetKeyPrivate)
	at.blob(&pending.LocalIdentityKeyPublic)
	at.blob(&pending.LocalIdentityKeyPrivate)
}

func pendingPreKey(at *cursor, pending *record.PendingPreKeyStructure) {
	one(at, &pending.PreKeyID, nil, func(at *cursor, id *optional.Uint32) {
		at.number(&id.Value)
		at.flag(&id.IsEmpty)
	})
	at.number(&pending.SignedPreKeyID)
	at.blob(&pending.BaseKey)
}

func messageChain(at *cursor, known *record.ChainStructure) {
	at.blob(&known.SenderRatchetKeyPublic)
	at.blob(&known.SenderRatchetKeyPrivate)
	one(at, &known.ChainKey, nil, func(at *cursor, key *chain.KeyStructure) {
		at.blob(&key.Key)
		at.number(&key.Index)
	})
	list(at, &known.MessageKeys, func(at *cursor, keys *message.KeysStructure) {
		at.blob(&keys.CipherKey)
		at.blob(&keys.MacKey)
		at.blob(&keys.IV)
		at.number(&keys.Index)
	})
}

func senderKeys(at *cursor, all *groups.SenderKeyStructure) {
	list(at, &all.SenderKeyStates, func(at *cursor, state *groups.SenderKeyStateStructure) {
		at.number(&state.KeyID)
		list(at, &state.Keys, func(at *cursor, key *ratchet.SenderMessageKeyStructure) {
			at.number(&key.Iteration)
			at.blob(&key.IV)
			at.blob(&key.CipherKey)
			at.blob(&key.Seed)
		})
		one(at, &state.SenderChainKey, nil, func(at *cursor, key *ratchet.SenderChainKeyStructure) {
			at.number(&key.Iteration)
			at.blob(&key.ChainKey)
		})
		at.blob(&state.SigningKeyPrivate)
		at.blob(&state.SigningKeyPublic)
	})
}
