// Delivers incoming receipts to the actor, and sends a message again to a device whose retry receipt asks for it.

package engine

import (
	"errors"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"teimoso-whatsmeow/headers"
	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
)

// receipt hands a receipt to the actor, and has it acknowledged once that committed all of it.
func (one *login) receipt(node *waBinary.Node) {
	receipt, parts, err := one.client.ParseReceipt(node)
	if err != nil {
		one.acknowledge(node, whatsmeow.NackParsingError)
		return
	}
	acknowledge := func() { one.client.Acknowledge(one.engine.ctx, node, 0) }
	switch {
	case parts != nil:
		var deliveries []<-chan pipe.Answer
		for _, each := range headers.Parts(node, receipt, parts) {
			deliveries = append(deliveries, one.deliver("receipt", headers.Receipt(each), nil))
		}
		one.stored(acknowledge, deliveries...)
	case receipt.Type == types.ReceiptTypeRetry:
		one.retries <- struct{}{}
		go one.retried(receipt, node)
	default:
		one.stored(acknowledge, one.deliver("receipt", headers.Receipt(receipt), nil))
	}
}

// retried sends a message again to a device that could not read it, then acknowledges the request.
//
// Where the actor did not return the content, or WhatsApp did not serve what that takes, the request stays unanswered
// and comes again at the next login.
func (one *login) retried(receipt *events.Receipt, node *waBinary.Node) {
	defer func() { <-one.retries }()
	done := one.engine.ratchet.Take()
	defer done()
	if one.engine.sound() != nil || one.engine.lease.Over() != nil || !one.connected.Load() {
		return
	}
	if err := one.client.AnswerRetry(one.engine.ctx, receipt, node, one.engine.sentContent); err != nil {
		one.engine.logs.Module("engine").Warnf("message was not sent again")
		if errors.Is(err, errNoContent) || outcome.Unserved(err) {
			return
		}
	}
	if one.connected.Load() && one.engine.sound() == nil {
		one.client.Acknowledge(one.engine.ctx, node, 0)
	}
}

// errNoContent reports that the actor ended or failed before it returned what was sent: it may return it later.
var errNoContent = errors.New("no content from the actor")

// sentContent asks the actor for the content of a message that was sent before; it is nil where there is none.
func (engine *Engine) sentContent(requester, chat types.JID, id types.MessageID) (*waE2E.Message, error) {
	answer := engine.pipe.Wait(engine.pipe.Ask("sent", pipe.Fields{
		"chat": chat.String(), "requester": requester.String(), "message_id": id,
	}, nil))
	if answer.Err != nil {
		return nil, errNoContent
	}
	var message waE2E.Message
	if len(answer.Raw) == 0 || proto.Unmarshal(answer.Raw, &message) != nil {
		return nil, nil
	}
	return &message, nil
}
