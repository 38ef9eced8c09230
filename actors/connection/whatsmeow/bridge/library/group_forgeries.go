// Authenticates a group message by its signature and gap, before the library spends effort on a forged one.

package library

import (
	"bytes"
	"context"
	"crypto/aes"
	"slices"

	"go.mau.fi/libsignal/cipher"
	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/groups/ratchet"
	groups "go.mau.fi/libsignal/groups/state/record"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/signalerror"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"

	"teimoso-whatsmeow/records"
	"teimoso-whatsmeow/vault"
)

// refuseGroupForgeries returns a context in which a message to a group is decrypted only where its member signed it, at most
// mostMissing messages are missing before it, and its key decrypts it.
//
// The library checks the signature as well, and then derives and keeps all keys of a gap before it decrypts.
func (client *Client) refuseGroupForgeries(
	ctx context.Context, part *waBinary.Node, from, group types.JID,
) context.Context {
	content, _ := part.Content.([]byte)
	message, err := protocol.NewSenderKeyMessageFromBytes(content, store.SignalProtobufSerializer.SenderKeyMessage)
	if err != nil {
		return ctx // the library's to refuse
	}
	sender := from.String()
	return vault.Check(ctx, func(ctx context.Context) error {
		encoded, err := client.Store.SenderKeys.GetSenderKey(ctx, group.String(), from.SignalAddress().String())
		if err != nil || len(encoded) == 0 {
			return err
		}
		all, err := records.SenderKeys.Deserialize(encoded)
		if err != nil {
			return nil
		}
		for _, state := range all.SenderKeyStates {
			if state.KeyID == message.KeyID() {
				return client.authenticateGroup(state, message, sender)
			}
		}
		return signalerror.ErrNoSenderKeyStateForID
	})
}

func (client *Client) authenticateGroup(
	state *groups.SenderKeyStateStructure, message *protocol.SenderKeyMessage, sender string,
) error {
	signer, err := ecc.DecodePoint(state.SigningKeyPublic, 0)
	if err != nil || !ecc.VerifySignature(signer, message.Serialize(), message.Signature()) {
		return ErrForged
	}
	next, at := ratchet.NewSenderChainKeyFromStruct(state.SenderChainKey), message.Iteration()
	if next.Iteration() > at {
		for _, known := range state.Keys {
			if known.Iteration == at {
				return decrypts(ratchet.NewSenderMessageKeyFromStruct(known), message)
			}
		}
		return signalerror.ErrOldCounter
	}
	missing := at - next.Iteration()
	if missing > mostMissing || int(missing) > client.budgets.allowance(sender) {
		return ErrForged
	}
	client.budgets.charge(sender, int(missing))
	for next.Iteration() < at {
		next = next.Next()
	}
	key, err := next.SenderMessageKey()
	if err != nil {
		return ErrForged
	}
	return decrypts(key, message)
}

// decrypts returns nil where a key decrypts a message. Its padding is all that tells: the library looks at one byte of it.
func decrypts(key *ratchet.SenderMessageKey, message *protocol.SenderKeyMessage) error {
	content := slices.Clone(message.Ciphertext()) // is decrypted in place
	if len(content)%aes.BlockSize != 0 {
		return ErrForged
	}
	plain, err := cipher.DecryptCbc(key.Iv(), key.CipherKey(), content)
	if err != nil {
		return ErrForged
	}
	padding := content[len(plain):]
	if len(padding) == 0 || len(padding) > aes.BlockSize ||
		!bytes.Equal(padding, bytes.Repeat(padding[:1], int(padding[0]))) {
		return ErrForged
	}
	return nil
}
