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
func (l *login) receipt(node *waBinary.Node) {
	receipt, parts, err := l.client.ParseReceipt(node)
	if err != nil {
		l.acknowledge(node, whatsmeow.NackParsingError)
		return
	}
	acknowledge := func() { l.client.Acknowledge(l.engine.ctx, node, 0) }
	switch {
	case parts != nil:
		var deliveries []<-chan pipe.Answer
		for _, each := range headers.Parts(node, receipt, parts) {
			deliveries = append(deliveries, l.deliver("receipt", headers.Receipt(each), nil))
		}
		l.stored(acknowledge, deliveries...)
	case receipt.Type == types.ReceiptTypeRetry:
		l.retries <- struct{}{}
		go l.retried(receipt, node)
	default:
		l.stored(acknowledge, l.deliver("receipt", headers.Receipt(receipt), nil))
	}
}

// retried sends a message again to a device that could not read it, then acknowledges the request.
//
// Where the actor did not return the content, or WhatsApp did not serve what that takes, the request stays unanswered
// and comes again at the next login.
func (l *login) retried(receipt *events.Receipt, node *waBinary.Node) {
	defer func() { <-l.retries }()
	if err := l.sendAgain(receipt, node); err != nil {
		l.engine.logs.Module("engine").Warnf("message was not sent again")
		if errors.Is(err, errNoContent) || outcome.Unserved(err) {
			return
		}
	}
	if l.connected.Load() && l.engine.sound() == nil {
		l.client.Acknowledge(l.engine.ctx, node, 0)
	}
}

// sendAgain encrypts and sends the message of a retry receipt. All queries for it come before the turn of the ratchet.
func (l *login) sendAgain(receipt *events.Receipt, node *waBinary.Node) error {
	ctx := l.engine.ctx
	if err := l.mayResend(); err != nil {
		return err
	}
	retry := node.GetChildByTag("retry")
	content, err := l.engine.sentContent(receipt.Sender, receipt.Chat, outcome.Text(retry.Attrs["id"]))
	if err != nil {
		return err
	}
	for {
		lacks, err := l.answerRetry(receipt, node, content)
		if !lacks {
			return err
		}
		if node, err = l.client.WithKeys(ctx, node, receipt.Sender); err != nil {
			return err
		}
	}
}

// answerRetry answers a retry receipt in the turn of the ratchet, unless it lacks keys.
func (l *login) answerRetry(receipt *events.Receipt, node *waBinary.Node, content *waE2E.Message) (lacks bool, err error) {
	ctx := l.engine.ctx
	if receipt.Chat.Server == types.GroupServer {
		defer l.client.GroupTurn()()
	}
	defer l.client.Ratchet.Take()()
	if err := l.mayResend(); err != nil {
		return false, err
	}
	if content != nil && l.client.LacksKeys(ctx, receipt, node) {
		return true, nil
	}
	return false, l.client.AnswerRetry(ctx, receipt, node, content)
}

// mayResend is mayLeave where nobody waits for what has not left.
func (l *login) mayResend() error {
	if l.mayLeave() != nil || !l.connected.Load() {
		return outcome.NotConnected
	}
	return nil
}

// errNoContent reports that the actor ended or failed before it returned what was sent: it may return it later.
var errNoContent = errors.New("no content from the actor")

// sentContent asks the actor for the content of a message that was sent before; it is nil where there is none.
func (e *Engine) sentContent(requester, chat types.JID, id types.MessageID) (*waE2E.Message, error) {
	answer := e.pipe.Wait(e.pipe.Ask("sent", pipe.Fields{
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
