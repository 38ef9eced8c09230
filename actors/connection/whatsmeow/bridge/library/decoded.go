package library

import (
	"sync"

	"go.mau.fi/libsignal/state/record"
	"go.mau.fi/whatsmeow/store"
)

// mostDecoded is how many sessions are kept decoded; then all are forgotten, and decoded again.
const mostDecoded = 256

// decoded keeps sessions decoded that were encoded: the next message of a chat reads the very bytes that the one before
// it wrote, and decoding their JSON costs more than the message's own encryption.
//
// A session is handed out once, since its next step is encoded anew. The bytes are named by where they are, and are kept
// with it, so that nothing else can be there.
type decoded struct {
	record.SessionSerializer
	lock  sync.Mutex
	known map[*byte]decodedSession
}

type decodedSession struct {
	bytes   []byte
	session *record.SessionStructure
}

var sessions = &decoded{SessionSerializer: store.SignalProtobufSerializer.Session}

func init() { store.SignalProtobufSerializer.Session = sessions }

// Serialize encodes a session, with no more keys of messages that were passed over than mostKept.
func (all *decoded) Serialize(session *record.SessionStructure) []byte {
	bound(session, mostKept)
	encoded := all.SessionSerializer.Serialize(session)
	all.keep(encoded, session)
	return encoded
}

func (all *decoded) keep(encoded []byte, session *record.SessionStructure) {
	if len(encoded) == 0 {
		return
	}
	all.lock.Lock()
	defer all.lock.Unlock()
	if all.known == nil || len(all.known) >= mostDecoded {
		all.known = map[*byte]decodedSession{}
	}
	all.known[&encoded[0]] = decodedSession{encoded, session}
}

// look decodes a session for a reader that changes nothing of it; the next Deserialize of these bytes hands it out.
func (all *decoded) look(encoded []byte) (*record.SessionStructure, error) {
	session, err := all.Deserialize(encoded)
	if err == nil {
		all.keep(encoded, session)
	}
	return session, err
}

// Deserialize decodes a session, where it is not known.
func (all *decoded) Deserialize(encoded []byte) (*record.SessionStructure, error) {
	if found := all.take(encoded); found != nil {
		return found, nil
	}
	return all.SessionSerializer.Deserialize(encoded)
}

func (all *decoded) take(encoded []byte) *record.SessionStructure {
	if len(encoded) == 0 {
		return nil
	}
	all.lock.Lock()
	defer all.lock.Unlock()
	found := all.known[&encoded[0]]
	delete(all.known, &encoded[0])
	if len(found.bytes) != len(encoded) {
		return nil
	}
	return found.session
}
