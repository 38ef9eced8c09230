// Sends peer messages from this device to the account's own phone.

package sending

import (
	"context"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"

	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
)

// TellPhone sends a message to the account's own phone under an id of its own; it returns the id once the server has it.
func (one *Sender) TellPhone(ctx context.Context, message *waE2E.Message) (string, error) {
	id := one.Client.GenerateMessageID()
	return id, one.TellPhoneAs(ctx, id, message)
}

// TellPhoneAs is TellPhone under the caller's id.
func (one *Sender) TellPhoneAs(ctx context.Context, id string, message *waE2E.Message) error {
	phone := one.Client.Store.GetJID().ToNonAD()
	mail := &letter{id: id, to: phone, within: ackWithin}
	answer, err := one.leave(mail, func(ctx context.Context) (*waBinary.Node, error) {
		node, err := one.Client.PeerStanza(ctx, phone, mail.id, message)
		if err == nil {
			return node, nil
		}
		// Without a session with the phone the library gives up: fetch its prekeys, then try once more.
		if err := one.meet(ctx, phone); err != nil {
			return nil, err
		}
		node, err = one.Client.PeerStanza(ctx, phone, mail.id, message)
		return node, outcome.Before(err)
	})
	if err != nil {
		return err
	}
	ack, err := one.acknowledged(answer, mail.within)
	if err != nil {
		return err
	}
	if code := outcome.Number(ack.Attrs["error"]); code != 0 {
		return outcome.Refused(code)
	}
	return nil
}

// meet begins a session with a device. The turn of the ratchet is held.
func (one *Sender) meet(ctx context.Context, device types.JID) error {
	known := device
	if lid, err := one.Client.Store.LIDs.GetLIDForPN(ctx, device); err == nil && !lid.IsEmpty() {
		known = lid
	}
	bundle := one.Client.Bundles(ctx, []types.JID{known})[known]
	if bundle == nil {
		return &pipe.Refusal{Code: "no_session"}
	}
	return one.Client.BeginSession(ctx, known, bundle)
}
