// Looks up a phone number at WhatsApp: its address, its LID, and a number that answers in its place.

package library

import (
	"context"

	"go.mau.fi/whatsmeow/types"
)

// Contact is how WhatsApp has a phone number: its address, and the number and LID of it as far as they are known, else
// empty.
type Contact struct{ Address, Number, LID types.JID }

// FindContact asks WhatsApp for a phone number, which may be answered by another one; nil where nobody has it.
func (c *Client) FindContact(ctx context.Context, number string) (*Contact, error) {
	answers, err := c.IsOnWhatsApp(ctx, []string{"+" + number})
	if err != nil {
		return nil, err
	}
	for _, answer := range answers {
		if !answer.IsIn {
			continue
		}
		found := &Contact{Address: answer.JID, Number: answer.PhoneNumber, LID: answer.JID}
		if answer.JID.Server == types.DefaultUserServer {
			found.Number = answer.JID
			found.LID, _ = c.Store.LIDs.GetLIDForPN(ctx, answer.JID)
		}
		return found, nil
	}
	return nil, nil
}
