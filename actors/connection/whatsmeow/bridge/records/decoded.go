// Caches decoded Signal sessions in memory, so that the next message of a chat need not decode them again.

package records

import (
	"sync"

	"go.mau.fi/libsignal/state/record"
)

const (
	// mostDecoded is how many records are kept decoded; then all are forgotten, and decoded again.
	mostDecoded = 256
	// largestDecoded is the largest of these, in bytes; of larger ones, which a peer can make, the last one is kept.
	largestDecoded = 32 << 10
)

// decoded keeps sessions decoded that were encoded: the next message of a chat reads the very bytes that the one before
// it wrote.
//
// A record is handed out once, since its next step is encoded anew. The bytes are named by where they are, and are kept
// with it, so that nothing else can be there.
type decoded struct {
	record.SessionSerializer
	lock  sync.Mutex
	known map[*byte]decodedSession
	large decodedSession
}

type decodedSession struct {
	bytes   []byte
	session *record.SessionStructure
}

// Serialize encodes the sessions with a device.
func (all *decoded) Serialize(session *record.SessionStructure) []byte {
	encoded := all.SessionSerializer.Serialize(session)
	all.Keep(encoded, session)
	return encoded
}

// Keep has the next Deserialize of these very bytes return a record that was decoded from them.
func (all *decoded) Keep(encoded []byte, session *record.SessionStructure) {
	if len(encoded) == 0 {
		return
	}
	all.lock.Lock()
	defer all.lock.Unlock()
	if len(encoded) > largestDecoded {
		all.large = decodedSession{encoded, session}
		return
	}
	if all.known == nil || len(all.known) >= mostDecoded {
		all.known = map[*byte]decodedSession{}
	}
	all.known[&encoded[0]] = decodedSession{encoded, session}
}

// Deserialize decodes the sessions with a device, where they are not known.
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
	found, large := all.known[&encoded[0]], all.large
	if len(large.bytes) > 0 && &large.bytes[0] == &encoded[0] {
		found, all.large = large, decodedSession{}
	}
	delete(all.known, &encoded[0])
	if len(found.bytes) != len(encoded) {
		return nil
	}
	return found.session
}
