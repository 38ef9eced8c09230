// Package records encodes Signal sessions and sender keys for the key database, compactly and within bounds.
//
// A peer can build up a record of 41 sessions and of as many keys as are kept, and each message that it forges may have that
// decoded. The library's form is JSON, where this takes some ten times as long; the vault encodes that anew as it is opened.
package records

import (
	groups "go.mau.fi/libsignal/groups/state/record"
	"go.mau.fi/libsignal/state/record"
	"go.mau.fi/whatsmeow/store"
)

// MostKept is how many keys of messages that were passed over are kept of all sessions with a device, and of its sender keys
// in a group.
const MostKept = 1000

const (
	// form is the first byte of a record; one of the library's JSON is a brace.
	form = 1
	// ordinary is the room that most records need, in bytes.
	ordinary = 1 << 10
)

// Sessions has the records of sessions. The library uses it, and no others.
var Sessions = &decoded{SessionSerializer: compactSessions{store.SignalProtobufSerializer.Session}}

// SenderKeys has the records of sender keys. The library uses it, and no others.
var SenderKeys groups.SenderKeySerializer = compactKeys{store.SignalProtobufSerializer.SenderKeyRecord}

func init() {
	store.SignalProtobufSerializer.Session = Sessions
	store.SignalProtobufSerializer.SenderKeyRecord = SenderKeys
}

// IsCompact returns whether a record has the form of this package, and not the library's.
func IsCompact(encoded []byte) bool { return len(encoded) > 0 && encoded[0] == form }

type compactSessions struct{ library record.SessionSerializer }

// Serialize encodes the sessions with a device, with no more keys than MostKept.
func (compactSessions) Serialize(all *record.SessionStructure) []byte {
	boundSessions(all)
	return encode(all, sessions)
}

// Deserialize decodes the sessions with a device, of either form.
func (one compactSessions) Deserialize(encoded []byte) (*record.SessionStructure, error) {
	if !IsCompact(encoded) {
		return one.library.Deserialize(encoded)
	}
	return decode(encoded, sessions)
}

type compactKeys struct{ library groups.SenderKeySerializer }

// Serialize encodes the sender keys of a device in a group, with no more keys of messages than MostKept.
func (compactKeys) Serialize(all *groups.SenderKeyStructure) []byte {
	boundKeys(all)
	return encode(all, senderKeys)
}

// Deserialize decodes the sender keys of a device in a group, of either form.
func (one compactKeys) Deserialize(encoded []byte) (*groups.SenderKeyStructure, error) {
	if !IsCompact(encoded) {
		return one.library.Deserialize(encoded)
	}
	return decode(encoded, senderKeys)
}

func encode[Structure any](all *Structure, fields func(*cursor, *Structure)) []byte {
	at := &cursor{bytes: append(make([]byte, 0, ordinary), form)}
	fields(at, all)
	return at.bytes
}

func decode[Structure any](encoded []byte, fields func(*cursor, *Structure)) (*Structure, error) {
	at, all := &cursor{bytes: encoded[1:], decodes: true}, new(Structure)
	fields(at, all)
	if at.err == nil && len(at.bytes) > 0 {
		at.fail()
	}
	if at.err != nil {
		return nil, at.err
	}
	return all, nil
}

// boundSessions drops keys of messages that were passed over: those of the session that was used longest ago go first, the
// oldest of each.
func boundSessions(all *record.SessionStructure) {
	most := MostKept
	for _, state := range append([]*record.StateStructure{all.SessionState}, all.PreviousStates...) {
		if state == nil {
			continue
		}
		for place := len(state.ReceiverChains) - 1; place >= 0; place-- { // the newest chain is the last one
			known := state.ReceiverChains[place]
			known.MessageKeys = newest(known.MessageKeys, &most)
		}
	}
}

// boundKeys does the same for sender keys, the newest of which is the first one.
func boundKeys(all *groups.SenderKeyStructure) {
	most := MostKept
	for _, state := range all.SenderKeyStates {
		state.Keys = newest(state.Keys, &most)
	}
}

func newest[Key any](all []Key, most *int) []Key {
	left := min(*most, len(all))
	*most -= left
	return all[len(all)-left:]
}
