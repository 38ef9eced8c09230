// Delivers a decrypted message's content to the connection's actor, and stores keys that it carries in the key database.

package engine

import (
	"context"

	"go.mau.fi/whatsmeow/appstate"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"

	"teimoso-whatsmeow/headers"
	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
)

// content stores what the library needs of a message, and delivers what the actor needs of it.
//
// The functions that it returns send further receipts once all is stored. An error is the database's.
func (l *login) content(
	node *waBinary.Node, info *types.MessageInfo, part *waBinary.Node, message *waE2E.Message, plaintext []byte,
) (deliveries []<-chan pipe.Answer, receipts []func(), err error) {
	ctx := l.engine.ctx
	inner := message
	if copied := message.GetDeviceSentMessage().GetMessage(); copied != nil {
		inner = copied
	}
	if key := inner.GetSenderKeyDistributionMessage(); key != nil && info.IsGroup {
		done := l.client.Ratchet.Take()
		l.client.TakeSenderKey(ctx, info, key)
		done()
	}
	if protocol := inner.GetProtocolMessage(); protocol != nil && info.IsFromMe {
		found, after, own, err := l.protocol(ctx, info, protocol)
		if err != nil {
			return nil, nil, err
		}
		deliveries, receipts = append(deliveries, found...), append(receipts, after...)
		if own {
			return deliveries, receipts, l.engine.sound()
		}
	}
	if err := l.engine.sound(); err != nil {
		return nil, nil, err
	}
	if info.Category == "peer" || onlyKeys(message) {
		return deliveries, receipts, nil
	}
	fields := headers.Message(info, node)
	if count := outcome.Number(part.Attrs["count"]); count > 0 {
		fields["retry"] = count
	}
	return append(deliveries, l.deliver("message", fields, plaintext)), receipts, nil
}

// onlyKeys holds for a message that brings a member's key and says nothing.
func onlyKeys(message *waE2E.Message) bool {
	if message.GetSenderKeyDistributionMessage() == nil {
		return false
	}
	rest, ok := proto.Clone(message).(*waE2E.Message)
	if !ok {
		return false
	}
	rest.SenderKeyDistributionMessage, rest.MessageContextInfo = nil, nil
	return proto.Size(rest) == 0
}

// protocol handles what the account's own devices tell this one; `own` is whether that is all of the message.
//
// An error is the database's: the message is not stored, and it must not be answered.
func (l *login) protocol(
	ctx context.Context, info *types.MessageInfo, message *waE2E.ProtocolMessage,
) (deliveries []<-chan pipe.Answer, receipts []func(), own bool, err error) {
	receipt := func(kind types.ReceiptType) func() {
		return func() { _ = l.client.SendProtocolMessageReceipt(ctx, info.ID, kind) }
	}
	if notice := message.GetHistorySyncNotification(); notice != nil {
		if encoded, err := proto.Marshal(notice); err == nil {
			deliveries = append(deliveries, l.deliver("history", headers.Message(info, nil), encoded))
			receipts = append(receipts, receipt(types.ReceiptTypeHistorySync))
		}
		own = true
	}
	if mapping := message.GetLidMigrationMappingSyncMessage(); mapping != nil {
		l.client.LearnMigration(ctx, info, mapping)
		own = true
	}
	if keys := message.GetAppStateSyncKeyShare(); keys != nil {
		if err := l.takeStateKeys(ctx, keys); err != nil {
			return nil, nil, true, err
		}
		receipts = append(receipts, func() { l.states.Look(ctx, func(error) {}, appstate.AllPatchNames[:]...) })
		own = true
	}
	if answer := message.GetPeerDataOperationRequestResponseMessage(); answer != nil && info.Sender.Device == 0 {
		deliveries = append(deliveries, l.resent(answer)...)
		own = true
	}
	if info.Category == "peer" {
		receipts = append(receipts, receipt(types.ReceiptTypePeerMsg))
	}
	return deliveries, receipts, own, nil
}

// takeStateKeys stores the keys of the app state before the message that brings them is receipted.
func (l *login) takeStateKeys(ctx context.Context, share *waE2E.AppStateSyncKeyShare) error {
	for _, key := range share.GetKeys() {
		fingerprint, err := proto.Marshal(key.GetKeyData().GetFingerprint())
		if err != nil {
			continue
		}
		kept := store.AppStateSyncKey{
			Data: key.GetKeyData().GetKeyData(), Fingerprint: fingerprint, Timestamp: key.GetKeyData().GetTimestamp(),
		}
		if err := l.client.Store.AppStateKeys.PutAppStateSyncKey(ctx, key.GetKeyID().GetKeyID(), kept); err != nil {
			return err
		}
	}
	return nil
}

// resent delivers messages that the phone hands over because they came without their content.
func (l *login) resent(answer *waE2E.PeerDataOperationRequestResponseMessage) (deliveries []<-chan pipe.Answer) {
	for _, part := range answer.GetPeerDataOperationResult() {
		found := part.GetPlaceholderMessageResendResponse().GetWebMessageInfoBytes()
		fields := pipe.Fields{"request_id": answer.GetStanzaID(), "found": len(found) > 0}
		deliveries = append(deliveries, l.deliver("resent", fields, found))
	}
	return deliveries
}
