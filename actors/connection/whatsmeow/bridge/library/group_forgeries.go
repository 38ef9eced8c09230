// Authenticates a group message by its signature and gap, before the library spends effort on a forged one.

package library

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/ed25519"
	"crypto/subtle"

	"filippo.io/edwards25519/field"
	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/groups/ratchet"
	groups "go.mau.fi/libsignal/groups/state/record"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/signalerror"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/encoding/protowire"

	"teimoso-whatsmeow/records"
	"teimoso-whatsmeow/vault"
)

// refuseGroupForgeries returns a context in which a message to a group is decrypted only where its member signed it, at most
// mostMissing messages are missing before it, and its key decrypts it; ErrForged for one that is none, whatever the keys are.
//
// The library checks the signature as well, and then derives and keeps all keys of a gap before it decrypts.
func (c *Client) refuseGroupForgeries(
	ctx context.Context, part *waBinary.Node, from, group types.JID,
) (context.Context, error) {
	content, _ := part.Content.([]byte)
	message, err := signedGroupMessageOf(content)
	if err != nil {
		return nil, err
	}
	sender := from.String()
	return vault.Check(ctx, func(ctx context.Context) error {
		encoded, err := c.Store.SenderKeys.GetSenderKey(ctx, group.String(), from.SignalAddress().String())
		if err != nil || len(encoded) == 0 {
			return err
		}
		all, err := records.SenderKeys.Deserialize(encoded)
		if err != nil {
			return nil
		}
		for _, state := range all.SenderKeyStates {
			if state.KeyID == message.KeyID() {
				return c.authenticateGroup(state, message, sender)
			}
		}
		return signalerror.ErrNoSenderKeyStateForID
	}), nil
}

func (c *Client) authenticateGroup(
	state *groups.SenderKeyStateStructure, message *signedGroupMessage, sender string,
) error {
	signer, err := ecc.DecodePoint(state.SigningKeyPublic, 0)
	if err != nil {
		return ErrForged
	}
	if err := message.verify(signer.PublicKey()); err != nil {
		return err
	}
	next, at := ratchet.NewSenderChainKeyFromStruct(state.SenderChainKey), message.Iteration()
	if next.Iteration() > at {
		for _, known := range state.Keys {
			if known.Iteration == at {
				return message.decrypts(ratchet.NewSenderMessageKeyFromStruct(known))
			}
		}
		return signalerror.ErrOldCounter
	}
	missing := at - next.Iteration()
	if missing > mostMissing || int(missing) > c.budgets.allowance(sender) {
		return ErrForged
	}
	c.budgets.charge(sender, int(missing))
	for next.Iteration() < at {
		next = next.Next()
	}
	key, err := next.SenderMessageKey()
	if err != nil {
		return ErrForged
	}
	return message.decrypts(key)
}

// signedGroupMessage is a group message with the bytes that its member signed.
//
// The library encodes a message anew to check its signature, and formats both for its debug log, which is off; of 1 MB that takes
// fifty times as long as the signature.
type signedGroupMessage struct {
	*protocol.SenderKeyMessage
	signed []byte
}

// signedGroupMessageOf decodes a message as the library does, with its ciphertext where it lies in content. It returns ErrForged
// for one that is not encoded as the library encodes it: the library checks the signature of its own encoding.
func signedGroupMessageOf(content []byte) (*signedGroupMessage, error) {
	serializer := store.SignalProtobufSerializer.SenderKeyMessage
	end := len(content) - ed25519.SignatureSize
	structure := groupStructureOf(content, end)
	if structure == nil {
		return nil, ErrForged
	}
	message, err := protocol.NewSenderKeyMessageFromStruct(structure, serializer)
	if err != nil {
		return nil, ErrForged
	}
	return &signedGroupMessage{message, content[:end]}, nil
}

// groupStructureOf returns the parts of a message whose first `end` bytes are as the library encodes them; nil of any other.
func groupStructureOf(content []byte, end int) *protocol.SenderKeyMessageStructure {
	if end < 1 {
		return nil
	}
	found := &protocol.SenderKeyMessageStructure{Version: uint32(content[0] >> 4), Signature: content[end:]}
	bytesFields := map[protowire.Number]*[]byte{3: &found.CipherText}
	numbers := map[protowire.Number]*uint32{1: &found.ID, 2: &found.Iteration}
	if !readFields(content[1:end], bytesFields, numbers) {
		return nil
	}
	head := *found
	head.CipherText, head.Signature = nil, nil
	if !endsWith(content[:end], store.SignalProtobufSerializer.SenderKeyMessage.Serialize(&head), 3, found.CipherText) {
		return nil
	}
	return found
}

// verify returns nil where the owner of a Curve25519 key signed the message (XEdDSA).
//
// The signature is one of Ed25519 under the point with the key's u as (u - 1) / (u + 1) for y; its last bit is the sign of that.
func (s *signedGroupMessage) verify(key [32]byte) error {
	unit := new(field.Element).One()
	u, err := new(field.Element).SetBytes(key[:])
	if err != nil {
		return ErrForged
	}
	y := new(field.Element).Multiply(
		new(field.Element).Subtract(u, unit), new(field.Element).Invert(new(field.Element).Add(u, unit)),
	)
	signature, signer := s.Signature(), y.Bytes()
	last := len(signature) - 1
	signer[31] |= signature[last] & 0x80
	signature[last] &= 0x7F
	if !ed25519.Verify(signer, s.signed, signature[:]) {
		return ErrForged
	}
	return nil
}

// decrypts returns nil where a key decrypts the message. Its padding is all that tells, which is in the last block: the library
// looks at one byte of it.
func (s *signedGroupMessage) decrypts(key *ratchet.SenderMessageKey) error {
	sealed := s.Ciphertext()
	start := len(sealed) - aes.BlockSize
	if start < 0 || start%aes.BlockSize != 0 {
		return ErrForged
	}
	block, err := aes.NewCipher(key.CipherKey())
	if err != nil {
		return ErrForged
	}
	before := key.Iv()
	if start > 0 {
		before = sealed[start-aes.BlockSize : start]
	}
	plain := make([]byte, aes.BlockSize)
	block.Decrypt(plain, sealed[start:])
	subtle.XORBytes(plain, plain, before)
	size := int(plain[aes.BlockSize-1])
	if size < 1 || !bytes.HasSuffix(plain, bytes.Repeat([]byte{byte(size)}, size)) {
		return ErrForged
	}
	return nil
}
