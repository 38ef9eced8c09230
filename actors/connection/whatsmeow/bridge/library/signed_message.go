// Decodes a direct message where its bytes lie, and checks the MAC over them.

package library

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/state/record"
	"go.mau.fi/whatsmeow/store"
	"google.golang.org/protobuf/encoding/protowire"
)

// signedMessage is a direct message with the bytes that its MAC is over.
//
// The library copies a message five times before it knows that it is forged; of 1 MB that takes several times as long as the MAC.
type signedMessage struct {
	*protocol.SignalMessage
	signed, mac []byte
}

// signedMessageOf decodes a message as the library does, with its ciphertext where it lies in content. It returns ErrForged for
// one that is not encoded as the library encodes it: the library takes the MAC of its own encoding, which then has another one.
func signedMessageOf(content []byte) (*signedMessage, error) {
	serializer := store.SignalProtobufSerializer.SignalMessage
	end := len(content) - protocol.MacLength
	structure := structureOf(content, end)
	if structure == nil {
		return nil, ErrForged
	}
	message, err := protocol.NewSignalMessageFromStruct(structure, serializer)
	if err != nil {
		return nil, ErrForged
	}
	return &signedMessage{message, content[:end], content[end:]}, nil
}

// structureOf returns the parts of a message whose first `end` bytes are as the library encodes them; nil of any other.
func structureOf(content []byte, end int) *protocol.SignalMessageStructure {
	if end < 1 {
		return nil
	}
	found := &protocol.SignalMessageStructure{Version: int(content[0] >> 4), Mac: content[end:]}
	bytesFields := map[protowire.Number]*[]byte{1: &found.RatchetKey, 4: &found.CipherText}
	numbers := map[protowire.Number]*uint32{2: &found.Counter, 3: &found.PreviousCounter}
	if !readFields(content[1:end], bytesFields, numbers) {
		return nil
	}
	head := *found
	head.CipherText, head.Mac = nil, nil
	if !endsWith(content[:end], store.SignalProtobufSerializer.SignalMessage.Serialize(&head), 4, found.CipherText) {
		return nil
	}
	return found
}

// readFields sets the fields of an encoded message, slices where they lie in content; false where it is broken, has another one or
// one twice.
func readFields(content []byte, bytesFields map[protowire.Number]*[]byte, numbers map[protowire.Number]*uint32) bool {
	for left := len(bytesFields) + len(numbers); len(content) > 0; left-- {
		if left == 0 {
			return false
		}
		number, kind, size := protowire.ConsumeTag(content)
		if size < 0 {
			return false
		}
		content = content[size:]
		if field, ok := bytesFields[number]; ok && kind == protowire.BytesType {
			*field, size = protowire.ConsumeBytes(content)
		} else if field, ok := numbers[number]; ok && kind == protowire.VarintType {
			var value uint64
			value, size = protowire.ConsumeVarint(content)
			*field = uint32(value)
		} else {
			return false
		}
		if size < 0 {
			return false
		}
		content = content[size:]
	}
	return true
}

// endsWith returns whether content is head and then the ciphertext, as the field of this number.
func endsWith(content, head []byte, number protowire.Number, ciphertext []byte) bool {
	head = protowire.AppendTag(head, number, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(len(ciphertext)))
	return ciphertext != nil && len(head)+len(ciphertext) == len(content) && bytes.HasPrefix(content, head)
}

// mostFields is how many fields a message that begins a session has at most, unknown ones included: libsignal's have seven.
const mostFields = 32

// envelopeOf decodes a message that begins a session as the library does, with the message in it where it lies in content. It
// returns ErrForged for one that the library does not decode, or of more than mostFields.
func envelopeOf(content []byte) (*protocol.PreKeySignalMessageStructure, error) {
	serializer := store.SignalProtobufSerializer.PreKeySignalMessage
	var message []byte
	head := content[:min(1, len(content))]
	head = head[:len(head):len(head)]
	left := mostFields
	for rest := content[len(head):]; len(rest) > 0; left-- {
		number, kind, size := protowire.ConsumeField(rest)
		if size < 0 || left == 0 {
			return nil, ErrForged
		}
		switch {
		case number == 4 && kind == protowire.BytesType:
			_, _, tag := protowire.ConsumeTag(rest)
			message, _ = protowire.ConsumeBytes(rest[tag:])
		case number <= 6: // the others are unknown
			head = append(head, rest[:size]...)
		}
		rest = rest[size:]
	}
	found, err := serializer.Deserialize(head)
	if err != nil {
		return nil, ErrForged
	}
	found.Message = message
	return found, nil
}

// verify returns nil where the message has this MAC key on a session.
func (s *signedMessage) verify(state *record.StateStructure, key []byte) error {
	mac := hmac.New(sha256.New, key)
	for _, public := range [][]byte{state.RemoteIdentityPublic, state.LocalIdentityPublic} {
		point, err := ecc.DecodePoint(public, 0)
		if err != nil {
			return ErrForged
		}
		mac.Write(point.Serialize())
	}
	mac.Write(s.signed)
	if !hmac.Equal(mac.Sum(nil)[:protocol.MacLength], s.mac) {
		return ErrForged
	}
	return nil
}
