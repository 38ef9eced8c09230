package engine

import (
	"context"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
	"teimoso-whatsmeow/pipe"
)

// tellPhone sends a message to the account's own phone under an id of its own; it returns the id once the server
// has it.
func (one *login) tellPhone(ctx context.Context, message *waE2E.Message) (string, error) {
	return one.tellPhoneAs(ctx, one.client.GenerateMessageID(), message)
}

func (one *login) tellPhoneAs(ctx context.Context, id string, message *waE2E.Message) (string, error) {
	phone := one.client.Store.GetJID().ToNonAD()
	mail := &letter{id: id, to: phone, within: ackWithin}
	answer, err := one.leave(mail, func() (*waBinary.Node, error) {
		node, err := one.client.PeerStanza(ctx, phone, mail.id, message)
		if err == nil {
			return node, nil
		}
		// Without a session with the phone the library gives up: fetch its prekeys, then try once more.
		if err := one.meet(ctx, phone); err != nil {
			return nil, err
		}
		node, err = one.client.PeerStanza(ctx, phone, mail.id, message)
		return node, unsent(err)
	})
	if err != nil {
		return "", err
	}
	ack, err := one.acknowledged(answer, mail.within)
	if err != nil {
		return "", err
	}
	if code := number(ack.Attrs["error"]); code != 0 {
		return "", &pipe.Refusal{Code: "refused", Number: code}
	}
	return mail.id, nil
}

// meet begins a session with a device. The turn of the ratchet is held.
func (one *login) meet(ctx context.Context, device types.JID) error {
	known := device
	if lid, err := one.client.Store.LIDs.GetLIDForPN(ctx, device); err == nil && !lid.IsEmpty() {
		known = lid
	}
	bundle := one.client.Bundles(ctx, []types.JID{known})[known]
	if bundle == nil {
		return &pipe.Refusal{Code: "no_session"}
	}
	return one.client.BeginSession(ctx, known, bundle)
}

// requestResend asks the phone for a message that came without its content; it comes as `resent`.
func (one *login) requestResend(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Sender    string `json:"sender"`
		MessageID string `json:"message_id"`
	}
	chat, err := chatOf(request)
	if err != nil {
		return nil, err
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	sender, err := address(wanted.Sender)
	if err != nil {
		return nil, err
	}
	id, err := one.tellPhone(one.engine.ctx, one.client.BuildUnavailableMessageRequest(chat, sender, wanted.MessageID))
	if err != nil {
		return nil, err
	}
	return pipe.Fields{"request_id": id}, nil
}

// peerRequest sends a message of the actor's to the account's own phone, under the actor's id.
func (one *login) peerRequest(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		MessageID string `json:"message_id"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	var message waE2E.Message
	if proto.Unmarshal(request.Raw, &message) != nil || wanted.MessageID == "" {
		return nil, &pipe.Refusal{Code: "bad_message", Permanent: true}
	}
	_, err := one.tellPhoneAs(one.engine.ctx, wanted.MessageID, &message)
	return nil, err
}
