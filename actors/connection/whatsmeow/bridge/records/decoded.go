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
func (d *decoded) Serialize(session *record.SessionStructure) []byte {
	encoded := d.SessionSerializer.Serialize(session)
	d.Keep(encoded, session)
	return encoded
}

// Keep has the next Deserialize of these very bytes return a record that was decoded from them.
func (d *decoded) Keep(encoded []byte, session *record.SessionStructure) {
	if len(encoded) == 0 {
		return
	}
	d.lock.Lock()
	defer d.lock.Unlock()
	if len(encoded) > largestDecoded {
		d.large = decodedSession{encoded, session}
		return
	}
	if d.known == nil || len(d.known) >= mostDecoded {
		d.known = map[*byte]decodedSession{}
	}
	d.known[&encoded[0]] = decodedSession{encoded, session}
}

// Deserialize decodes the sessions with a device, where they are not known.
func (d *decoded) Deserialize(encoded []byte) (*record.SessionStructure, error) {
	if found := d.take(encoded); found != nil {
		return found, nil
	}
	return d.SessionSerializer.Deserialize(encoded)
}

func (d *decoded) take(encoded []byte) *record.SessionStructure {
	if len(encoded) == 0 {
		return nil
	}
	d.lock.Lock()
	defer d.lock.Unlock()
	found, large := d.known[&encoded[0]], d.large
	if len(large.bytes) > 0 && &large.bytes[0] == &encoded[0] {
		found, d.large = large, decodedSession{}
	}
	delete(d.known, &encoded[0])
	if len(found.bytes) != len(encoded) {
		return nil
	}
	return found.session
}
