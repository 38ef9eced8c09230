// Package records encodes Signal sessions and sender keys for the key database, compactly and within bounds.
//
// A peer can build up a record of 41 sessions and of as many keys as are kept, and each message that it forges may have that
// decoded. The library's form is JSON, where this takes some ten times as long; it is not decoded here.
package records

import (
	groups "go.mau.fi/libsignal/groups/state/record"
	"go.mau.fi/libsignal/state/record"
	"go.mau.fi/whatsmeow/store"
)

// MostKept is how many keys of messages that were passed over are kept of all sessions with a device, and of its sender keys
// in a group.
const MostKept = 2000

const (
	// form is the first byte of a record.
	form = 1
	// ordinary is the room that most records need, in bytes.
	ordinary = 1 << 10
)

// Sessions has the records of sessions. The library uses it, and no others.
var Sessions = &decoded{SessionSerializer: compactSessions{}}

// SenderKeys has the records of sender keys. The library uses it, and no others.
var SenderKeys groups.SenderKeySerializer = compactKeys{}

func init() {
	store.SignalProtobufSerializer.Session = Sessions
	store.SignalProtobufSerializer.SenderKeyRecord = SenderKeys
}

type compactSessions struct{}

// Serialize encodes the sessions with a device, with no more keys than MostKept.
func (compactSessions) Serialize(all *record.SessionStructure) []byte {
	boundSessions(all)
	return encode(all, sessions)
}

// Deserialize decodes the sessions with a device.
func (compactSessions) Deserialize(encoded []byte) (*record.SessionStructure, error) {
	return decode(encoded, sessions)
}

type compactKeys struct{}

// Serialize encodes the sender keys of a device in a group, with no more keys of messages than MostKept.
func (compactKeys) Serialize(all *groups.SenderKeyStructure) []byte {
	boundKeys(all)
	return encode(all, senderKeys)
}

// Deserialize decodes the sender keys of a device in a group.
func (compactKeys) Deserialize(encoded []byte) (*groups.SenderKeyStructure, error) {
	return decode(encoded, senderKeys)
}

func encode[Structure any](all *Structure, fields func(*cursor, *Structure)) []byte {
	at := &cursor{bytes: append(make([]byte, 0, ordinary), form)}
	fields(at, all)
	return at.bytes
}

func decode[Structure any](encoded []byte, fields func(*cursor, *Structure)) (*Structure, error) {
	if len(encoded) == 0 || encoded[0] != form {
		return nil, errDamaged
	}
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
