// Authenticates a group message by its signature and gap, before the library spends effort on a forged one.

package library

import (
	"context"
	"errors"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/groups/ratchet"
	groups "go.mau.fi/libsignal/groups/state/record"
	"go.mau.fi/libsignal/signalerror"
	waBinary "go.mau.fi/whatsmeow/binary"
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
	message, err := signedGroupMessageOf(content)
	if errors.Is(err, ErrForged) {
		return vault.Check(ctx, func(context.Context) error { return err })
	}
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
	return message.decrypts(key)
}
